import { ProxyError } from '../../lib/errors.ts'
import { EPOLLOUT } from '../../lib/libc/constants.ts'
import { type ClientAddress, SESSION_ENDS, sessionEndNumber } from '../../model/session.ts'
import { writeClientWords } from '../client-words.ts'
import { lifeEndMs } from '../life-end.ts'
import type { SessionFilter } from '../listener.ts'
import { isMeant } from '../session-filter.ts'
import type { EndpointAddresses } from './endpoint-addresses.ts'
import type { GivenSessions, SessionSnapshot, SideSnapshot, SideState } from './session-snapshot.ts'
import { SESSION_MASK } from './tcp-relay.ts'
import type { TcpSessions } from './tcp-sessions.ts'
import {
  ABORTED,
  ENDED,
  GONE,
  GREETED,
  PENDING,
  READABLE,
  RESETTING,
  SENT_ONCE,
  SHUT,
  type TcpTable,
  TIMED_OUT,
  UNDELAYED,
  UNWRITABLE,
  URGENT,
  WATCHING_OUT,
  WRITABLE,
} from './tcp-table.ts'
import type { TimerWheel } from './timer-wheel.ts'
import { KIND_SHIFT, KIND_TCP, type WorkerContext } from './worker-context.ts'

/** What is told of a side; the rest of its flags is learned anew from its socket. */
const STATES: readonly (readonly [SideState, number])[] = [
  ['ended', ENDED],
  ['shut', SHUT],
  ['unwritable', UNWRITABLE],
  ['timed-out', TIMED_OUT],
  ['aborted', ABORTED],
  ['resetting', RESETTING],
  ['urgent', URGENT],
  ['sent-once', SENT_ONCE],
  ['undelayed', UNDELAYED],
]

/** Takes connected TCP sessions out of one worker's loop, and puts them into another's. Only between two turns, when no
 *  shutdown waits to be made. Sessions that still look for an endpoint stay: they are connected or over soon. */
export class TcpMover {
  readonly #context: WorkerContext
  readonly #sessions: TcpSessions
  readonly #table: TcpTable
  readonly #wheel: TimerWheel
  readonly #addresses: EndpointAddresses
  readonly #onAdopted: () => void

  /** `onAdopted` is told of each of the sessions that were sent, the moment that it is this worker's. */
  constructor(
    context: WorkerContext,
    sessions: TcpSessions,
    wheel: TimerWheel,
    addresses: EndpointAddresses,
    onAdopted: () => void,
  ) {
    this.#context = context
    this.#sessions = sessions
    this.#table = sessions.table
    this.#wheel = wheel
    this.#addresses = addresses
    this.#onAdopted = onAdopted
  }

  /** Takes out up to `most` sessions, looking at the table from place `from` on. */
  give(filter: SessionFilter, from: number, most: number): GivenSessions {
    const table = this.#table
    // Clients may have been accepted between two messages, and have brought something to its end already.
    this.#sessions.relay.endings.closeWriteSides()
    const sessions: SessionSnapshot[] = []
    const places: number[] = []
    let session = from
    for (; session < table.end && places.length < most; session++) {
      if (!table.alive(session) || (table.connectMs[session] as number) < 0 || !isMeant(table, session, filter)) continue
      try {
        sessions.push(this.#snapshotSession(session))
        places.push(session)
      } catch (error) {
        this.#context.onFault(error)
        this.#sessions.stop(session, 'internal')
      }
    }
    return { sessions, places, next: session < table.end ? session : -1 }
  }

  /** Frees the places of sessions that main took over. */
  forget(places: readonly number[]): void {
    for (const place of places) this.#table.releaseDeparted(place)
  }

  /** Goes on with sessions of another worker.
   *  @throws ProxyError E_INTERNAL without room, which is a bug; main then looks after what was not taken. */
  adopt(snapshots: readonly SessionSnapshot[]): void {
    for (const snapshot of snapshots) {
      const session = this.#enter(snapshot)
      const { id } = snapshot
      try {
        this.#resume(session, snapshot)
      } catch (error) {
        this.#context.onFault(error)
        if (this.#table.ids[session] === id) this.#sessions.stop(session, 'internal')
      }
    }
  }

  #snapshotSession(session: number): SessionSnapshot {
    const table = this.#table
    const client = 2 * session
    const endpoint = client + 1
    const lease = table.leases[session] as number
    const listener = table.listeners[session] as number
    const clientAddress: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
    const endpointAddress: ClientAddress = { ...clientAddress }
    table.readClient(session, clientAddress)
    this.#addresses.read(lease, endpointAddress)
    this.#sessions.acks.settle(endpoint)
    const sides = {
      client: this.#side(client, clientAddress),
      endpoint: this.#side(endpoint, endpointAddress),
    }
    for (const { fd } of [sides.client, sides.endpoint]) if (fd !== undefined) this.#context.unwatch(fd)
    this.#wheel.cancel(session)
    const reason = table.reasons[session] as number
    const snapshot: SessionSnapshot = {
      id: table.ids[session] as number,
      listener,
      serviceSlot: this.#context.policy.released(listener),
      lease,
      ticket: table.tickets[session] as number,
      attempts: table.attempts[session] as number,
      startedMs: table.startedMs[session] as number,
      connectMs: table.connectMs[session] as number,
      lastMs: table.lastMs[session] as number,
      lastFrom: table.lastSide[session] === 0 ? 'client' : 'endpoint',
      idleMs: table.idleMs[session] as number,
      halfCloseMs: table.halfCloseMs[session] as number,
      lifeEndMs: table.lifeEndMs[session] as number,
      keepAlive: table.keepAlive[session] !== 0,
      end: SESSION_ENDS[reason - 1],
      ...sides,
    }
    table.depart(session)
    return snapshot
  }

  #side(direction: number, address: ClientAddress): SideSnapshot {
    const table = this.#table
    const flags = table.flags[direction] as number
    const fd = table.fd(direction)
    return {
      fd: fd < 0 ? undefined : fd,
      address,
      bytes: table.bytes[direction] as number,
      states: STATES.filter(([, flag]) => flags & flag).map(([state]) => state),
      waiting: this.#takeWaiting(direction),
    }
  }

