import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  SO_KEEPALIVE,
  SO_LINGER,
  SOL_SOCKET,
  SOL_TCP,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
} from '../../lib/libc/constants.ts'
import { INT_BYTES, LINGER_BYTES } from '../../lib/libc/option-values.ts'
import { type ClientAddress, SESSION_ENDS, type SessionEnd } from '../../model/session.ts'
import { lifeEndMs } from '../life-end.ts'
import type { SessionFilter } from '../listener.ts'
import { MutableFacts } from '../session-facts.ts'
import { isMeant } from '../session-filter.ts'
import type { EndpointAddresses } from './endpoint-addresses.ts'
import { HandshakeAcks } from './handshake-acks.ts'
import { TcpDialer } from './tcp-dialer.ts'
import type { SessionOwner } from './tcp-endings.ts'
import { TcpRelay } from './tcp-relay.ts'
import {
  ABORTED,
  CONNECTING,
  DELAYED,
  GONE,
  HEARING,
  HUNG_UP,
  READABLE,
  RESETTING,
  readTcpFacts,
  type TcpTable,
  URGENT,
  WAITING,
  WRITABLE,
} from './tcp-table.ts'
import type { TimerWheel } from './timer-wheel.ts'
import type { WorkerContext } from './worker-context.ts'

const FALLBACK_IDLE_MS = 3_600_000
const FALLBACK_HALF_CLOSE_MS = 60_000
/** How often a socket that is to be reset is asked whether everything before has left: soon, then less and less. */
const SOONEST_RESET_LOOK_MS = 8
const LATEST_RESET_LOOK_MS = 256
/** A quarter of the time it has waited so far. */
const RESET_LOOKS_PER_WAIT = 4
/** Sessions that waited and are asked for again before it is others' turn. */
const ASKED_PER_TURN = 64
/** A peer that says nothing for this long is asked whether it lives, so often and at this distance. */
const KEEP_ALIVE_SECONDS = 60
const KEEP_ALIVE_PROBES = 4
const KEEP_ALIVE_EVERY_SECONDS = 15

/** TCP sessions of one worker: accepted sockets, attempts to reach an endpoint, and the ends of it all. Bytes are moved
 *  by the relay. */
export class TcpSessions implements SessionOwner, Disposable {
  readonly table: TcpTable
  readonly relay: TcpRelay
  readonly acks: HandshakeAcks
  readonly #dialer: TcpDialer
  readonly #context: WorkerContext
  readonly #wheel: TimerWheel
  readonly #onCount: () => void
  readonly #facts = new MutableFacts()

  /** `onCount` is told of every session that began or ended. */
  constructor(context: WorkerContext, table: TcpTable, wheel: TimerWheel, addresses: EndpointAddresses, onCount: () => void) {
    this.#context = context
    this.table = table
    this.#wheel = wheel
    this.#onCount = onCount
    this.relay = new TcpRelay(context, table, this)
    this.acks = new HandshakeAcks(context, table)
    this.#dialer = new TcpDialer(context, table, wheel, addresses, this.relay, this.acks, this)
  }

  /** Begins a session for an accepted socket; false: the table is full, and the socket is still the caller's. */
  begin(fd: number, listener: number, client: ClientAddress): boolean {
    const { table } = this
    const session = table.open(fd, listener, 0, this.#context.clock.now())
    if (session < 0) return false
    table.setClient(session, client)
    const id = this.#context.nextId()
    table.ids[session] = id
    const timeouts = this.#context.policy.timeouts(listener)
    table.idleMs[session] = timeouts?.idleMs ?? FALLBACK_IDLE_MS
    table.halfCloseMs[session] = timeouts?.halfCloseMs ?? FALLBACK_HALF_CLOSE_MS
    table.lifeEndMs[session] = lifeEndMs(table.ids[session] as number, table.startedMs[session] as number, timeouts?.maxSessionMs)
    const userTimeoutMs = timeouts?.userTimeoutMs ?? 0
    table.userTimeoutMs[session] = userTimeoutMs
    if (userTimeoutMs > 0) this.#context.limitSilence(fd, userTimeoutMs)
    this.#onCount()
    try {
      this.#dialer.ask(session)
    } catch (error) {
      this.#failed(session, id, error)
    }
    return true
  }

  /** Something happened on a direction's socket. */
  event(direction: number, generation: number, mask: number): void {
    const { flags, generations, ids } = this.table
    const before = flags[direction] as number
    if (generations[direction] !== generation || before & GONE) return
    let state = before
    if (mask & (EPOLLRDHUP | EPOLLHUP)) state |= HUNG_UP
    if (mask & EPOLLERR) state |= ABORTED
    if (mask & EPOLLPRI) state |= URGENT
    flags[direction] = state
    const session = direction >> 1
    const id = ids[session] as number
    try {
      this.#happened(direction, generation, mask, state)
    } catch (error) {
      this.#failed(session, id, error)
    }
  }

  /** Asks once more for sessions that wait and may have their turn. */
  askWaiting(): void {
    const { waiting } = this.#context.policy
    for (let turn = 0; turn < ASKED_PER_TURN; turn++) {
      const session = waiting.next()
      if (session < 0) return
      const id = this.table.ids[session] as number
      try {
        this.#dialer.askAgain(session)
      } catch (error) {
        this.#failed(session, id, error)
      }
    }
  }

  /** An error of ours, which ends one session and no other. */
  #failed(session: number, id: number, error: unknown): void {
    this.#context.onFault(error)
    if (this.table.ids[session] === id) this.stop(session, 'internal')
  }

