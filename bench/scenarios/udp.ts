import { ECHO_PORT, openEcho } from '../endpoints/program.ts'
import { notInstalled } from '../tools/installed.ts'
import { loadProgram, runLoad } from '../tools/load-program.ts'
import { cpuValues, judgeErrors, measureCpu, NS_PER_US, type Scenario, TrialFailure, withSubject } from './scenario.ts'

const ENDPOINTS = 3
const SMALL_BYTES = 64
const LARGE_BYTES = 1200
const PEERS = ['nginx'] as const
/** Loss above this makes a trial worthless: what is compared would no longer be the same work. */
const TOLERATED_LOSS = 0.01

type Counts = Readonly<Record<string, number>>

function judgeDatagrams({ sent = 0, received = 0, lost = 0, corrupt = 0, refused = 0 }: Counts): string[] {
  if (received === 0) throw new TrialFailure(`none of ${sent} datagrams arrived`)
  if (corrupt > 0) throw new TrialFailure(`${corrupt} of ${sent} datagrams arrived changed`)
  return [
    ...judgeErrors('datagrams were lost', lost, sent, TOLERATED_LOSS),
    ...judgeErrors('datagrams were refused', refused, sent),
  ]
}

const lossPercent = ({ sent = 0, lost = 0 }: Counts) => (sent === 0 ? 0 : (100 * lost) / sent)

function roundTripScenario(flows: number, outstanding: number): Scenario {
  return {
    name: `udp-${flows}x${outstanding}`,
    title: `UDP round trips, ${flows} flows × ${outstanding} outstanding × ${SMALL_BYTES} B`,
    protocol: 'udp',
    workers: 1,
    metrics: [
      { key: 'cpu', title: 'µs CPU/round trip' },
      { key: 'rate', title: 'round trips/s' },
      { key: 'p99', title: 'p99 ms' },
      { key: 'lossPercent', title: 'lost %' },
      { key: 'corePercent', title: 'CPU %' },
    ],
    peers: PEERS,
    unavailable: () => notInstalled('gcc'),
    async open(lab, { seconds, warmupSeconds }) {
      const cores = lab.cores(1)
      const program = await loadProgram('udp-load')
      const echo = await openEcho(lab, 'udp', ENDPOINTS, cores.loadPin)
      return {
        setting: `bench/load/udp-load.c, echo on ${ENDPOINTS} addresses`,
        trial(competitor) {
          const local = { ip: lab.listenerIp(0), port: competitor.port }
          const plan = { listeners: [{ protocol: 'udp' as const, local, endpoints: echo.addresses }], workers: 1 }
          return withSubject(lab, competitor, plan, [{ protocol: 'udp' }], async (open, [to = local]) => {
            const load = (duration: number) => {
              const shape = [flows, outstanding, SMALL_BYTES, duration].map(String)
              return runLoad([program, 'round-trip', to.ip, `${to.port}`, ...shape], cores.loadPin, duration)
            }
            await load(warmupSeconds)
            const { result, cpu } = await measureCpu(cores.proxy, open, () => load(seconds))
            const { received = 0, perSecond = 0, p50Us = 0, p99Us = 0 } = result
            const values = { rate: perSecond, p50: p50Us / 1e3, p99: p99Us / 1e3, lossPercent: lossPercent(result) }
            return { values: { ...cpuValues(cpu, received, NS_PER_US), ...values }, remarks: judgeDatagrams(result) }
          })
        },
        [Symbol.asyncDispose]: () => echo[Symbol.asyncDispose](),
      }
    },
  }
}

interface Stream {
  readonly name: string
  readonly sender: 'gso' | 'plain'
  readonly sink: 'gro' | 'no-gro'
}

const STREAM_FLOWS = 4
/** Datagrams under way at most, and in one call of the sender. What is under way must fit a receive buffer of the
 *  default size (about 90 single datagrams of this length, or 200 kB of aggregated ones). */
const WINDOW = { gso: 128, plain: 64 } as const
const BATCH = { gso: 32, plain: 16 } as const

/** One way, as fast as the window allows; the sender is the endpoint too and sees what arrives. */
function streamScenario({ name, sender, sink }: Stream): Scenario {
  const how = `sender ${sender === 'gso' ? 'with GSO' : 'without GSO'}, endpoint ${sink === 'gro' ? 'with GRO' : 'without GRO'}`
  return {
    name,
    title: `UDP one way, ${LARGE_BYTES} B, ${how}`,
    protocol: 'udp',
    workers: 1,
    metrics: [
      { key: 'cpu', title: 'µs CPU/datagram' },
      { key: 'rate', title: 'datagrams/s' },
      { key: 'lossPercent', title: 'lost %' },
      { key: 'corePercent', title: 'CPU %' },
    ],
    peers: PEERS,
    unavailable: () => notInstalled('gcc'),
    async open(lab, { seconds, warmupSeconds }) {
      const cores = lab.cores(1)
      const program = await loadProgram('udp-load')
      const endpoint = { ip: lab.endpointIp(0), port: ECHO_PORT }
      return {
        setting: `bench/load/udp-load.c, ${STREAM_FLOWS} flows, at most ${WINDOW[sender]} datagrams under way`,
        trial(competitor) {
          const local = { ip: lab.listenerIp(0), port: competitor.port }
          const plan = { listeners: [{ protocol: 'udp' as const, local, endpoints: [endpoint] }], workers: 1 }
          return withSubject(lab, competitor, plan, [], async (open, [to = local]) => {
            const load = (duration: number) => {
              const addresses = [to.ip, `${to.port}`, endpoint.ip, `${endpoint.port}`]
              const shape = [STREAM_FLOWS, LARGE_BYTES, WINDOW[sender], BATCH[sender]].map(String)
              return runLoad([program, 'stream', ...addresses, ...shape, sender, sink, `${duration}`], cores.loadPin, duration)
            }
            await load(warmupSeconds)
            const { result, cpu } = await measureCpu(cores.proxy, open, () => load(seconds))
            const { received = 0, perSecond = 0 } = result
            const values = { ...cpuValues(cpu, received, NS_PER_US), rate: perSecond, lossPercent: lossPercent(result) }
            return { values, remarks: judgeDatagrams(result) }
          })
        },
        [Symbol.asyncDispose]: async () => {},
      }
    },
  }
}

export const udpRoundTripScenarios = [roundTripScenario(16, 8), roundTripScenario(256, 1)]

export const udpStreamScenarios = [
  streamScenario({ name: 'udp-stream-gso', sender: 'gso', sink: 'gro' }),
  streamScenario({ name: 'udp-stream-plain', sender: 'plain', sink: 'gro' }),
]
