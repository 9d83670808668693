import { Ledger } from '../../src/balancer/ledger.ts'
import { manualClock } from '../../src/lib/clock.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { TimerWheel } from '../../src/listener/native/timer-wheel.ts'
import { createAssociations } from '../../src/listener/sctp/associations.ts'
import { wireOf } from '../../src/listener/sctp/doors.ts'
import { createSctpColumns } from '../../src/listener/sctp/flow-columns.ts'
import type { PacketOutput } from '../../src/listener/sctp/own-packets.ts'
import { Packet } from '../../src/listener/sctp/packet.ts'
import { fromWire } from '../../src/listener/sctp/wire-address.ts'
import { RouteSessionPolicy } from '../../src/listener/session-policy.ts'
import { showWords } from '../../src/model/address.ts'
import type { PublishedRoute } from '../../src/model/delta.ts'
import { endpointKey, type Ip, type Port, type ServicePortKey } from '../../src/model/keys.ts'
import { SESSION_ENDS } from '../../src/model/session.ts'
import { createSharedState, type ServiceCounter, serviceBase, serviceCell } from '../../src/model/shared-layout.ts'
import { RecordReader } from '../../src/observe/records.ts'
import { showPacket } from './sctp-packets.ts'

export const VIP = '10.96.0.10'
export const VIP_PORT = 3868
export const ENDPOINT_PORT = 9000
/** What endpoints see as the client's address. */
export const NODE = '192.0.2.1'
const LISTENER = 1
const SERVICE = 'default/dia:d/SCTP' as ServicePortKey

/** A packet that came out. */
export interface Sent {
  readonly from: string
  readonly to: string
  readonly bytes: Uint8Array
  readonly text: string
}

export interface SctpWorldOptions {
  readonly endpoints?: readonly string[]
  readonly capacity?: number
  readonly seed?: number
  /** Takes packets that come out, in place of the list of them. */
  readonly output?: PacketOutput
  /** Endpoints that there is no way to. */
  readonly unreachable?: readonly string[]
}

/** Everything of SCTP but sockets and the clock: packets go in by hand, and what comes out is kept. Its one Service has the
 *  session policy of a real process. */
export function createSctpWorld(options: SctpWorldOptions = {}) {
  const { endpoints = ['10.1.0.1', '10.1.0.2'], capacity = 64, seed = 5, unreachable = [] } = options
  const clock = manualClock()
  const shared = createSharedState({ rows: 1, serviceSlots: 8, endpointSlots: 32, affinityEntries: 64, recordsPerRing: 4096 })
  const ledger = new Ledger(shared, seededRandom(1))
  const policy = new RouteSessionPolicy(shared, 0, clock, seededRandom(2))
  const reader = new RecordReader(shared.records[0] as SharedArrayBuffer)
  const columns = createSctpColumns(capacity)
  const sent: Sent[] = []
  let ids = 0
  const wheel = new TimerWheel(capacity, clock.now(), (flow) => associations.sessions.due(flow))
  const associations = createAssociations({
    policy: () => policy,
    clock,
    random: seededRandom(seed),
    columns,
    deadlines: wheel,
    output: options.output ?? {
      send({ bytes, start, end, addresses }) {
        const copy = bytes.slice(start, end)
        const view = new DataView(copy.buffer)
        const from = `${ipOf(addresses, 0)}:${view.getUint16(0)}`
        const to = `${ipOf(addresses, 4)}:${view.getUint16(2)}`
        sent.push({ from, to, bytes: copy, text: `${to} ${showPacket(copy)}` })
      },
    },
    sourceFor(endpoint, into) {
      into.set(wireOf({ ip: (endpoint.address.ip.includes(':') ? '2001:db8::1' : NODE) as Ip, port: 1 as Port }))
      return !unreachable.includes(endpoint.address.ip)
    },
    nextId: () => ++ids,
    onCount: () => {},
  })
  let revision = 0
  const serviceSlot = ledger.serviceSlot(SERVICE) as number
  const publish = (ips: readonly string[], change: Partial<PublishedRoute> = {}) => {
    const route: PublishedRoute = {
      listener: LISTENER,
      service: SERVICE,
      serviceSlot,
      rotation: 0,
      protocol: 'SCTP',
      ip: VIP as Ip,
      scheduler: 'rr',
      endpoints: ips.map((ip) => {
        const address = { ip: ip as Ip, port: ENDPOINT_PORT as Port }
        const key = endpointKey(address, 'SCTP')
        return { slot: ledger.endpointSlot(SERVICE, key) as number, key, address, weight: 1, backup: false }
      }),
      forLocalClients: undefined,
      affinityTimeoutMs: undefined,
      sourceRanges: [],
      connectMs: [250, 500, 1000, 2000],
      transparent: false,
      idleMs: 3_600_000,
      halfCloseMs: 60_000,
      udpIdleMs: 60_000,
      udpResponses: undefined,
      prelude: undefined,
      acceptProxy: undefined,
      userTimeoutMs: undefined,
      maxSessionMs: undefined,
      panicPercent: 0,
      limits: undefined,
      clientRules: undefined,
      sourceAddresses: [],
      affinitySlot: serviceSlot,
      affinityPrefix: undefined,
      ...change,
    }
    const delta = { revision: ++revision, set: [route], remove: [] }
    associations.book.apply(delta)
    associations.sessions.hasten(policy.apply(delta))
  }
  publish(endpoints)
  ledger.views.rotations.fill(0)
  associations.doors.open(LISTENER, { ip: VIP as Ip, port: VIP_PORT as Port })
  const packet = new Packet(new Uint8Array(0))
  return {
    ...associations,
    clock,
    policy,
    publish,
    listener: LISTENER,
    /** Gives it a packet, with room around it as there is in a receive buffer. */
    receive(from: string, to: string, bytes: Uint8Array): void {
      packet.bytes = new Uint8Array(bytes.length + 64).fill(0xee)
      packet.bytes.set(bytes, 32)
      packet.start = 32
      packet.end = 32 + bytes.length
      packet.addresses.set(wireOf({ ip: from as Ip, port: 1 as Port }), 0)
      packet.addresses.set(wireOf({ ip: to as Ip, port: 1 as Port }), 4)
      associations.translator.receive(packet)
    },
    /** Everything that came out since this was called last. */
    takeSent: (): Sent[] => sent.splice(0),
    /** The same, as text. */
    takeTexts: (): string[] => sent.splice(0).map(({ text }) => text),
    advance(byMs: number): void {
      const until = clock.now() + byMs
      while (clock.now() < until) {
        clock.advance(Math.min(50, until - clock.now()))
        wheel.advance(clock.now())
      }
    },
    /** How sessions ended that did since this was called last. */
    takeEnds(): string[] {
      const ends: string[] = []
      reader.drain(({ end }) => ends.push(SESSION_ENDS[end] as string))
      return ends
    },
    count: (counter: ServiceCounter): number =>
      ledger.views.rows[0]?.services[serviceBase(serviceSlot) + serviceCell(counter)] as number,
    /** Sessions on each endpoint now. */
    active: (): number[] => [...Array(32).keys()].map((slot) => ledger.activeAt(slot)).filter((count) => count !== 0),
  }
}

export type SctpWorld = ReturnType<typeof createSctpWorld>

function ipOf(words: Int32Array, at: number): string {
  const numbers = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  fromWire(words, at, 0, numbers)
  return showWords(numbers)
}
