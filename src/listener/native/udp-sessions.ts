import { EPOLLIN, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOL_UDP, UDP_GRO } from '../../lib/libc/constants.ts'
import { ERRNO } from '../../lib/libc/errno.ts'
import { INT_BYTES } from '../../lib/libc/option-values.ts'
import { type ClientAddress, NO_TICKET, type SessionEnd, type Tried } from '../../model/session.ts'
import { lifeEndMs } from '../life-end.ts'
import type { SessionFilter, SessionTimeouts } from '../listener.ts'
import { MutableFacts } from '../session-facts.ts'
import { isMeant } from '../session-filter.ts'
import { isExhaustion } from './call-errors.ts'
import { Connector } from './connector.ts'
import type { EndpointAddresses } from './endpoint-addresses.ts'
import type { TimerWheel } from './timer-wheel.ts'
import type { UdpDoor, UdpDoors } from './udp-doors.ts'
import { readUdpFacts, type UdpTable } from './udp-table.ts'
import { KIND_SHIFT, KIND_UDP, type WorkerContext } from './worker-context.ts'

const SOCKET_TYPE = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC
/** A question that got its answer needs no long memory. */
const ONE_EXCHANGE_MS = 10_000
const NONE = -1
const FALLBACK: SessionTimeouts = {
  idleMs: 0,
  halfCloseMs: 0,
  udpIdleMs: 60_000,
  udpResponses: undefined,
  maxSessionMs: undefined,
  userTimeoutMs: undefined,
}

/** UDP sessions of one worker: each has one connected socket to its endpoint, chosen again when nobody is there. */
export class UdpSessions {
  readonly table: UdpTable
  readonly #context: WorkerContext
  readonly #wheel: TimerWheel
  readonly #addresses: EndpointAddresses
  readonly #doors: UdpDoors
  readonly #descriptorsLeft: () => number
  readonly #onCount: () => void
  readonly #client: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  readonly #facts = new MutableFacts()
  readonly #connector: Connector

  /** `descriptorsLeft` tells how many sessions may still take; `onCount` is told of every session that began or ended. */
  constructor(
    context: WorkerContext,
    table: UdpTable,
    wheel: TimerWheel,
    addresses: EndpointAddresses,
    doors: UdpDoors,
    descriptorsLeft: () => number,
    onCount: () => void,
  ) {
    this.#context = context
    this.table = table
    this.#wheel = wheel
    this.#addresses = addresses
    this.#doors = doors
    this.#descriptorsLeft = descriptorsLeft
    this.#onCount = onCount
    this.#connector = new Connector(context, addresses)
  }

  /** Whether one more may begin without another's end. */
  hasRoom(): boolean {
    return this.table.size < this.table.capacity && this.#descriptorsLeft() >= 1
  }

  /** Whether its endpoint is still one for new sessions of its listener; true where it has none yet. */
  serves(session: number): boolean {
    const lease = this.table.leases[session] as number
    if (lease < 0) return true
    return this.#context.policy.serves(this.table.listeners[session] as number, lease, this.#clientOf(session))
  }