  #happened(direction: number, generation: number, mask: number, state: number): void {
    const { relay } = this
    const { flags, generations } = this.table
    const session = direction >> 1
    if (state & CONNECTING) {
      this.#dialer.dialled(direction, mask)
      return
    }
    if (state & RESETTING) {
      if (mask & EPOLLERR) this.finish(session, this.#reasonOf(session))
      else if (mask & EPOLLOUT) relay.writable(direction)
      return
    }
    if (!(direction & 1) && (flags[direction + 1] as number) & (CONNECTING | GONE)) {
      // The client is heard once an endpoint is there; a client that broke off is noticed now.
      if (mask & (EPOLLIN | EPOLLRDHUP)) flags[direction] = state | READABLE
      if (mask & EPOLLERR) this.finish(session, 'client-reset')
      else if (state & HEARING) this.#dialer.hearing.look(session)
      else if (state & WAITING && state & HUNG_UP) this.finish(session, 'client-closed')
      return
    }
    if (mask & EPOLLOUT && !(state & WRITABLE)) {
      relay.writable(direction)
      if (generations[direction] !== generation || (flags[direction] as number) & GONE) return
    }
    if (mask & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
      flags[direction] = (flags[direction] as number) | READABLE
      relay.pump(direction)
    }
    if (mask & EPOLLERR) relay.endings.aborted(direction, generation)
  }

  /** A session may be due: for the deadline of its header or of an attempt, its idleness, or the end of a reset. */
  due(session: number): void {
    const id = this.table.ids[session] as number
    try {
      this.#look(session, this.#context.clock.now())
    } catch (error) {
      this.#failed(session, id, error)
    }
  }

  #look(session: number, now: number): void {
    const { table } = this
    // They may have become shorter: that is why it is looked at, maybe.
    this.#readTimeouts(session)
    const early = (table.flags[2 * session] as number) & (HEARING | DELAYED | WAITING)
    if (early || (table.flags[2 * session + 1] as number) & CONNECTING) {
      const deadline = (table.askedMs[session] as number) + (table.attemptMs[session] as number)
      if (now < deadline) this.#wheel.set(session, deadline)
      else if (early & HEARING) this.stop(session, 'bad-header')
      else if (early & DELAYED) this.#dialer.delays.over(session)
      else if (early) this.stop(session, this.#dialer.waiting.endOf(session))
      else this.#dialer.attemptFailed(session, 'connect-timeout')
      return
    }
    const resetting = this.#resetting(session)
    if (resetting < 0) {
      this.#checkIdle(session, now)
      return
    }
    const waitedMs = now - (table.lastMs[session] as number)
    if (waitedMs >= (table.halfCloseMs[session] as number) || this.relay.endings.drained(resetting)) {
      this.finish(session, this.#reasonOf(session))
      return
    }
    const nextMs = Math.max(SOONEST_RESET_LOOK_MS, waitedMs / RESET_LOOKS_PER_WAIT)
    this.#wheel.set(session, now + Math.min(nextMs, LATEST_RESET_LOOK_MS))
  }

  /** Looks at a session again no later than its half-close deadline. */
  hasten(session: number): void {
    const now = this.#context.clock.now()
    // They may have become shorter in this very turn; this takes the place of the look that is due for that.
    this.#readTimeouts(session)
    const waitMs = this.#resetting(session) >= 0 ? SOONEST_RESET_LOOK_MS : (this.table.halfCloseMs[session] as number)
    this.#wheel.set(session, Math.min(now + waitMs, this.table.lifeEndMs[session] as number))
  }

  #readTimeouts(session: number): void {
    const { table } = this
    const timeouts = this.#context.policy.timeouts(table.listeners[session] as number)
    if (!timeouts) return
    table.idleMs[session] = timeouts.idleMs
    table.halfCloseMs[session] = timeouts.halfCloseMs
    const startedMs = table.startedMs[session] as number
    table.lifeEndMs[session] = lifeEndMs(table.ids[session] as number, startedMs, timeouts.maxSessionMs)
  }

