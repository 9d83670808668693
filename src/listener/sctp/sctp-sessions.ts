import type { Clock } from '../../lib/clock.ts'
import type { RouteEndpoint } from '../../model/delta.ts'
import { type ClientAddress, NO_TICKET, type SessionEnd, type Tried } from '../../model/session.ts'
import { lifeEndMs } from '../life-end.ts'
import type { SessionFilter, SessionPolicy, SessionTimeouts } from '../listener.ts'
import { MutableFacts } from '../session-facts.ts'
import { isMeant } from '../session-filter.ts'
import type { EndpointBook } from './endpoint-book.ts'
import { readSctpFacts } from './flow-columns.ts'
import { ANSWERED, CLOSED, CLOSING, CUT, ESTABLISHED, type FlowTable, WAITING } from './flow-table.ts'
import type { HalfOpen } from './half-open.ts'
import type { OwnPackets } from './own-packets.ts'
import type { Packet, WireWords } from './packet.ts'
import type { SourcePorts } from './source-ports.ts'
import type { Tally } from './tally.ts'
import { fromWire } from './wire-address.ts'

/** How long a client may take to set up an association that an endpoint has agreed to: two repeats of a lost packet. */
export const COOKIE_MS = 15_000
/** An association is not given up sooner, whatever the idle timeout: peers look for each other every 30 s or so. */
export const LEAST_IDLE_MS = 210_000
/** How long the ports of an association rest when both sides know that it is over, and when they may not. */
export const CLOSED_REST_MS = 2_000
export const CUT_REST_MS = 30_000
const NONE = -1
const FALLBACK: SessionTimeouts = {
  idleMs: 3_600_000,
  halfCloseMs: 60_000,
  udpIdleMs: 0,
  udpResponses: undefined,
  maxSessionMs: undefined,
  userTimeoutMs: undefined,
}

/** Deadlines of numbered things: a thing has one at a time. */
export interface Deadlines {
  set(index: number, atMs: number): void
  cancel(index: number): void
}

/** What sessions are run with. */
export interface SessionParts {
  /** Another one may stand in its place from one call to the next. */
  readonly policy: () => SessionPolicy
  readonly clock: Pick<Clock, 'now'>
  readonly table: FlowTable
  readonly deadlines: Deadlines
  readonly halfOpen: HalfOpen
  readonly ports: SourcePorts
  readonly book: EndpointBook
  readonly own: OwnPackets
  readonly tally: Tally
  /** Writes the address of ours that this machine uses towards an endpoint; false: there is no way to it. */
  readonly sourceFor: (endpoint: RouteEndpoint, into: WireWords) => boolean
  readonly nextId: () => number
  /** Told of every session that began or ended. */
  readonly onCount: () => void
}

/** The sessions of SCTP associations: which endpoint each has, when it is over, and what the policy is told of it. */
export class SctpSessions {
  readonly #parts: SessionParts
  readonly #client: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  readonly #source: WireWords = new Int32Array(4)
  readonly #facts = new MutableFacts()

  constructor(parts: SessionParts) {
    this.#parts = parts
  }

  /** Begins a session with a client's INIT, from which addresses were taken out, and sends it to an endpoint. */
  begin(init: Packet, clientPort: number, localPort: number, listener: number, tag: number): void {
    const { table, halfOpen, clock, nextId, tally, onCount } = this.#parts
    const { addresses, bytes, start, end } = init
    const surplus = halfOpen.surplus
    // One that means it is set up long before it is the oldest of so many.
    if (surplus !== NONE) this.#retire(surplus, 'over-limit', CLOSED, 0)
    const flow = halfOpen.admits(addresses, 0)
      ? table.open(addresses, clientPort, localPort, listener, nextId(), clock.now())
      : NONE
    if (flow === NONE) {
      tally.overLimit++
      this.#turnAway(addresses, clientPort, listener)
      return
    }
    tally.begun++
    halfOpen.begun(flow, addresses, 0)
    table.clientTags[flow] = tag
    table.inits[flow] = bytes.slice(start, end)
    onCount()
    this.#choose(flow)
  }

