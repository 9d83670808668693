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
} from '../../lib/libc/constants.ts'
import { INT_BYTES, LINGER_BYTES } from '../../lib/libc/option-values.ts'
import { type ClientAddress, SESSION_ENDS, type SessionEnd } from '../../model/session.ts'
import type { SessionFilter } from '../listener.ts'
import type { EndpointAddresses } from './endpoint-addresses.ts'
import { HandshakeAcks } from './handshake-acks.ts'
import { MutableFacts } from './session-facts.ts'
import { TcpDialer } from './tcp-dialer.ts'
import { TcpRelay } from './tcp-relay.ts'
import { CONNECTING, GONE, HUNG_UP, READABLE, RESETTING, type TcpTable, URGENT, WRITABLE } from './tcp-table.ts'
import type { TimerWheel } from './timer-wheel.ts'
import type { WorkerContext } from './worker-context.ts'

const FALLBACK_IDLE_MS = 3_600_000
const FALLBACK_HALF_CLOSE_MS = 60_000
/** How often a socket that is to be reset is asked whether everything before has left. */
const RESET_POLL_MS = 8

/** TCP sessions of one worker: accepted sockets, attempts to reach an endpoint, and the ends of it all. Bytes are moved
 *  by the relay. */
export class TcpSessions implements Disposable {
  readonly table: TcpTable
  readonly relay: TcpRelay
  readonly acks: HandshakeAcks
  readonly #dialer: TcpDialer
  readonly #context: WorkerContext
  readonly #wheel: TimerWheel
  readonly #onEnd: () => void
  readonly #facts = new MutableFacts()

  /** `onEnd` is told of every session that ended. */
  constructor(
    context: WorkerContext,
    table: TcpTable,
    wheel: TimerWheel,
    addresses: EndpointAddresses,
    mostPipes: number,
    onEnd: () => void,
  ) {
    this.#context = context
    this.table = table
    this.#wheel = wheel
    this.#onEnd = onEnd
    this.relay = new TcpRelay(context, table, this, mostPipes)
    this.acks = new HandshakeAcks(context, table)
    this.#dialer = new TcpDialer(context, table, wheel, addresses, this.relay, this.acks, this)
  }

