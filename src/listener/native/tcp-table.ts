import type { ClientAddress, Tried } from '../../model/session.ts'
import { readClientWords, writeClientWords } from '../client-words.ts'
import type { Introduction } from '../proxy-header.ts'
import type { MutableFacts } from '../session-facts.ts'

/** State of one direction's source socket. Direction `2 * session` comes from the client, the next from the endpoint;
 *  `direction ^ 1` is the other one. */
export const READABLE = 1
export const WRITABLE = 2
/** The peer has closed its side; a short read is then the last. */
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
/** Its connection broke: it is read until a read says so, however short the one before. */
export const ABORTED = 65536
/** The kernel is not asked to tell when there is something to read: nobody could take it now. */
export const DEAF = 131072
/** Its peer is dead: what was sent to it was not acknowledged in time. */
export const TIMED_OUT = 262144
/** The client's PROXY header has not come yet. */
export const HEARING = 524288
/** The client is left waiting: it is turned away and not to know yet, or asked for again when the time is over. */
export const DELAYED = 1048576
/** The session waits for a place, or for a first endpoint. */
export const WAITING = 2097152
/** It is a first endpoint that it waits for. */
export const HELD = 4194304

const NO_TRIES: readonly Tried[] = []

/** What is told of a session when it ended, and what it holds: shared with main, which tells it for a worker that died.
 *  Columns by session; `fds` and `bytes` by direction. */
export interface TcpColumns {
  /** Descriptors plus one; 0: none. */
  readonly fds: Int32Array<SharedArrayBuffer>
  readonly bytes: Float64Array<SharedArrayBuffer>
  /** The session's number; 0: no session has this place. */
  readonly ids: Float64Array<SharedArrayBuffer>
  readonly listeners: Int32Array<SharedArrayBuffer>
  readonly leases: Int32Array<SharedArrayBuffer>
  readonly tickets: Int32Array<SharedArrayBuffer>
  readonly words: Uint32Array<SharedArrayBuffer>
  readonly ports: Uint16Array<SharedArrayBuffer>
  readonly attempts: Uint8Array<SharedArrayBuffer>
  readonly startedMs: Float64Array<SharedArrayBuffer>
  readonly connectMs: Float64Array<SharedArrayBuffer>
  readonly lastMs: Float64Array<SharedArrayBuffer>
  /** The number of the end that came first, plus one; 0: none yet. */
  readonly reasons: Uint8Array<SharedArrayBuffer>
  /** One word: places that were ever used. */
  readonly used: Int32Array<SharedArrayBuffer>
}

/** Reserves columns for so many sessions. */
export function createTcpColumns(capacity: number): TcpColumns {
  return {
    fds: new Int32Array(new SharedArrayBuffer(8 * capacity)),
    bytes: new Float64Array(new SharedArrayBuffer(16 * capacity)),
    ids: new Float64Array(new SharedArrayBuffer(8 * capacity)),
    listeners: new Int32Array(new SharedArrayBuffer(4 * capacity)),
    leases: new Int32Array(new SharedArrayBuffer(4 * capacity)),
    tickets: new Int32Array(new SharedArrayBuffer(4 * capacity)),
    words: new Uint32Array(new SharedArrayBuffer(16 * capacity)),
    ports: new Uint16Array(new SharedArrayBuffer(2 * capacity)),
    attempts: new Uint8Array(new SharedArrayBuffer(capacity)),
    startedMs: new Float64Array(new SharedArrayBuffer(8 * capacity)),
    connectMs: new Float64Array(new SharedArrayBuffer(8 * capacity)),
    lastMs: new Float64Array(new SharedArrayBuffer(8 * capacity)),
    reasons: new Uint8Array(new SharedArrayBuffer(capacity)),
    used: new Int32Array(new SharedArrayBuffer(4)),
  }
}

/** Takes a session out of columns whose worker will not look at it any more: what it holds is somebody else's. */
export function vacate(columns: TcpColumns, session: number): void {
  columns.ids[session] = 0
  columns.fds[2 * session] = 0
  columns.fds[2 * session + 1] = 0
}

/** Reads what stands in the columns of an ended session. */
export function readTcpFacts(columns: TcpColumns, session: number, into: MutableFacts): void {
  into.id = columns.ids[session] as number
  into.listener = columns.listeners[session] as number
  into.lease = columns.leases[session] as number
  into.ticket = columns.tickets[session] as number
  into.attempts = columns.attempts[session] as number
  into.startedMs = columns.startedMs[session] as number
  into.connectMs = columns.connectMs[session] as number
  into.bytesFromClient = columns.bytes[2 * session] as number
  into.bytesFromEndpoint = columns.bytes[2 * session + 1] as number
  readClientWords(columns, session, into.client)
}

/** State of all TCP sessions of a worker: typed arrays by session and by direction, so that a session is numbers, no
 *  closure, and costs memory only once it is used. */
