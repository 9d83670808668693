import type { Subject } from './subject.ts'

/** No proxy: the client talks to the first endpoint. The limit of what the machine and the load generator can do. */
export const direct: Subject = {
  name: 'direct',
  protocols: new Set(['tcp', 'udp']),
  reloads: false,
  scales: false,
  describe: () => 'no proxy, the client talks to the first endpoint',
  unavailable: async () => undefined,
  async open(_lab, plan) {
    const addresses = plan.listeners.map(({ endpoints, local }) => endpoints[0] ?? local)
    return { addresses, pids: () => [], gone: () => undefined, [Symbol.asyncDispose]: async () => {} }
  },
}