  /** Ends sessions by listener or lease; returns how many. Their clients see a reset. */
  cut(filter: SessionFilter, end: SessionEnd): number {
    const { table } = this
    let count = 0
    for (let session = 0; session < table.end; session++) {
      if (!table.alive(session) || !isMeant(table, session, filter)) continue
      this.stop(session, end)
      count++
    }
    return count
  }

  /** Cuts a session short. */
  stop(session: number, end: SessionEnd): void {
    this.#close(session, end, true)
  }

  /** Ends a session whose sides have ended by themselves; a side that still stands where the other was reset is reset. */
  finish(session: number, end: SessionEnd): void {
    this.#close(session, this.table.reasons[session] === 0 ? end : this.#reasonOf(session), isReset(end))
  }

  [Symbol.dispose](): void {
    this.relay[Symbol.dispose]()
  }

  #checkIdle(session: number, now: number): void {
    const { table } = this
    const ending = table.reasons[session] !== 0
    const limit = (ending ? table.halfCloseMs[session] : table.idleMs[session]) as number
    const idleEndMs = (table.lastMs[session] as number) + limit
    const lifeEnd = table.lifeEndMs[session] as number
    if (now >= lifeEnd) {
      this.stop(session, 'max-duration')
      return
    }
    if (now >= idleEndMs) {
      const reason = this.#reasonOf(session)
      const quiet = table.lastSide[session] === 1 ? 'client-idle' : 'endpoint-idle'
      this.stop(session, !ending ? quiet : isReset(reason) ? reason : 'half-close-timeout')
      return
    }
    this.#wheel.set(session, Math.min(idleEndMs, lifeEnd))
    // Short sessions are spared the calls and their timers; one that lives this long is worth asking whether its peers do.
    if (table.keepAlive[session] !== 0) return
    table.keepAlive[session] = 1
    this.#keepAlive(table.fd(2 * session))
    this.#keepAlive(table.fd(2 * session + 1))
  }

  #keepAlive(fd: number): void {
    const { calls, values } = this.#context
    calls.setsockopt(fd, SOL_TCP, TCP_KEEPIDLE, values.int(KEEP_ALIVE_SECONDS), INT_BYTES)
    calls.setsockopt(fd, SOL_TCP, TCP_KEEPINTVL, values.int(KEEP_ALIVE_EVERY_SECONDS), INT_BYTES)
    calls.setsockopt(fd, SOL_TCP, TCP_KEEPCNT, values.int(KEEP_ALIVE_PROBES), INT_BYTES)
    calls.setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, values.one, INT_BYTES)
  }

  /** The side that waits to be reset, or -1. */
  #resetting(session: number): number {
    const { flags } = this.table
    if ((flags[2 * session] as number) & RESETTING) return 2 * session
    return (flags[2 * session + 1] as number) & RESETTING ? 2 * session + 1 : -1
  }

  #reasonOf(session: number): SessionEnd {
    return SESSION_ENDS[(this.table.reasons[session] as number) - 1] ?? 'internal'
  }

  #close(session: number, end: SessionEnd, reset: boolean): void {
    const { table } = this
    this.#wheel.cancel(session)
    if ((table.flags[2 * session] as number) & WAITING) this.#context.policy.waiting.leave(session)
    this.relay.release(session)
    this.#closeSocket(2 * session, reset)
    this.#closeSocket(2 * session + 1, reset)
    const facts = this.#facts
    readTcpFacts(table.columns, session, facts)
    facts.end = end
    facts.endedMs = this.#context.clock.now()
    table.release(session)
    this.#context.policy.ended(facts)
    this.#onCount()
  }

  #closeSocket(direction: number, reset: boolean): void {
    const fd = this.table.fd(direction)
    if (fd < 0) return
    const { calls, values } = this.#context
    if (reset) calls.setsockopt(fd, SOL_SOCKET, SO_LINGER, values.reset, LINGER_BYTES)
    this.table.fds[direction] = 0
    calls.close(fd)
  }
}

/** A broken connection, or a peer that keep-alive found dead. */
function isReset(end: SessionEnd): boolean {
  return end === 'client-reset' || end === 'endpoint-reset' || end === 'client-idle' || end === 'endpoint-idle'
}