export class TcpTable {
  readonly capacity: number
  readonly columns: TcpColumns
  // By session.
  readonly ids: Float64Array<SharedArrayBuffer>
  readonly listeners: Int32Array<SharedArrayBuffer>
  readonly leases: Int32Array<SharedArrayBuffer>
  readonly tickets: Int32Array<SharedArrayBuffer>
  readonly attempts: Uint8Array<SharedArrayBuffer>
  readonly startedMs: Float64Array<SharedArrayBuffer>
  readonly connectMs: Float64Array<SharedArrayBuffer>
  /** The number of the end that came first, plus one; 0: none yet. */
  readonly reasons: Uint8Array<SharedArrayBuffer>
  readonly askedMs: Float64Array
  /** How long the present attempt may take. */
  readonly attemptMs: Float64Array
  readonly lastMs: Float64Array<SharedArrayBuffer>
  /** The direction of the last byte: 0 from the client, 1 from the endpoint. */
  readonly lastSide: Uint8Array
  readonly idleMs: Float64Array
  readonly halfCloseMs: Float64Array
  /** When the session must be over; Infinity: never. */
  readonly lifeEndMs: Float64Array
  readonly keepAlive: Uint8Array
  /** TCP_USER_TIMEOUT of the session's sockets; 0: as the system has it. */
  readonly userTimeoutMs: Int32Array
  /** Not 0: given away. It only stands in the columns until it has arrived elsewhere. */
  readonly #departed: Uint8Array
  readonly #tried = new Map<number, Tried[]>()
  // By direction.
  readonly fds: Int32Array<SharedArrayBuffer>
  readonly bytes: Float64Array<SharedArrayBuffer>
  readonly generations: Int32Array
  readonly flags: Int32Array
  readonly pipes: Int32Array
  readonly quietTurns: Uint8Array
  readonly pending = new Map<number, Uint8Array>()
  /** What clients said of themselves, until their endpoint is told; by session. */
  readonly introductions = new Map<number, Introduction>()
  readonly #free: Int32Array
  #freeCount = 0
  /** Sessions beyond this were never used. */
  #used = 0

  /** Takes columns that nobody else writes. */
  constructor(columns: TcpColumns) {
    const capacity = columns.ids.length
    this.capacity = capacity
    this.columns = columns
    this.ids = columns.ids
    this.listeners = columns.listeners
    this.leases = columns.leases
    this.tickets = columns.tickets
    this.attempts = columns.attempts
    this.startedMs = columns.startedMs
    this.connectMs = columns.connectMs
    this.reasons = columns.reasons
    this.askedMs = new Float64Array(capacity)
    this.attemptMs = new Float64Array(capacity)
    this.lastMs = columns.lastMs
    this.lastSide = new Uint8Array(capacity)
    this.idleMs = new Float64Array(capacity)
    this.halfCloseMs = new Float64Array(capacity)
    this.lifeEndMs = new Float64Array(capacity)
    this.keepAlive = new Uint8Array(capacity)
    this.userTimeoutMs = new Int32Array(capacity)
    this.#departed = new Uint8Array(capacity)
    this.fds = columns.fds
    this.bytes = columns.bytes
    this.generations = new Int32Array(2 * capacity)
    this.flags = new Int32Array(2 * capacity)
    this.pipes = new Int32Array(2 * capacity)
    this.quietTurns = new Uint8Array(2 * capacity)
    this.#free = new Int32Array(capacity)
  }

  /** Sessions that live here, or did and have not arrived elsewhere yet. */
  get size(): number {
    return this.#used - this.#freeCount
  }

  /** A session in its first state, or -1 when the table is full. With 0 for its number it does not count as one yet. */
  open(clientFd: number, listener: number, id: number, nowMs: number): number {
    let session: number
    if (this.#freeCount > 0) session = this.#free[--this.#freeCount] as number
    else if (this.#used < this.capacity) session = this.#grow()
    else return -1
    const client = 2 * session
    this.listeners[session] = listener
    this.leases[session] = -1
    this.tickets[session] = 0
    this.attempts[session] = 0
    this.reasons[session] = 0
    this.startedMs[session] = nowMs
    this.connectMs[session] = -1
    this.lastMs[session] = nowMs
    // Before anyone spoke, it is the client's turn.
    this.lastSide[session] = 1
    this.keepAlive[session] = 0
    this.fds[client] = clientFd + 1
    this.fds[client + 1] = 0
    this.flags[client] = WRITABLE
    this.flags[client + 1] = GONE
    this.pipes[client] = -1
    this.pipes[client + 1] = -1
    this.bytes[client] = 0
    this.bytes[client + 1] = 0
    // Last: whoever reads the columns meanwhile finds a session whole, or none.
    this.ids[session] = id
    return session
  }

  #grow(): number {
    this.columns.used[0] = this.#used + 1
    return this.#used++
  }

  /** The descriptor of a direction's source; it stands in the table plus one, so that 0 means none. */
  fd(direction: number): number {
    return (this.fds[direction] as number) - 1
  }

  setClient(session: number, client: ClientAddress): void {
    writeClientWords(this.columns, session, client)
  }

  readClient(session: number, into: ClientAddress): void {
    readClientWords(this.columns, session, into)
  }

  /** Gives the session's place to the next one; events that are still under way for it find another generation. */
  release(session: number): void {
    const client = 2 * session
    this.ids[session] = 0
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
    if (this.introductions.size > 0) this.introductions.delete(session)
    this.clearTried(session)
    this.#free[this.#freeCount++] = session
  }

  /** Leaves a session to somebody else: nothing that happens finds it any more. Its place is taken until it is released. */
  depart(session: number): void {
    const client = 2 * session
    this.flags[client] = GONE
    this.flags[client + 1] = GONE
    this.generations[client] = ((this.generations[client] as number) + 1) | 0
    this.generations[client + 1] = ((this.generations[client + 1] as number) + 1) | 0
    this.#departed[session] = 1
  }

  /** Frees the place of a session that has arrived elsewhere. */
  releaseDeparted(session: number): void {
    this.#departed[session] = 0
    this.release(session)
  }

  /** Whether the session exists, and here. */
  alive(session: number): boolean {
    return this.ids[session] !== 0 && this.#departed[session] === 0
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
