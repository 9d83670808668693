import { type Arena, openArena } from '../../lib/libc/arena.ts'
import { EPOLLIN, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOL_UDP, UDP_GRO } from '../../lib/libc/constants.ts'
import { ERRNO } from '../../lib/libc/errno.ts'
import { INT_BYTES } from '../../lib/libc/option-values.ts'
import { readSocketAddress, SOCKET_ADDRESS_BYTES, writeSocketAddress } from '../../lib/libc/socket-address.ts'
import type { ClientAddress, SessionEnd, Tried } from '../../model/session.ts'
import type { SessionFilter, SessionTimeouts } from '../listener.ts'
import { BATCH, BATCH_ARENA_BYTES, DatagramBatch } from './datagram-batch.ts'
import type { EndpointAddresses } from './endpoint-addresses.ts'
import { MutableFacts } from './session-facts.ts'
import type { TimerWheel } from './timer-wheel.ts'
import type { UdpTable } from './udp-table.ts'
import { KIND_SHIFT, KIND_UDP, type WorkerContext } from './worker-context.ts'

const SOCKET_TYPE = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC
/** A question that got its answer needs no long memory. */
const ONE_EXCHANGE_MS = 10_000
/** Batches taken from one listener before it is another's turn. */
const ROUNDS = 8
const NONE = -1
const FALLBACK: SessionTimeouts = { idleMs: 0, halfCloseMs: 0, udpIdleMs: 60_000, udpResponses: undefined }

/** A socket that clients send to, in one worker. */
export interface UdpDoor {
  readonly id: number
  readonly fd: number
  readonly sessions: Map<number | string, number>
  /** Takes no new clients. */
  draining: boolean
}

/** UDP sessions of one worker: datagrams of a batch are sorted by session, each session has one connected socket to its
 *  endpoint, and replies leave through the socket their client sent to. */
export class UdpSessions implements Disposable {
  readonly table: UdpTable
  readonly #context: WorkerContext
  readonly #wheel: TimerWheel
  readonly #addresses: EndpointAddresses
  readonly #hasRoom: () => boolean
  readonly #onEnd: () => void
  readonly #arena: Arena
  readonly #batch: DatagramBatch
  readonly #name: number
  readonly #doors = new Map<number, UdpDoor>()
  readonly #client: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  readonly #facts = new MutableFacts()
  // The slots of a batch by session: chains through `next`, from each touched session's `head` to its `tail`.
  readonly #next = new Int32Array(BATCH)
  readonly #head: Int32Array
  readonly #tail: Int32Array
  readonly #touched = new Int32Array(BATCH)

  /** `hasRoom` tells whether one more descriptor may be held; `onEnd` is told of every session that ended. */
  constructor(
    context: WorkerContext,
    table: UdpTable,
    wheel: TimerWheel,
    addresses: EndpointAddresses,
    hasRoom: () => boolean,
    onEnd: () => void,
  ) {
    this.#context = context
    this.table = table
    this.#wheel = wheel
    this.#addresses = addresses
    this.#hasRoom = hasRoom
    this.#onEnd = onEnd
    this.#arena = openArena(context.libc, BATCH_ARENA_BYTES)
    this.#batch = new DatagramBatch(this.#arena, context.calls, context.errno)
    this.#name = this.#arena.allocate(SOCKET_ADDRESS_BYTES)
    this.#head = new Int32Array(table.capacity).fill(NONE)
    this.#tail = new Int32Array(table.capacity)
  }

  addDoor(door: UdpDoor): void {
    this.#doors.set(door.id, door)
  }

  /** Ends the sessions of a listener and forgets it. */
  removeDoor(id: number, end: SessionEnd): void {
    const door = this.#doors.get(id)
    if (!door) return
    for (const session of [...door.sessions.values()]) this.stop(session, end)
    this.#doors.delete(id)
  }

  /** Clients have sent to a listener. */
  fromClients(door: UdpDoor | undefined): void {
    if (!door) return
    for (let round = 0; round < ROUNDS; round++) {
      const count = this.#batch.receive(door.fd, 0, BATCH)
      if (count <= 0) return
      const now = this.#context.clock.now()
      let touched = 0
      for (let slot = 0; slot < count; slot++) {
        const session = this.#sessionOf(door, slot, now)
        if (session === NONE) continue
        this.#next[slot] = NONE
        if (this.#head[session] === NONE) {
          this.#head[session] = slot
          this.#touched[touched++] = session
        } else this.#next[this.#tail[session] as number] = slot
        this.#tail[session] = slot
      }
      for (let n = 0; n < touched; n++) {
        const session = this.#touched[n] as number
        const first = this.#head[session] as number
        this.#head[session] = NONE
        // Making room for a later client of this batch may have ended this one.
        if (this.table.listeners[session] === door.id) this.#forward(session, first, now)
      }
      if (count < BATCH) return
    }
  }