  /** Takes out all that was read for `to` and not yet written to it: at most a copy buffer and a pipe full. */
  #takeWaiting(to: number): Uint8Array | undefined {
    const { pending } = this.#table
    const kept = pending.get(to)
    const piped = this.#sessions.relay.drainPipe(to ^ 1)
    pending.delete(to)
    // A copy: what is left of it may be a small part of its buffer.
    if (!kept || !piped) return piped ?? kept?.slice()
    const both = new Uint8Array(kept.length + piped.length)
    both.set(kept)
    both.set(piped, kept.length)
    return both
  }

  /** Writes a session into the table. It is this worker's from the moment that its number stands there. */
  #enter(snapshot: SessionSnapshot): number {
    const table = this.#table
    const { client, endpoint } = snapshot
    const session = table.open(client.fd ?? -1, snapshot.listener, 0, snapshot.startedMs)
    // Main counts before it sends, and the table has more places than clients are accepted for.
    if (session < 0) throw new ProxyError('E_INTERNAL', 'bug', 'no place for a session that was moved')
    table.leases[session] = snapshot.lease
    table.tickets[session] = snapshot.ticket
    table.attempts[session] = snapshot.attempts
    table.connectMs[session] = snapshot.connectMs
    writeClientWords(table.columns, session, client.address)
    table.bytes[2 * session] = client.bytes
    table.bytes[2 * session + 1] = endpoint.bytes
    table.fds[2 * session + 1] = (endpoint.fd ?? -1) + 1
    table.reasons[session] = snapshot.end === undefined ? 0 : sessionEndNumber(snapshot.end) + 1
    table.lastMs[session] = snapshot.lastMs
    table.lastSide[session] = snapshot.lastFrom === 'client' ? 0 : 1
    table.idleMs[session] = snapshot.idleMs
    table.halfCloseMs[session] = snapshot.halfCloseMs
    table.lifeEndMs[session] = snapshot.lifeEndMs
    table.keepAlive[session] = snapshot.keepAlive ? 1 : 0
    table.flags[2 * session] = this.#flags(2 * session, client)
    table.flags[2 * session + 1] = this.#flags(2 * session + 1, endpoint)
    table.ids[session] = snapshot.id
    this.#onAdopted()
    this.#context.policy.adopted(snapshot.listener, snapshot.serviceSlot)
    this.#addresses.learn(snapshot.lease, endpoint.address)
    return session
  }

  #flags(direction: number, { fd, states, waiting }: SideSnapshot): number {
    let flags = direction & 1 ? 0 : GREETED
    for (const [state, flag] of STATES) if (states.includes(state)) flags |= flag
    if (fd === undefined) return flags | GONE
    // Whatever happened meanwhile, a look at the socket tells.
    if (!(flags & ENDED)) flags |= READABLE
    if (!waiting) return flags | WRITABLE
    this.#table.pending.set(direction, waiting)
    return flags | PENDING | WATCHING_OUT
  }

  /** Puts both sockets into epoll, which tells at once what is the matter with them, whenever it came. */
  #resume(session: number, snapshot: SessionSnapshot): void {
    const { listener, client, endpoint, lastMs, idleMs, halfCloseMs, end } = snapshot
    if (!this.#watch(2 * session, client) || !this.#watch(2 * session + 1, endpoint)) {
      this.#sessions.stop(session, 'over-limit')
      return
    }
    const resetting = client.fd === undefined || endpoint.fd === undefined
    // They may have become shorter while it was on its way.
    const timeouts = this.#context.policy.timeouts(listener)
    const limitMs = end === undefined ? (timeouts?.idleMs ?? idleMs) : (timeouts?.halfCloseMs ?? halfCloseMs)
    if (timeouts) this.#table.lifeEndMs[session] = lifeEndMs(snapshot.id, snapshot.startedMs, timeouts.maxSessionMs)
    const dueMs = Math.min(lastMs + limitMs, this.#table.lifeEndMs[session] as number)
    this.#wheel.set(session, resetting ? this.#context.clock.now() : dueMs)
  }

  #watch(direction: number, { fd, waiting }: SideSnapshot): boolean {
    if (fd === undefined) return true
    const token = (KIND_TCP << KIND_SHIFT) | direction
    const mask = waiting ? SESSION_MASK | EPOLLOUT : SESSION_MASK
    return this.#context.watch(fd, mask, token, this.#table.generations[direction] as number)
  }
}
