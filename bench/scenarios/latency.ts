import { HTTP_REQUEST, openHttpEndpoints } from '../endpoints/http.ts'
import { iperf3Address, openIperf3Endpoint, warmUpIperf3 } from '../endpoints/program.ts'
import { pause } from '../lab.ts'
import { notInstalled } from '../tools/installed.ts'
import { runIperf3 } from '../tools/iperf3.ts'
import { loadProgram, runLoad } from '../tools/load-program.ts'
import { runWrk } from '../tools/wrk.ts'
import { type Competitor, cpuValues, judgeErrors, measureCpu, NS_PER_US, type Scenario, withSubject } from './scenario.ts'

const CONNECTIONS = 64
const CALIBRATION_SECONDS = 2
const ROUND_RATE_TO = 500
const MIXED_RATE = 2000
/** Within reach of every subject, the plain pipe included. */
const MIXED_BULK_BYTES_PER_SECOND = 250e6
const MIXED_BULK_STREAMS = 2
const BULK_LEAD_MS = 500
const PEERS = ['haproxy', 'haproxy-splice'] as const

type Answers = Readonly<Record<string, number>>

export function judgeAnswers({ due = 0, failed = 0, unanswered = 0 }: Answers, tolerated?: number): string[] {
  return [
    ...judgeErrors('requests failed', failed, due, tolerated),
    ...judgeErrors('requests were not answered', unanswered, due, tolerated),
  ]
}

export function latencyValues({ perSecond = 0, p50Us = 0, p99Us = 0, p999Us = 0, maxUs = 0 }: Answers) {
  return { rate: perSecond, p50: p50Us / 1e3, p99: p99Us / 1e3, p999: p999Us / 1e3, max: maxUs / 1e3 }
}

const LATENCY_METRICS = [
  { key: 'p99', title: 'p99 ms' },
  { key: 'p50', title: 'p50 ms' },
  { key: 'p999', title: 'p99.9 ms' },
  { key: 'cpu', title: 'µs CPU/request' },
  { key: 'corePercent', title: 'CPU %' },
]

/** The reference for "half load": HAProxy where it runs, else the plain pipe, else whoever is first. */
export function loadReference(competitors: readonly Competitor[]): Competitor | undefined {
  const named = (name: string) => competitors.find(({ subject }) => subject.name === name)
  return named('haproxy') ?? named('plain-pipe') ?? competitors[0]
}

export const halfLoad: Scenario = {
  name: 'half-load',
  title: 'latency of keep-alive requests at a fixed rate, half of what the reference can do',
  protocol: 'tcp',
  workers: 1,
  metrics: LATENCY_METRICS,
  peers: PEERS,
  unavailable: () => notInstalled('gcc', 'wrk'),
  async open(lab, { seconds, warmupSeconds, rate }, competitors) {
    const cores = lab.cores(1)
    const program = await loadProgram('tcp-load')
    const endpoints = await openHttpEndpoints(lab, cores)
    const planFor = ({ port }: Competitor) => {
      const local = { ip: lab.listenerIp(0), port }
      return { listeners: [{ protocol: 'tcp' as const, local, endpoints: endpoints.addresses }], workers: 1 }
    }
    const probes = [{ protocol: 'tcp' as const, say: HTTP_REQUEST }]
    const reference = loadReference(competitors)
    let perSecond = rate
    if (perSecond === undefined && reference !== undefined) {
      perSecond = await withSubject(lab, reference, planFor(reference), probes, async (_open, [to]) => {
        const url = `http://${to?.ip}:${to?.port}/`
        const full = await runWrk({ url, connections: CONNECTIONS, seconds: CALIBRATION_SECONDS, cores: cores.loadPin })
        return Math.round(full.perSecond / 2 / ROUND_RATE_TO) * ROUND_RATE_TO
      })
    }
    const chosen = perSecond ?? MIXED_RATE
    const from = rate === undefined ? `half of what ${reference?.subject.name} does` : 'as asked'
    return {
      setting: `${chosen} requests/s (${from}) over ${CONNECTIONS} connections; endpoint: ${endpoints.description}`,
      trial(competitor) {
        return withSubject(lab, competitor, planFor(competitor), probes, async (open, [to]) => {
          const load = (duration: number) => {
            const shape = [CONNECTIONS, chosen, 0, duration].map(String)
            return runLoad([program, 'paced', to?.ip ?? '', `${to?.port}`, ...shape], cores.loadPin, duration)
          }
          await load(warmupSeconds)
          const { result, cpu } = await measureCpu(cores.proxy, open, () => load(seconds))
          const values = { ...cpuValues(cpu, result['answered'] ?? 0, NS_PER_US), ...latencyValues(result) }
          return { values, remarks: judgeAnswers(result) }
        })
      },
      [Symbol.asyncDispose]: () => endpoints[Symbol.asyncDispose](),
    }
  },
}

