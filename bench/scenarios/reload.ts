import { HTTP_REQUEST, openHttpEndpoints } from '../endpoints/http.ts'
import { answers, pause } from '../lab.ts'
import { median } from '../statistics.ts'
import type { ListenerPlan } from '../subjects/subject.ts'
import { notInstalled } from '../tools/installed.ts'
import { loadProgram, runLoad } from '../tools/load-program.ts'
import { judgeAnswers, latencyValues } from './latency.ts'
import { type Scenario, TrialFailure, withSubject } from './scenario.ts'

const SERVICES = 1000
const CONNECTIONS = 32
const RATE = 2000
/** A tenth of the requests pays for a new connection, so that listeners are watched too, not only old sessions. */
const REQUESTS_EACH = 10
const IN_FORCE_TIMEOUT_MS = 15_000
/** A failed request is a finding here, in a column of its own, not a fault of the measurement. */
const TOLERATED_FAILURES = 0.05
const BETWEEN_MS = 300

/** Requests at a fixed rate while 1,000 services change their endpoints again and again. Each change also adds or
 *  removes one listener, the canary: the change is in force when the canary answers, or no longer does. */
export const reload: Scenario = {
  name: 'reload',
  title: `latency while ${SERVICES} services are reloaded`,
  protocol: 'tcp',
  workers: 1,
  metrics: [
    { key: 'p99', title: 'p99 ms' },
    { key: 'p999', title: 'p99.9 ms' },
    { key: 'max', title: 'max ms' },
    { key: 'inForce', title: 'in force ms' },
    { key: 'reloads', title: 'reloads' },
    { key: 'failed', title: 'failed' },
  ],
  peers: ['haproxy', 'haproxy-splice'],
  unavailable: () => notInstalled('gcc'),
  unsuitable: (subject) => (subject.reloads ? undefined : 'cannot reload'),
  async open(lab, { seconds, warmupSeconds, rate = RATE }) {
    const cores = lab.cores(1)
    const program = await loadProgram('tcp-load')
    const endpoints = await openHttpEndpoints(lab, cores)
    return {
      setting: `${rate} requests/s, a new connection for every ${REQUESTS_EACH}th; endpoint: ${endpoints.description}`,
      trial(competitor) {
        const { port } = competitor
        const canary = { ip: lab.listenerIp(SERVICES), port }
        // Every service loses its last endpoint in odd generations and has it back in even ones.
        const generation = (number: number): ListenerPlan[] => {
          const members = number % 2 === 0 ? endpoints.addresses : endpoints.addresses.slice(0, -1)
          const count = number % 2 === 0 ? SERVICES : SERVICES + 1
          const locals = Array.from({ length: count }, (_, index) => ({ ip: lab.listenerIp(index), port }))
          return locals.map((local) => ({ protocol: 'tcp', local, endpoints: members }))
        }
        const plan = { listeners: generation(0), workers: 1, willReload: true }
        return withSubject(lab, competitor, plan, [{ protocol: 'tcp', say: HTTP_REQUEST }], async (open, [to = canary]) => {
          const load = (duration: number) => {
            const shape = [CONNECTIONS, rate, REQUESTS_EACH, duration].map(String)
            return runLoad([program, 'paced', to.ip, `${to.port}`, ...shape], cores.loadPin, duration)
          }
          await load(warmupSeconds)
          let running = true
          const requests = load(seconds).finally(() => {
            running = false
          })
          requests.catch(() => {})
          const inForce: number[] = []
          for (let number = 1; running; number++) {
            const startMs = performance.now()
            await open.reload?.(generation(number))
            while ((await answers(canary, undefined)) !== (number % 2 === 1)) {
              if (performance.now() - startMs > IN_FORCE_TIMEOUT_MS) throw new TrialFailure('a reload did not come into force')
              await pause(2)
            }
            inForce.push(performance.now() - startMs)
            await pause(BETWEEN_MS)
          }
          const result = await requests
          const values = { ...latencyValues(result), inForce: median(inForce) ?? 0, reloads: inForce.length }
          const failed = (result['failed'] ?? 0) + (result['unanswered'] ?? 0)
          return { values: { ...values, failed }, remarks: judgeAnswers(result, TOLERATED_FAILURES) }
        })
      },
      [Symbol.asyncDispose]: () => endpoints[Symbol.asyncDispose](),
    }
  },
}
