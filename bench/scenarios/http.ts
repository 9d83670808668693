import { HTTP_REQUEST, openHttpEndpoints } from '../endpoints/http.ts'
import { notInstalled } from '../tools/installed.ts'
import { runWrk } from '../tools/wrk.ts'
import { cpuValues, judgeErrors, measureCpu, NS_PER_US, type Scenario, withSubject } from './scenario.ts'

const CONNECTIONS = 64
const CORES_FOR_TWO_WORKERS = 6

interface Variant {
  readonly name: string
  readonly title: string
  readonly unit: 'request' | 'connection'
  readonly workers: number
}

/** wrk as fast as it goes over three endpoints: one connection for many requests, or one for each. */
function httpScenario({ name, title, unit, workers }: Variant): Scenario {
  const close = unit === 'connection'
  return {
    name,
    title,
    protocol: 'tcp',
    workers,
    metrics: [
      { key: 'cpu', title: `µs CPU/${unit}` },
      { key: 'rate', title: `${unit}s/s` },
      { key: 'p99', title: 'p99 ms' },
      { key: 'corePercent', title: 'CPU %' },
    ],
    peers: ['haproxy', 'haproxy-splice'],
    unavailable(lab) {
      const cores = lab.cores(1).proxy.length + lab.cores(1).load.length
      if (workers > 1 && cores < CORES_FOR_TWO_WORKERS)
        return `not measurable here: ${cores} cores, two workers need ${CORES_FOR_TWO_WORKERS}`
      return notInstalled('wrk')
    },
    ...(workers > 1 && { unsuitable: (subject) => (subject.scales ? undefined : 'has one thread only') }),
    async open(lab, { seconds, warmupSeconds }) {
      const cores = lab.cores(workers)
      const endpoints = await openHttpEndpoints(lab, cores)
      return {
        setting: `wrk, ${CONNECTIONS} connections; endpoint: ${endpoints.description}`,
        trial(competitor) {
          const local = { ip: lab.listenerIp(0), port: competitor.port }
          const plan = { listeners: [{ protocol: 'tcp' as const, local, endpoints: endpoints.addresses }], workers }
          return withSubject(lab, competitor, plan, [{ protocol: 'tcp', say: HTTP_REQUEST }], async (open, [address]) => {
            const url = `http://${address?.ip}:${address?.port}/`
            const load = { url, connections: CONNECTIONS, close, threads: cores.loadThreads, cores: cores.loadPin }
            await runWrk({ ...load, seconds: warmupSeconds })
            const { result, cpu } = await measureCpu(cores.proxy, open, () => runWrk({ ...load, seconds }))
            const remarks = [
              ...judgeErrors('answers were not 200', result.badAnswers, result.requests, 0),
              ...judgeErrors('requests had a socket error', result.socketErrors, result.requests),
            ]
            const values = {
              ...cpuValues(cpu, result.requests, NS_PER_US),
              rate: result.perSecond,
              p50: result.p50Ms,
              p99: result.p99Ms,
            }
            return { values, remarks }
          })
        },
        [Symbol.asyncDispose]: () => endpoints[Symbol.asyncDispose](),
      }
    },
  }
}

export const keepAlive = httpScenario({ name: 'keep-alive', title: 'keep-alive HTTP requests', unit: 'request', workers: 1 })

export const connections = httpScenario({
  name: 'connections',
  title: 'one TCP connection per HTTP request',
  unit: 'connection',
  workers: 1,
})

export const keepAliveTwoWorkers = httpScenario({
  name: 'keep-alive-2-workers',
  title: 'keep-alive HTTP requests, two workers',
  unit: 'request',
  workers: 2,
})