  /** The client has not heard and asks again. */
  again(flow: number): void {
    this.#parts.own.sendInit(this.#parts.table, flow)
  }

  /** The endpoint under way has refused, or said nothing: the next one. */
  next(flow: number, end: Tried['end']): void {
    const { table, policy } = this.#parts
    const tried: Tried = { lease: table.columns.leases[flow] as number, end }
    table.columns.leases[flow] = NONE
    table.disconnect(flow)
    policy().connectFailed(table.columns.listeners[flow] as number, this.#clientOf(flow), tried)
    table.addTried(flow, tried)
    this.#choose(flow)
  }

  /** The endpoint has agreed. */
  answered(flow: number): void {
    const { table, clock, deadlines, policy } = this.#parts
    const now = clock.now()
    table.states[flow] = ANSWERED
    table.columns.connectMs[flow] = now - (table.attemptMs[flow] as number)
    table.inits[flow] = undefined
    policy().connected(table.columns.leases[flow] as number)
    deadlines.set(flow, now + COOKIE_MS)
  }

  /** Both sides have an association. */
  established(flow: number): void {
    const { table, clock, halfOpen, deadlines } = this.#parts
    table.states[flow] = ESTABLISHED
    table.lastMs[flow] = clock.now()
    halfOpen.settled(flow, table.clients, 4 * flow)
    deadlines.set(flow, this.#dueMs(flow))
  }

  /** One side has begun to shut it down. */
  closing(flow: number, byClient: boolean): void {
    const { table, deadlines } = this.#parts
    table.states[flow] = CLOSING
    table.closedByClient[flow] = byClient ? 1 : 0
    deadlines.set(flow, this.#dueMs(flow))
  }

  /** The session is over, and both sides know it or are about to. */
  over(flow: number, end: SessionEnd): void {
    this.#retire(flow, end, CLOSED, CLOSED_REST_MS)
  }

  /** Ends a session and tells both sides. */
  stop(flow: number, end: SessionEnd): void {
    const { table, own } = this.#parts
    own.abortClient(table, flow)
    own.abortEndpoint(table, flow)
    this.#retire(flow, end, CUT, CUT_REST_MS)
  }

  /** Ends sessions by listener or lease; returns how many. */
  cut(filter: SessionFilter, end: SessionEnd): number {
    const { table } = this.#parts
    let count = 0
    for (let flow = 0; flow < table.end; flow++) {
      if (!table.alive(flow) || !isMeant(table.columns, flow, filter)) continue
      this.stop(flow, end)
      count++
    }
    return count
  }

  /** Looks soon at the sessions of listeners whose timeouts became shorter. */
  hasten(listeners: readonly number[]): void {
    const { table, deadlines } = this.#parts
    for (let flow = 0; flow < table.end; flow++) {
      const listener = table.columns.listeners[flow] as number
      if (table.alive(flow) && (table.states[flow] as number) >= ESTABLISHED && listeners.includes(listener)) {
        deadlines.set(flow, 0)
      }
    }
  }

  /** A flow may have had its time. */
  due(flow: number): void {
    const { table, clock, deadlines } = this.#parts
    switch (table.states[flow]) {
      case WAITING:
        this.next(flow, 'connect-timeout')
        return
      case ANSWERED:
        // Nobody is told: there may never have been such a client.
        this.over(flow, 'client-idle')
        return
      case ESTABLISHED:
      case CLOSING: {
        const due = this.#dueMs(flow)
        if (clock.now() < due) deadlines.set(flow, due)
        else if (clock.now() >= this.#lifeEndMs(flow, this.#timeouts(flow))) this.stop(flow, 'max-duration')
        else this.stop(flow, table.states[flow] === CLOSING ? 'half-close-timeout' : 'client-idle')
        return
      }
      default:
        table.release(flow)
    }
  }

  /** Sends the INIT to the endpoint that the policy names, or refuses the client. */
  #choose(flow: number): void {
    const { table, policy, own, tally, clock, deadlines } = this.#parts
    const { columns } = table
    for (;;) {
      const tried = table.tried(flow)
      const listener = columns.listeners[flow] as number
      const decision = policy().decide(listener, this.#clientOf(flow), tried)
      const ticket = policy().takeTicket()
      if (ticket !== NO_TICKET) columns.tickets[flow] = ticket
      if (decision.do !== 'forward') {
        tally.refused++
        own.abortClient(table, flow)
        this.#retire(flow, decision.do === 'refuse' ? decision.end : 'internal', CLOSED, 0)
        return
      }
      columns.attempts[flow] = (columns.attempts[flow] as number) + 1
      columns.leases[flow] = decision.lease
      if (this.#connect(flow, decision.endpoint)) {
        const now = clock.now()
        if (tried.length > 0) tally.replayed++
        table.attemptMs[flow] = now
        deadlines.set(flow, now + decision.connectMs)
        own.sendInit(table, flow)
        return
      }
      columns.leases[flow] = NONE
      const failed: Tried = { lease: decision.lease, end: 'connect-refused' }
      policy().connectFailed(listener, this.#clientOf(flow), failed)
      table.addTried(flow, failed)
    }
  }

  #connect(flow: number, endpoint: RouteEndpoint): boolean {
    const { table, book, ports, sourceFor } = this.#parts
    const words = book.wordsOf(endpoint)
    if (!sourceFor(endpoint, this.#source)) return false
    const { port } = endpoint.address
    const sourcePort = ports.take(words, port)
    if (sourcePort === 0) return false
    table.connect(flow, words, port, this.#source, sourcePort)
    return true
  }

  #retire(flow: number, end: SessionEnd, state: typeof CLOSED | typeof CUT, restMs: number): void {
    const { table, clock, halfOpen, deadlines, policy, onCount } = this.#parts
    const now = clock.now()
    const before = table.states[flow] as number
    if (before === WAITING || before === ANSWERED) halfOpen.settled(flow, table.clients, 4 * flow)
    const facts = this.#facts
    readSctpFacts(table.columns, flow, facts)
    facts.end = end
    facts.endedMs = now
    table.retire(flow, state)
    // Without an endpoint there is nothing that could still be under way.
    if (facts.lease === NONE) {
      deadlines.cancel(flow)
      table.release(flow)
    } else deadlines.set(flow, now + restMs)
    policy().ended(facts)
    onCount()
  }

  #turnAway(addresses: WireWords, clientPort: number, listener: number): void {
    const { policy, clock, nextId } = this.#parts
    const facts = new MutableFacts()
    facts.id = nextId()
    facts.listener = listener
    fromWire(addresses, 0, clientPort, facts.client)
    facts.end = 'over-limit'
    facts.startedMs = clock.now()
    facts.endedMs = facts.startedMs
    policy().refused(facts)
  }

  #dueMs(flow: number): number {
    const { table } = this.#parts
    const timeouts = this.#timeouts(flow)
    const quietMs = table.states[flow] === CLOSING ? timeouts.halfCloseMs : Math.max(timeouts.idleMs, LEAST_IDLE_MS)
    return Math.min((table.lastMs[flow] as number) + quietMs, this.#lifeEndMs(flow, timeouts))
  }

  #lifeEndMs(flow: number, { maxSessionMs }: SessionTimeouts): number {
    const { ids, startedMs } = this.#parts.table.columns
    return lifeEndMs(ids[flow] as number, startedMs[flow] as number, maxSessionMs)
  }

  #timeouts(flow: number): SessionTimeouts {
    const { table, policy } = this.#parts
    return policy().timeouts(table.columns.listeners[flow] as number) ?? FALLBACK
  }

  #clientOf(flow: number): ClientAddress {
    this.#parts.table.readClient(flow, this.#client)
    return this.#client
  }
}