  /** An endpoint has answered, or the network has for it. */
  fromEndpoint(session: number, generation: number): void {
    const { table } = this
    if (table.generations[session] !== generation) return
    const door = this.#doors.get(table.listeners[session] as number)
    const fd = table.fd(session)
    if (!door || fd < 0) return
    const timeouts = this.#timeouts(session)
    for (let round = 0; round < ROUNDS; round++) {
      const allowed = timeouts.udpResponses
      const most = allowed === undefined ? BATCH : Math.min(BATCH, allowed - (table.datagramsFromEndpoint[session] as number))
      const count = this.#batch.receive(fd, 0, most)
      if (count <= 0) {
        if (this.#context.errno[0] !== ERRNO.EAGAIN && this.#context.errno[0] !== ERRNO.EINTR) this.#unreachable(session)
        return
      }
      this.#reply(session, door, count)
      if (allowed !== undefined && (table.datagramsFromEndpoint[session] as number) >= allowed) {
        this.stop(session, 'completed')
        return
      }
      if (count < most) return
    }
  }

  /** A session may be idle. */
  due(session: number): void {
    const now = this.#context.clock.now()
    const due = this.#dueMs(session)
    if (now < due) this.#wheel.set(session, due)
    else this.stop(session, this.table.datagramsFromEndpoint[session] === 0 ? 'endpoint-idle' : 'client-idle')
  }

  /** Ends sessions by listener or lease; returns how many. */
  cut(filter: SessionFilter, end: SessionEnd): number {
    const { table } = this
    let count = 0
    for (let session = 0; session < table.end; session++) {
      const listener = table.listeners[session] as number
      if (listener < 0 || !this.#doors.get(listener)?.sessions.has(table.keys[session] as number)) continue
      if (filter.listeners && !filter.listeners.includes(listener)) continue
      if (filter.leases && !filter.leases.includes(table.leases[session] as number)) continue
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
    facts.id = table.ids[session] as number
    facts.listener = table.listeners[session] as number
    facts.client = this.#clientOf(session)
    facts.lease = table.leases[session] as number
    facts.attempts = table.attempts[session] as number
    facts.end = end
    facts.startedMs = table.startedMs[session] as number
    facts.endedMs = this.#context.clock.now()
    facts.connectMs = table.connectMs[session] as number
    facts.bytesFromClient = table.fromClient[session] as number
    facts.bytesFromEndpoint = table.fromEndpoint[session] as number
    facts.datagramsFromClient = table.datagramsFromClient[session] as number
    facts.datagramsFromEndpoint = table.datagramsFromEndpoint[session] as number
    this.#doors.get(facts.listener)?.sessions.delete(table.keys[session] as number | string)
    table.release(session)
    this.#context.policy.ended(facts)
    this.#onEnd()
  }

  [Symbol.dispose](): void {
    this.#arena[Symbol.dispose]()
  }

  /** The session that a received slot belongs to, begun if need be; NONE: nobody takes it. */
  #sessionOf(door: UdpDoor, slot: number, now: number): number {
    const client = this.#client
    if (!readSocketAddress(this.#arena, this.#batch.received.nameOffset(slot), client)) return NONE
    const key = clientKey(client)
    const known = door.sessions.get(key)
    if (known !== undefined) {
      const lease = this.table.leases[known] as number
      if (door.draining || lease < 0 || this.#context.policy.serves(door.id, lease)) {
        this.table.used(known, now)
        return known
      }
      if (this.#head[known] !== NONE) return known
      this.stop(known, 'endpoint-removed')
      readSocketAddress(this.#arena, this.#batch.received.nameOffset(slot), client)
    }
    return door.draining ? NONE : this.#begin(door, key, client, now)
  }

  #begin(door: UdpDoor, key: number | string, client: ClientAddress, now: number): number {
    const { table } = this
    const { word0, word1, word2, word3, port } = client
    if ((table.size >= table.capacity || !this.#hasRoom()) && table.oldest !== NONE) this.stop(table.oldest, 'over-limit')
    const session = table.open(door.id, key, this.#context.nextId(), now)
    if (session === NONE) return NONE
    const at = 4 * session
    table.words[at] = word0
    table.words[at + 1] = word1
    table.words[at + 2] = word2
    table.words[at + 3] = word3
    table.ports[session] = port
    door.sessions.set(key, session)
    this.#wheel.set(session, this.#dueMs(session))
    return session
  }

  /** Sends a session's datagrams of this batch to its endpoint, which is chosen first where there is none. */
  #forward(session: number, first: number, now: number): void {
    const { table } = this
    const generation = table.generations[session]
    if (table.fd(session) < 0 && !this.#connect(session, now)) return
    const batch = this.#batch
    batch.begin()
    for (let slot = first; slot !== NONE; slot = this.#next[slot] as number) {
      batch.add(slot, 0, 0)
      table.fromClient[session] = (table.fromClient[session] as number) + batch.bytes(slot)
      table.datagramsFromClient[session] = (table.datagramsFromClient[session] as number) + batch.datagrams(slot)
    }
    // An error here is the answer to an earlier datagram: these are the next ones, which move.
    while (batch.send(table.fd(session)) !== 0) {
      this.#unreachable(session)
      if (table.generations[session] !== generation || !this.#connect(session, now)) return
    }
  }

  #reply(session: number, door: UdpDoor, count: number): void {
    const { table } = this
    const batch = this.#batch
    const bytes = writeSocketAddress(this.#arena, this.#name, this.#clientOf(session))
    batch.begin()
    for (let slot = 0; slot < count; slot++) {
      batch.add(slot, this.#name, bytes)
      table.fromEndpoint[session] = (table.fromEndpoint[session] as number) + batch.bytes(slot)
      table.datagramsFromEndpoint[session] = (table.datagramsFromEndpoint[session] as number) + batch.datagrams(slot)
    }
    const now = this.#context.clock.now()
    table.used(session, now)
    table.clearTried(session)
    // One exchange: the deadline came nearer.
    if (table.datagramsFromClient[session] === 1) this.#wheel.set(session, this.#dueMs(session))
    // A client that is gone concerns nobody.
    batch.send(door.fd)
  }

  /** Chooses an endpoint and connects a socket to it; false: the session is over. */
  #connect(session: number, now: number): boolean {
    const { table } = this
    const { calls, policy } = this.#context
    const listener = table.listeners[session] as number
    const decision = policy.decide(listener, this.#clientOf(session), table.tried(session))
    if (decision.do === 'refuse') {
      this.stop(session, decision.end)
      return false
    }
    const { lease } = decision
    table.attempts[session] = (table.attempts[session] as number) + 1
    table.leases[session] = lease
    const fd = calls.socket(this.#addresses.family(lease), SOCKET_TYPE, 0)
    if (fd < 0) {
      this.stop(session, 'over-limit')
      return false
    }
    table.fds[session] = fd + 1
    if (this.#timeouts(session).udpResponses === undefined) {
      calls.setsockopt(fd, SOL_UDP, UDP_GRO, this.#context.values.one, INT_BYTES)
    }
    const token = (KIND_UDP << KIND_SHIFT) | session
    if (calls.connect(fd, this.#addresses.address(lease), this.#addresses.bytes(lease)) < 0) {
      this.#unreachable(session)
      return this.#connect(session, now)
    }
    if (!this.#context.watch(fd, EPOLLIN, token, table.generations[session] as number)) {
      this.stop(session, 'over-limit')
      return false
    }
    if ((table.connectMs[session] as number) < 0) table.connectMs[session] = 0
    return true
  }

  /** Nobody is there at the endpoint: the session waits for the client's next datagram to move. */
  #unreachable(session: number): void {
    const { table } = this
    this.#closeSocket(session)
    const tried: Tried = { lease: table.leases[session] as number, end: 'connect-refused' }
    if (tried.lease < 0) return
    table.leases[session] = NONE
    this.#context.policy.connectFailed(table.listeners[session] as number, this.#clientOf(session), tried)
    table.addTried(session, tried)
  }

  #closeSocket(session: number): void {
    const fd = this.table.fd(session)
    if (fd < 0) return
    this.table.fds[session] = 0
    this.#context.calls.close(fd)
  }

  #timeouts(session: number): SessionTimeouts {
    return this.#context.policy.timeouts(this.table.listeners[session] as number) ?? FALLBACK
  }

  #dueMs(session: number): number {
    const { table } = this
    const { udpIdleMs } = this.#timeouts(session)
    const oneExchange =
      (table.datagramsFromClient[session] as number) <= 1 && (table.datagramsFromEndpoint[session] as number) >= 1
    return (table.lastMs[session] as number) + (oneExchange ? Math.min(udpIdleMs, ONE_EXCHANGE_MS) : udpIdleMs)
  }

  #clientOf(session: number): ClientAddress {
    const { words, ports } = this.table
    const at = 4 * session
    const client = this.#client
    client.word0 = words[at] as number
    client.word1 = words[at + 1] as number
    client.word2 = words[at + 2] as number
    client.word3 = words[at + 3] as number
    client.port = ports[session] as number
    return client
  }
}

/** A client's address and port as a map key: a number for IPv4. */
function clientKey(client: ClientAddress): number | string {
  if (client.word0 === 0 && client.word1 === 0 && client.word2 === 0xffff) return client.word3 * 65_536 + client.port
  return `${client.word0},${client.word1},${client.word2},${client.word3},${client.port}`
}
