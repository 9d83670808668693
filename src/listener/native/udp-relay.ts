import type { Arena } from '../../lib/libc/arena.ts'
import { ERRNO } from '../../lib/libc/errno.ts'
import { readSocketAddress, SOCKET_ADDRESS_BYTES, writeSocketAddress } from '../../lib/libc/socket-address.ts'
import type { ClientAddress } from '../../model/session.ts'
import { ownEnd } from './call-errors.ts'
import { BATCH, BATCH_ARENA_BYTES, DatagramBatch } from './datagram-batch.ts'
import type { UdpDoor, UdpDoors } from './udp-doors.ts'
import type { UdpSessions } from './udp-sessions.ts'
import type { UdpTable } from './udp-table.ts'
import type { WorkerContext } from './worker-context.ts'

/** Batches taken from one socket before it is another's turn. */
const ROUNDS = 8
const NONE = -1

/** Moves datagrams, many at a time: those of a batch are sorted by session, and each session's leave together. Replies leave
 *  through the socket that their client sent to. */
export class UdpRelay {
  readonly #context: WorkerContext
  readonly #sessions: UdpSessions
  readonly #doors: UdpDoors
  readonly #table: UdpTable
  readonly #arena: Arena
  readonly #batch: DatagramBatch
  readonly #name: number
  readonly #client: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  // The slots of a batch by session: chains through `next`, from each touched session's `head` to its `tail`.
  readonly #next = new Int32Array(BATCH)
  readonly #head: Int32Array
  readonly #tail: Int32Array
  readonly #touched = new Int32Array(BATCH)

  constructor(context: WorkerContext, sessions: UdpSessions, doors: UdpDoors) {
    this.#context = context
    this.#sessions = sessions
    this.#doors = doors
    this.#table = sessions.table
    this.#arena = context.openArena(BATCH_ARENA_BYTES)
    this.#batch = new DatagramBatch(this.#arena, context.calls, context.errno)
    this.#name = this.#arena.allocate(SOCKET_ADDRESS_BYTES)
    this.#head = new Int32Array(this.#table.capacity).fill(NONE)
    this.#tail = new Int32Array(this.#table.capacity)
  }

  /** Clients have sent to a listener. */
  fromClients(id: number): void {
    const door = this.#doors.get(id)
    if (!door) return
    for (let round = 0; round < ROUNDS; round++) {
      const count = this.#batch.receive(door.fd, BATCH)
      if (count <= 0) {
        const error = count < 0 ? this.#batch.receiveError : ERRNO.EAGAIN
        if (error !== ERRNO.EAGAIN && error !== ERRNO.EINTR) this.#doors.rest(door)
        return
      }
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
      for (let n = 0; n < touched; n++) this.#forwardChain(this.#touched[n] as number)
      if (count < BATCH) return
    }
  }

  /** An endpoint has answered, or the network has for it. */
  fromEndpoint(session: number, generation: number): void {
    if (this.#table.generations[session] !== generation) return
    try {
      this.#hear(session)
    } catch (error) {
      this.#failed(session, generation, error)
    }
  }

  #hear(session: number): void {
    const table = this.#table
    const door = this.#doors.get(table.listeners[session] as number)
    const fd = table.fd(session)
    if (!door || fd < 0) return
    const allowed = this.#sessions.timeouts(session).udpResponses ?? Number.POSITIVE_INFINITY
    let most = Math.min(BATCH, allowed - (table.datagramsFromEndpoint[session] as number))
    for (let round = 0; round < ROUNDS && most > 0; round++) {
      const count = this.#batch.receive(fd, most)
      if (count < 0) {
        this.#heardError(session, this.#batch.receiveError)
        return
      }
      if (count > 0) this.#reply(session, door, count)
      if (count < most) return
      most = Math.min(BATCH, allowed - (table.datagramsFromEndpoint[session] as number))
    }
    if (most <= 0) this.#sessions.stop(session, 'completed')
  }

