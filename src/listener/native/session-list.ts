import type { Protocol } from '../../model/keys.ts'
import type { MovedSoFar, RunningSession, SessionListing } from '../listener.ts'
import { readSctpFacts, type SctpColumns } from '../sctp/flow-columns.ts'
import { CLOSING } from '../sctp/flow-table.ts'
import { MutableFacts } from '../session-facts.ts'
import type { SessionMatcher } from '../session-matcher.ts'
import { readTcpFacts, type TcpColumns } from './tcp-table.ts'
import { readUdpFacts, type UdpColumns } from './udp-table.ts'
import type { WorkerHandle } from './worker-handle.ts'

/** Places looked at before main does something else: about a millisecond. */
const PLACES_A_TURN = 16_384

/** Tells of running sessions as they stand in the memory that workers share with main: no worker is asked. A worker writes
 *  a session's number last when it begins and takes it away first when it ends, so a session that has the same number
 *  before and after it was read is one. */
export async function listSessions(
  workers: readonly WorkerHandle[],
  matcher: SessionMatcher,
  most: number,
): Promise<SessionListing> {
  const list = new Collector(matcher, most)
  for (const worker of workers) {
    const { tcp, udp, sctp } = worker.estate
    if (matcher.wants('TCP')) await inTurns(worker, tcp.used, (place) => list.readTcp(worker.row, tcp, place))
    if (matcher.wants('UDP')) await inTurns(worker, udp.used, (place) => list.readUdp(worker.row, udp, place))
    if (matcher.wants('SCTP')) await inTurns(worker, sctp.used, (place) => list.readSctp(worker.row, sctp, place))
  }
  return list
}

/** Shows what every running session has moved so far. */
export function tallySessions(workers: readonly WorkerHandle[], look: (session: MovedSoFar) => void): void {
  const facts = new MutableFacts()
  for (const { over, estate } of workers) {
    if (over) continue
    const { tcp, udp, sctp } = estate
    for (let place = Atomics.load(tcp.used, 0) - 1; place >= 0; place--) {
      if (tcp.ids[place] === 0) continue
      readTcpFacts(tcp, place, facts)
      look(facts)
    }
    for (let place = Atomics.load(udp.used, 0) - 1; place >= 0; place--) {
      if (udp.ids[place] === 0) continue
      readUdpFacts(udp, place, facts)
      look(facts)
    }
    for (let place = Atomics.load(sctp.used, 0) - 1; place >= 0; place--) {
      if (sctp.ids[place] === 0) continue
      readSctpFacts(sctp, place, facts)
      look(facts)
    }
    // The next worker's TCP sessions have none.
    facts.datagramsFromClient = 0
    facts.datagramsFromEndpoint = 0
  }
}

async function inTurns(worker: WorkerHandle, used: Int32Array, read: (place: number) => void): Promise<void> {
  const end = Atomics.load(used, 0)
  for (let place = 0; place < end && !worker.over; place++) {
    read(place)
    if (place % PLACES_A_TURN === PLACES_A_TURN - 1) await new Promise<void>((resolve) => setImmediate(resolve))
  }
}

class Collector implements SessionListing {
  readonly sessions: RunningSession[] = []
  matched = 0
  readonly #matcher: SessionMatcher
  readonly #most: number
  readonly #facts = new MutableFacts()

  constructor(matcher: SessionMatcher, most: number) {
    this.#matcher = matcher
    this.#most = most
  }

  readTcp(worker: number, columns: TcpColumns, place: number): void {
    const id = columns.ids[place] as number
    if (id === 0) return
    const facts = this.#facts
    readTcpFacts(columns, place, facts)
    facts.datagramsFromClient = 0
    facts.datagramsFromEndpoint = 0
    const lastMs = columns.lastMs[place] as number
    const ending = columns.reasons[place] !== 0
    if (columns.ids[place] === id) this.#take(worker, 'TCP', lastMs, ending)
  }

  readUdp(worker: number, columns: UdpColumns, place: number): void {
    const id = columns.ids[place] as number
    if (id === 0) return
    const facts = this.#facts
    readUdpFacts(columns, place, facts)
    const lastMs = columns.lastMs[place] as number
    if (columns.ids[place] === id) this.#take(worker, 'UDP', lastMs, false)
  }

  readSctp(worker: number, columns: SctpColumns, place: number): void {
    const id = columns.ids[place] as number
    if (id === 0) return
    const facts = this.#facts
    readSctpFacts(columns, place, facts)
    const lastMs = columns.lastMs[place] as number
    const closing = columns.states[place] === CLOSING
    if (columns.ids[place] === id) this.#take(worker, 'SCTP', lastMs, closing)
  }

  #take(worker: number, protocol: Protocol, lastMs: number, ending: boolean): void {
    const facts = this.#facts
    if (!this.#matcher.takes(facts, lastMs)) return
    this.matched++
    if (this.sessions.length >= this.#most) return
    const { word0, word1, word2, word3, port } = facts.client
    this.sessions.push({
      id: facts.id,
      worker,
      protocol,
      state: facts.connectMs < 0 ? 'connecting' : ending ? 'closing' : 'open',
      listener: facts.listener,
      client: { word0, word1, word2, word3, port },
      lease: facts.lease,
      attempts: facts.attempts,
      startedMs: facts.startedMs,
      lastMs,
      connectMs: facts.connectMs,
      bytesFromClient: facts.bytesFromClient,
      bytesFromEndpoint: facts.bytesFromEndpoint,
      datagramsFromClient: facts.datagramsFromClient,
      datagramsFromEndpoint: facts.datagramsFromEndpoint,
    })
  }
}
