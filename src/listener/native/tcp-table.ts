import type { ClientAddress, Tried } from '../../model/session.ts'

/** State of one direction's source socket. Direction `2 * session` comes from the client, the next from the endpoint;
 *  `direction ^ 1` is the other one. */
export const READABLE = 1
export const WRITABLE = 2
/** The peer has closed or broken its side; a short read is then the last. */
export const HUNG_UP = 4
/** Everything it will ever send was read. */
export const ENDED = 8
/** Its write side was shut down, or is about to be. */
export const SHUT = 16
export const CONNECTING = 32
/** Waits in the run queue for its next share. */
export const QUEUED = 64
/** Bytes wait in `pending` to be written to it. */
export const PENDING = 128
/** Writing to it failed; what it sent before is still read. */
export const UNWRITABLE = 256
/** Urgent data may stop a read short: only an empty read is the end. */
export const URGENT = 512
/** Its socket is closed. */
export const GONE = 1024
/** The other side was reset: it is reset too, once it has everything. */
export const RESETTING = 2048
/** Something was sent to it. */
export const SENT_ONCE = 4096
/** Small writes go out at once from here on. */
export const UNDELAYED = 8192
/** The kernel is asked to tell when it can be written. */
export const WATCHING_OUT = 16384
/** The client's socket is in epoll, and what it said at first was read. */
export const GREETED = 32768

const NO_TRIES: readonly Tried[] = []

/** State of all TCP sessions of a worker: typed arrays by session and by direction, so that a session is numbers, no
 *  closure, and costs memory only once it is used. What main needs to clean up after a dead worker is shared. */
export class TcpTable {
  readonly capacity: number
  // By session.
  readonly listeners: Int32Array<SharedArrayBuffer>
  readonly leases: Int32Array<SharedArrayBuffer>
  readonly words: Uint32Array
  readonly ports: Uint16Array
  readonly ids: Float64Array
  readonly attempts: Uint8Array
  /** The number of the end that came first, plus one; 0: none yet. */
  readonly reasons: Uint8Array
  readonly startedMs: Float64Array
  readonly askedMs: Float64Array
  readonly connectMs: Float64Array
  /** How long the present attempt may take. */
  readonly attemptMs: Float64Array
  readonly lastMs: Float64Array
  /** The direction of the last byte: 0 from the client, 1 from the endpoint. */
  readonly lastSide: Uint8Array
  readonly idleMs: Float64Array
  readonly halfCloseMs: Float64Array
  readonly keepAlive: Uint8Array
  readonly #tried = new Map<number, Tried[]>()
  // By direction.
  readonly fds: Int32Array<SharedArrayBuffer>
  readonly generations: Int32Array
  readonly flags: Int32Array
  readonly pipes: Int32Array
  readonly quietTurns: Uint8Array
  readonly bytes: Float64Array
  readonly pending = new Map<number, Uint8Array>()
  readonly #free: Int32Array
  #freeCount: number
  /** Sessions beyond this were never used. */
  #used = 0

  constructor(capacity: number, roster: SharedArrayBuffer) {
    this.capacity = capacity
    this.fds = new Int32Array(roster, 0, 2 * capacity)
    this.leases = new Int32Array(roster, 8 * capacity, capacity)
    this.listeners = new Int32Array(roster, 12 * capacity, capacity)
    this.words = new Uint32Array(4 * capacity)
    this.ports = new Uint16Array(capacity)
    this.ids = new Float64Array(capacity)
    this.attempts = new Uint8Array(capacity)
    this.reasons = new Uint8Array(capacity)
    this.startedMs = new Float64Array(capacity)
    this.askedMs = new Float64Array(capacity)
    this.connectMs = new Float64Array(capacity)
    this.attemptMs = new Float64Array(capacity)
    this.lastMs = new Float64Array(capacity)
    this.lastSide = new Uint8Array(capacity)
    this.idleMs = new Float64Array(capacity)
    this.halfCloseMs = new Float64Array(capacity)
    this.keepAlive = new Uint8Array(capacity)
    this.generations = new Int32Array(2 * capacity)
    this.flags = new Int32Array(2 * capacity)
    this.pipes = new Int32Array(2 * capacity)
    this.quietTurns = new Uint8Array(2 * capacity)
    this.bytes = new Float64Array(2 * capacity)
    this.#free = new Int32Array(capacity)
    this.#freeCount = 0
  }

  /** Sessions that live. */
  get size(): number {
    return this.#used - this.#freeCount
  }

  /** A session in its first state, or -1 when the table is full. */
  open(clientFd: number, listener: number, id: number, nowMs: number): number {
    let session: number
    if (this.#freeCount > 0) session = this.#free[--this.#freeCount] as number
    else if (this.#used < this.capacity) session = this.#used++
    else return -1
    const client = 2 * session
    this.listeners[session] = listener
    this.leases[session] = -1
    this.ids[session] = id
    this.attempts[session] = 0
    this.reasons[session] = 0
    this.startedMs[session] = nowMs
    this.connectMs[session] = -1
    this.lastMs[session] = nowMs
    this.lastSide[session] = 0
    this.keepAlive[session] = 0
    this.fds[client] = clientFd + 1
    this.fds[client + 1] = 0
    this.flags[client] = WRITABLE
    this.flags[client + 1] = GONE
    this.pipes[client] = -1
    this.pipes[client + 1] = -1
    this.bytes[client] = 0
    this.bytes[client + 1] = 0
    return session
  }

  /** The descriptor of a direction's source; it stands in the table plus one, so that 0 means none. */
  fd(direction: number): number {
    return (this.fds[direction] as number) - 1
  }

  setClient(session: number, client: ClientAddress): void {
    const at = 4 * session
    this.words[at] = client.word0
    this.words[at + 1] = client.word1
    this.words[at + 2] = client.word2
    this.words[at + 3] = client.word3
    this.ports[session] = client.port
  }

  readClient(session: number, into: ClientAddress): void {
    const at = 4 * session
    into.word0 = this.words[at] as number
    into.word1 = this.words[at + 1] as number
    into.word2 = this.words[at + 2] as number
    into.word3 = this.words[at + 3] as number
    into.port = this.ports[session] as number
  }

  /** Gives the session's place to the next one; events that are still under way for it find another generation. */
  release(session: number): void {
    const client = 2 * session
    this.fds[client] = 0
    this.fds[client + 1] = 0
    this.leases[session] = -1
    this.flags[client] = GONE
    this.flags[client + 1] = GONE
    this.generations[client] = ((this.generations[client] as number) + 1) | 0
    this.generations[client + 1] = ((this.generations[client + 1] as number) + 1) | 0
    if (this.pending.size > 0) {
      this.pending.delete(client)
      this.pending.delete(client + 1)
    }
    this.clearTried(session)
    this.#free[this.#freeCount++] = session
  }

  /** Whether the session exists. */
  alive(session: number): boolean {
    return session < this.#used && (this.fds[2 * session] !== 0 || this.fds[2 * session + 1] !== 0)
  }

  /** Sessions to walk through; some of them may not be alive. */
  get end(): number {
    return this.#used
  }

  tried(session: number): readonly Tried[] {
    return this.#tried.get(session) ?? NO_TRIES
  }

  addTried(session: number, tried: Tried): void {
    const list = this.#tried.get(session)
    if (list) list.push(tried)
    else this.#tried.set(session, [tried])
  }

  clearTried(session: number): void {
    if (this.#tried.size > 0) this.#tried.delete(session)
  }
}

/** Bytes that a roster of so many sessions takes: what main needs of them when their worker died. */
export function rosterBytes(capacity: number): number {
  return 16 * capacity
}