  /** Begins a session, without an endpoint yet. There must be room. */
  begin(door: UdpDoor, key: number | string, client: ClientAddress, now: number): number {
    const session = this.table.open(door.id, key, client, this.#context.nextId(), now)
    door.sessions.set(key, session)
    this.#wheel.set(session, this.#dueMs(session))
    this.#onCount()
    return session
  }

  /** Counts a client that there is no room for. */
  turnAway(door: UdpDoor, client: ClientAddress): void {
    const { policy, clock, nextId } = this.#context
    const facts = new MutableFacts()
    facts.id = nextId()
    facts.listener = door.id
    facts.client = client
    facts.end = 'over-limit'
    facts.startedMs = clock.now()
    facts.endedMs = facts.startedMs
    policy.refused(facts)
  }

  /** Replies came for it. */
  answered(session: number): void {
    const { table } = this
    table.used(session, this.#context.clock.now())
    table.clearTried(session)
    this.#context.policy.connected(table.leases[session] as number)
    // One exchange: the deadline came nearer.
    if (table.datagramsFromClient[session] === 1) this.#wheel.set(session, this.#dueMs(session))
  }

  /** A session may be idle. */
  due(session: number): void {
    const due = this.#dueMs(session)
    const now = this.#context.clock.now()
    if (now < due) this.#wheel.set(session, due)
    else if (now >= this.#lifeEndMs(session, this.timeouts(session))) this.stop(session, 'max-duration')
    else this.stop(session, this.table.datagramsFromEndpoint[session] === 0 ? 'endpoint-idle' : 'client-idle')
  }

  /** Ends the sessions of a listener. */
  leave(door: UdpDoor, end: SessionEnd): void {
    for (const session of [...door.sessions.values()]) this.stop(session, end)
  }

  /** Ends sessions by listener or lease; returns how many. */
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

  stop(session: number, end: SessionEnd): void {
    const { table } = this
    this.#wheel.cancel(session)
    this.#closeSocket(session)
    const facts = this.#facts
    readUdpFacts(table.columns, session, facts)
    facts.end = end
    facts.endedMs = this.#context.clock.now()
    this.#doors.get(facts.listener)?.sessions.delete(table.keys[session] as number | string)
    table.release(session)
    this.#context.policy.ended(facts)
    this.#onCount()
  }

  /** Chooses an endpoint and connects a socket to it; false: the session is over. */
  connect(session: number): boolean {
    for (;;) {
      const error = this.#attempt(session)
      if (error === 0) return true
      if (error === NONE) return false
      if (isExhaustion(error) || error === ERRNO.EAGAIN) {
        this.stop(session, 'over-limit')
        return false
      }
      this.unreachable(session)
    }
  }

  /** Nobody is there at the endpoint: the session waits for the client's next datagram to move. */
  unreachable(session: number): void {
    const { table } = this
    this.#closeSocket(session)
    const tried: Tried = { lease: table.leases[session] as number, end: 'connect-refused' }
    if (tried.lease < 0) return
    table.leases[session] = NONE
    this.#context.policy.connectFailed(table.listeners[session] as number, this.#clientOf(session), tried)
    table.addTried(session, tried)
  }

  timeouts(session: number): SessionTimeouts {
    return this.#context.policy.timeouts(this.table.listeners[session] as number) ?? FALLBACK
  }

  /** One attempt: 0, or the errno, or NONE where the policy had no endpoint and the session is over. */
  #attempt(session: number): number {
    const { table } = this
    const { calls, policy, errno } = this.#context
    const decision = policy.decide(table.listeners[session] as number, this.#clientOf(session), table.tried(session))
    const ticket = policy.takeTicket()
    if (ticket !== NO_TICKET) table.tickets[session] = ticket
    if (decision.do !== 'forward') {
      this.stop(session, decision.do === 'refuse' ? decision.end : 'internal')
      return NONE
    }
    const { lease } = decision
    table.attempts[session] = (table.attempts[session] as number) + 1
    table.leases[session] = lease
    const fd = calls.socket(this.#addresses.family(lease), SOCKET_TYPE, 0)
    if (fd < 0) return errno[0] as number
    table.fds[session] = fd + 1
    if (this.timeouts(session).udpResponses === undefined) {
      calls.setsockopt(fd, SOL_UDP, UDP_GRO, this.#context.values.one, INT_BYTES)
    }
    const error = this.#connector.connect(fd, decision, this.#clientOf(session))
    if (error !== 0) return error
    const token = (KIND_UDP << KIND_SHIFT) | session
    if (!this.#context.watch(fd, EPOLLIN, token, table.generations[session] as number)) return ERRNO.ENOMEM
    if ((table.connectMs[session] as number) < 0) table.connectMs[session] = 0
    return 0
  }

  #closeSocket(session: number): void {
    const fd = this.table.fd(session)
    if (fd < 0) return
    this.table.fds[session] = 0
    this.#context.calls.close(fd)
  }

  #dueMs(session: number): number {
    const { table } = this
    const timeouts = this.timeouts(session)
    const { udpIdleMs } = timeouts
    const oneExchange =
      (table.datagramsFromClient[session] as number) <= 1 && (table.datagramsFromEndpoint[session] as number) >= 1
    const idleMs = oneExchange ? Math.min(udpIdleMs, ONE_EXCHANGE_MS) : udpIdleMs
    return Math.min((table.lastMs[session] as number) + idleMs, this.#lifeEndMs(session, timeouts))
  }

  #lifeEndMs(session: number, { maxSessionMs }: SessionTimeouts): number {
    const { ids, startedMs } = this.table
    return lifeEndMs(ids[session] as number, startedMs[session] as number, maxSessionMs)
  }

  #clientOf(session: number): ClientAddress {
    this.table.readClient(session, this.#client)
    return this.#client
  }
}
