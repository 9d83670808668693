import { systemClock } from '../../src/lib/clock.ts'
import { type Libc, loadLibc } from '../../src/lib/libc/load.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { openNativeEngine } from '../../src/listener/native/engine.ts'
import { RouteSessionPolicy } from '../../src/listener/session-policy.ts'
import { endpointKey, type Ip, listenerKey, type Port, type ServicePortKey } from '../../src/model/keys.ts'
import { createSharedState } from '../../src/model/shared-layout.ts'

/** `native-process.ts WORKERS LISTEN-IP PORT ENDPOINT-IP PORT HOW`: a process that forwards with the native engine, and ends
 *  in one way or another when a line comes on its standard input. */
const [workers = '', listenIp = '', listenPort = '', endpointIp = '', endpointPort = '', how = ''] = process.argv.slice(2)
const local = { ip: listenIp as Ip, port: Number(listenPort) as Port }
const address = { ip: endpointIp as Ip, port: Number(endpointPort) as Port }
const shared = createSharedState({ rows: Number(workers), serviceSlots: 4, endpointSlots: 4, affinityEntries: 1024 })
const engine = openNativeEngine({
  libc: loadLibc().libc as Libc,
  shared,
  workers: Number(workers),
  workerUrl: new URL('../../src/runtime/native-worker.ts', import.meta.url),
  descriptors: 2_000,
  clock: systemClock,
  createPolicy: (row) => new RouteSessionPolicy(shared, row, systemClock, systemRandom),
  onDeath: (_, reason) => console.error(reason),
  onFault: (_, reason) => console.error(reason),
})
const service = 'test/process:main/TCP' as ServicePortKey
const longMs = 600_000
const route = {
  listener: 1,
  service,
  serviceSlot: 0,
  rotation: 0,
  protocol: 'TCP',
  ip: local.ip,
  scheduler: 'rr',
  panicPercent: 0,
  endpoints: [{ slot: 0, key: endpointKey(address, 'TCP'), address, weight: 1, backup: false }],
  forLocalClients: undefined,
  affinityTimeoutMs: undefined,
  affinityPrefix: undefined,
  affinitySlot: 0,
  sourceRanges: [],
  connectMs: [longMs],
  transparent: false,
  idleMs: longMs,
  halfCloseMs: longMs,
  udpIdleMs: longMs,
  udpResponses: undefined,
  maxSessionMs: undefined,
  prelude: undefined,
  acceptProxy: undefined,
  limits: undefined,
  userTimeoutMs: undefined,
  clientRules: undefined,
  sourceAddresses: [],
} as const
await engine.publish({ revision: 1, set: [route], remove: [] })
const status = await engine.open({ id: 1, key: listenerKey('TCP', local), protocol: 'TCP', address: local, freeBind: false })
console.log(status.state)

const ENDINGS: Readonly<Record<string, () => void>> = {
  'disposes the engine': () => void engine[Symbol.asyncDispose](),
  'calls process.exit': () => process.exit(),
  'throws an error nobody catches': () => {
    throw new Error('on purpose')
  },
  'has a rejection nobody handles': () => void Promise.reject(new Error('on purpose')),
}
process.stdin.once('data', () => {
  process.stdin.destroy()
  ENDINGS[how]?.()
})