  /** An error of ours, which ends one session and no other. */
  #failed(session: number, generation: number, error: unknown): void {
    this.#context.onFault(error)
    if (this.#table.generations[session] === generation) this.#sessions.stop(session, 'internal')
  }

  #heardError(session: number, error: number): void {
    if (error === ERRNO.EAGAIN || error === ERRNO.EINTR) return
    const end = ownEnd(error)
    if (end === undefined) this.#sessions.unreachable(session)
    else this.#sessions.stop(session, end)
  }

  /** The session that a received slot belongs to, begun if need be; NONE: nobody takes it. */
  #sessionOf(door: UdpDoor, slot: number, now: number): number {
    const client = this.#client
    // Nothing can be sent back to port 0.
    if (!readSocketAddress(this.#arena, this.#batch.received.nameOffset(slot), client) || client.port === 0) return NONE
    const key = clientKey(client)
    const known = door.sessions.get(key)
    if (known !== undefined) {
      if (door.draining || this.#head[known] !== NONE || this.#sessions.serves(known)) {
        this.#table.used(known, now)
        return known
      }
      this.#sessions.stop(known, 'endpoint-removed')
    }
    if (door.draining) return NONE
    if (!this.#sessions.hasRoom() && !this.#evict()) {
      this.#sessions.turnAway(door, client)
      return NONE
    }
    return this.#sessions.begin(door, key, client, now)
  }

  /** Ends the session that was quiet longest; what came for it in this batch goes out before. */
  #evict(): boolean {
    const { oldest, generations } = this.#table
    if (oldest === NONE) return false
    const generation = generations[oldest]
    this.#forwardChain(oldest)
    if (generations[oldest] === generation) this.#sessions.stop(oldest, 'over-limit')
    return true
  }

  /** Sends what a session got in this batch, if anything is left of it. */
  #forwardChain(session: number): void {
    const first = this.#head[session] as number
    if (first === NONE) return
    this.#head[session] = NONE
    const generation = this.#table.generations[session] as number
    try {
      this.#forward(session, first)
    } catch (error) {
      this.#failed(session, generation, error)
    }
  }

  /** Sends a session's datagrams of this batch to its endpoint, which is chosen first where there is none. */
  #forward(session: number, first: number): void {
    const table = this.#table
    const generation = table.generations[session]
    if (table.fd(session) < 0 && !this.#sessions.connect(session)) return
    const batch = this.#batch
    batch.begin()
    for (let slot = first; slot !== NONE; slot = this.#next[slot] as number) {
      batch.add(slot, 0, 0)
      table.fromClient[session] = (table.fromClient[session] as number) + batch.bytes(slot)
      table.datagramsFromClient[session] = (table.datagramsFromClient[session] as number) + batch.datagrams(slot)
    }
    // An error here is the answer to an earlier datagram: these are the next ones, which move.
    while (batch.send(table.fd(session)) !== 0) {
      this.#sessions.unreachable(session)
      if (table.generations[session] !== generation || !this.#sessions.connect(session)) return
    }
  }

  #reply(session: number, door: UdpDoor, count: number): void {
    const table = this.#table
    const batch = this.#batch
    table.readClient(session, this.#client)
    const bytes = writeSocketAddress(this.#arena, this.#name, this.#client)
    batch.begin()
    for (let slot = 0; slot < count; slot++) {
      batch.add(slot, this.#name, bytes)
      table.fromEndpoint[session] = (table.fromEndpoint[session] as number) + batch.bytes(slot)
      table.datagramsFromEndpoint[session] = (table.datagramsFromEndpoint[session] as number) + batch.datagrams(slot)
    }
    this.#sessions.answered(session)
    // A client that is gone concerns nobody.
    batch.send(door.fd)
  }
}

/** A client's address and port as a map key: a number for IPv4. */
function clientKey(client: ClientAddress): number | string {
  if (client.word0 === 0 && client.word1 === 0 && client.word2 === 0xffff) return client.word3 * 65_536 + client.port
  return `${client.word0},${client.word1},${client.word2},${client.word3},${client.port}`
}