export const mixed: Scenario = {
  name: 'mixed',
  title: 'latency of small requests beside paced bulk through the same process',
  protocol: 'tcp',
  workers: 1,
  metrics: [
    { key: 'p99', title: 'p99 ms' },
    { key: 'p50', title: 'p50 ms' },
    { key: 'p999', title: 'p99.9 ms' },
    { key: 'bulk', title: 'bulk MB/s' },
    { key: 'corePercent', title: 'CPU %' },
  ],
  peers: PEERS,
  unavailable: () => notInstalled('gcc', 'iperf3'),
  unsuitable: (subject) => (subject.name === 'direct' ? 'has no process that bulk and requests could share' : undefined),
  async open(lab, { seconds, warmupSeconds, rate = MIXED_RATE }) {
    const cores = lab.cores(1)
    const program = await loadProgram('tcp-load')
    const endpoints = await openHttpEndpoints(lab, cores)
    const bulkEndpoint = iperf3Address(lab)
    return {
      setting: `${rate} requests/s beside ${MIXED_BULK_BYTES_PER_SECOND / 1e6} MB/s of iperf3 in ${MIXED_BULK_STREAMS} streams`,
      trial(competitor) {
        const { port } = competitor
        const small = { ip: lab.listenerIp(0), port }
        const bulk = { ip: lab.listenerIp(1), port }
        const listeners = [
          { protocol: 'tcp' as const, local: small, endpoints: endpoints.addresses },
          { protocol: 'tcp' as const, local: bulk, endpoints: [bulkEndpoint] },
        ]
        const probes = [{ protocol: 'tcp' as const, say: HTTP_REQUEST }]
        return withSubject(lab, competitor, { listeners, workers: 1 }, probes, async (open, [to = small, bulkTo = bulk]) => {
          await using server = await openIperf3Endpoint(lab, bulkEndpoint, cores.loadPin)
          const both = async (duration: number) => {
            const paced = { to: bulkTo, streams: MIXED_BULK_STREAMS, bytesPerSecond: MIXED_BULK_BYTES_PER_SECOND }
            // Bulk runs before the first request and after the last.
            const running = runIperf3({ ...paced, seconds: Math.ceil(duration) + 1, cores: cores.loadPin })
            running.catch(() => {})
            await pause(BULK_LEAD_MS)
            const shape = [CONNECTIONS, rate, 0, duration].map(String)
            const requests = await runLoad([program, 'paced', to.ip, `${to.port}`, ...shape], cores.loadPin, duration)
            return { requests, transfer: await running }
          }
          await warmUpIperf3(open, { to: bulkTo, streams: MIXED_BULK_STREAMS, seconds: warmupSeconds, cores: cores.loadPin })
          await both(warmupSeconds)
          await pause(BULK_LEAD_MS)
          const { result, cpu } = await measureCpu(cores.proxy, open, () => both(seconds))
          const gone = server.gone()
          if (gone !== undefined) throw new Error(gone)
          const share = result.transfer.bytesPerSecond / MIXED_BULK_BYTES_PER_SECOND
          const slow = share < 0.95 ? [`bulk reached only ${Math.round(share * 100)} % of its pace`] : []
          const values = { ...latencyValues(result.requests), ...cpu?.values, bulk: result.transfer.bytesPerSecond / 1e6 }
          return { values, remarks: [...judgeAnswers(result.requests), ...slow] }
        })
      },
      [Symbol.asyncDispose]: () => endpoints[Symbol.asyncDispose](),
    }
  },
}