  /** Begins a session for an accepted socket; false: the table is full, and the socket is still the caller's. */
  begin(fd: number, listener: number, client: ClientAddress): boolean {
    const { table } = this
    const now = this.#context.clock.now()
    const session = table.open(fd, listener, this.#context.nextId(), now)
    if (session < 0) return false
    table.setClient(session, client)
    const timeouts = this.#context.policy.timeouts(listener)
    table.idleMs[session] = timeouts?.idleMs ?? FALLBACK_IDLE_MS
    table.halfCloseMs[session] = timeouts?.halfCloseMs ?? FALLBACK_HALF_CLOSE_MS
    this.#dialer.ask(session)
    return true
  }

  /** Something happened on a direction's socket. */
  event(direction: number, generation: number, mask: number): void {
    const { table, relay } = this
    const { flags, generations } = table
    if (generations[direction] !== generation || (flags[direction] as number) & GONE) return
    if (mask & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) flags[direction] = (flags[direction] as number) | HUNG_UP
    if (mask & EPOLLPRI) flags[direction] = (flags[direction] as number) | URGENT
    if ((flags[direction] as number) & CONNECTING) {
      this.#dialer.dialled(direction, mask)
      return
    }
    const session = direction >> 1
    if ((flags[2 * session + 1] as number) & (CONNECTING | GONE) && !(direction & 1)) {
      // The client is heard once an endpoint is there; a client that broke off is noticed now.
      flags[direction] = (flags[direction] as number) | (mask & (EPOLLIN | EPOLLRDHUP) ? READABLE : 0)
      if (mask & EPOLLERR) this.finish(session, 'client-reset')
      return
    }
    if ((flags[direction] as number) & RESETTING) {
      if (mask & (EPOLLERR | EPOLLHUP)) this.finish(session, this.#reasonOf(session))
      else if (mask & EPOLLOUT) relay.writable(direction)
      return
    }
    if (mask & EPOLLOUT && !((flags[direction] as number) & WRITABLE)) {
      relay.writable(direction)
      if (generations[direction] !== generation || (flags[direction] as number) & GONE) return
    }
    if (mask & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
      flags[direction] = (flags[direction] as number) | READABLE
      relay.pump(direction)
    }
  }

  /** A session may be due: for its connect deadline, its idleness, or the end of a reset. */
  due(session: number): void {
    const { table } = this
    const now = this.#context.clock.now()
    const endpoint = 2 * session + 1
    if ((table.flags[endpoint] as number) & CONNECTING) {
      const deadline = (table.askedMs[session] as number) + (table.attemptMs[session] as number)
      if (now < deadline) this.#wheel.set(session, deadline)
      else this.#dialer.attemptFailed(session, 'connect-timeout')
      return
    }
    const resetting = this.#resetting(session)
    if (resetting >= 0) {
      const expired = now >= (table.lastMs[session] as number) + (table.halfCloseMs[session] as number)
      if (expired || this.relay.drained(resetting)) this.finish(session, this.#reasonOf(session))
      else this.#wheel.set(session, now + RESET_POLL_MS)
      return
    }
    this.#checkIdle(session, now)
  }

  /** Looks at a session again no later than its half-close deadline. */
  hasten(session: number): void {
    const { table } = this
    const now = this.#context.clock.now()
    this.#wheel.set(session, this.#resetting(session) >= 0 ? now + RESET_POLL_MS : now + (table.halfCloseMs[session] as number))
  }

  /** Ends sessions by listener or lease; returns how many. Their clients see a reset. */
  cut(filter: SessionFilter, end: SessionEnd): number {
    const { table } = this
    let count = 0
    for (let session = 0; session < table.end; session++) {
      if (!table.alive(session)) continue
      if (filter.listeners && !filter.listeners.includes(table.listeners[session] as number)) continue
      if (filter.leases && !filter.leases.includes(table.leases[session] as number)) continue
      this.stop(session, end)
      count++
    }
    return count
  }

  /** Cuts a session short. */
  stop(session: number, end: SessionEnd): void {
    this.table.reasons[session] = 0
    this.relay.reason(session, end)
    this.#close(session, end, true)
  }

  /** Ends a session whose sides have ended by themselves; a side that still stands where the other was reset is reset. */
  finish(session: number, end: SessionEnd): void {
    const reset = end === 'client-reset' || end === 'endpoint-reset' || end === 'client-idle' || end === 'endpoint-idle'
    this.#close(session, this.table.reasons[session] === 0 ? end : this.#reasonOf(session), reset)
  }

  [Symbol.dispose](): void {
    this.relay[Symbol.dispose]()
  }

  #checkIdle(session: number, now: number): void {
    const { table } = this
    const timeouts = this.#context.policy.timeouts(table.listeners[session] as number)
    if (timeouts) {
      table.idleMs[session] = timeouts.idleMs
      table.halfCloseMs[session] = timeouts.halfCloseMs
    }
    const halfClosed = table.reasons[session] !== 0
    const limit = (halfClosed ? table.halfCloseMs[session] : table.idleMs[session]) as number
    const due = (table.lastMs[session] as number) + limit
    if (now >= due) {
      if (halfClosed) this.stop(session, 'half-close-timeout')
      else this.stop(session, table.lastSide[session] === 1 ? 'client-idle' : 'endpoint-idle')
      return
    }
    this.#wheel.set(session, due)
    // Short sessions are spared the calls and their timers; one that lives this long is worth asking whether its peers do.
    if (table.keepAlive[session] === 0) {
      table.keepAlive[session] = 1
      const { calls, values } = this.#context
      calls.setsockopt(table.fd(2 * session), SOL_SOCKET, SO_KEEPALIVE, values.one, INT_BYTES)
      calls.setsockopt(table.fd(2 * session + 1), SOL_SOCKET, SO_KEEPALIVE, values.one, INT_BYTES)
    }
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
    this.relay.release(session)
    this.#closeSocket(2 * session, reset)
    this.#closeSocket(2 * session + 1, reset)
    const facts = this.#facts
    facts.id = table.ids[session] as number
    facts.listener = table.listeners[session] as number
    table.readClient(session, facts.client)
    facts.lease = table.leases[session] as number
    facts.attempts = table.attempts[session] as number
    facts.end = end
    facts.startedMs = table.startedMs[session] as number
    facts.endedMs = this.#context.clock.now()
    facts.connectMs = table.connectMs[session] as number
    facts.bytesFromClient = table.bytes[2 * session] as number
    facts.bytesFromEndpoint = table.bytes[2 * session + 1] as number
    table.release(session)
    this.#context.policy.ended(facts)
    this.#onEnd()
  }

  #closeSocket(direction: number, reset: boolean): void {
    const fd = this.table.fd(direction)
    if (fd < 0) return
    const { calls, values } = this.#context
    if (reset) calls.setsockopt(fd, SOL_SOCKET, SO_LINGER, values.reset, LINGER_BYTES)
    calls.close(fd)
  }
}
