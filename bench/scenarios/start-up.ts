import { HTTP_REQUEST, openHttpEndpoints } from '../endpoints/http.ts'
import { answers, assertFree } from '../lab.ts'
import { median } from '../statistics.ts'
import { type Scenario, TrialFailure } from './scenario.ts'

const STARTS = 5
const TIMEOUT_MS = 10_000

/** From the spawn of a fresh process with one listener to the first answer through it, tried without a pause. It starts as anybody
 *  would start it, on whatever core is free: this is a time, not a cost. */
export const startUp: Scenario = {
  name: 'start-up',
  title: 'spawn to the first answer through the proxy',
  protocol: 'tcp',
  workers: 1,
  metrics: [
    { key: 'ms', title: 'ms to answer' },
    { key: 'slowest', title: 'slowest ms' },
  ],
  peers: ['haproxy', 'haproxy-splice'],
  unavailable: () => undefined,
  unsuitable: (subject) => (subject.name === 'direct' ? 'has no process' : undefined),
  async open(lab) {
    const endpoints = await openHttpEndpoints(lab, lab.cores(1))
    return {
      setting: `${STARTS} starts a trial, proxy not pinned; endpoint: ${endpoints.description}`,
      async trial({ subject, port }) {
        const local = { ip: lab.listenerIp(0), port }
        const listeners = [{ protocol: 'tcp' as const, local, endpoints: endpoints.addresses }]
        const times: number[] = []
        for (let start = 0; start < STARTS; start++) {
          await assertFree('tcp', local)
          const startMs = performance.now()
          await using open = await subject.open(lab, { listeners, workers: 1, cores: undefined })
          while (!(await answers(local, HTTP_REQUEST))) {
            const gone = open.gone()
            if (gone !== undefined) throw new TrialFailure(gone)
            if (performance.now() - startMs > TIMEOUT_MS) throw new TrialFailure(`no answer within ${TIMEOUT_MS} ms`)
          }
          times.push(performance.now() - startMs)
        }
        return { values: { ms: median(times) ?? 0, slowest: Math.max(...times) }, remarks: [] }
      },
      [Symbol.asyncDispose]: () => endpoints[Symbol.asyncDispose](),
    }
  },
}
