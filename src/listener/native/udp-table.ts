import type { ClientAddress, Tried } from '../../model/session.ts'
import { readClientWords, writeClientWords } from '../client-words.ts'
import type { MutableFacts } from '../session-facts.ts'

const NONE = -1
const NO_TRIES: readonly Tried[] = []

/** What is told of a session when it ended, and what it holds: shared with main, which tells it for a worker that died. */
export interface UdpColumns {
  /** Descriptors plus one; 0: none. */
  readonly fds: Int32Array<SharedArrayBuffer>
  /** The session's number; 0: no session has this place. */
  readonly ids: Float64Array<SharedArrayBuffer>
  readonly listeners: Int32Array<SharedArrayBuffer>
  readonly leases: Int32Array<SharedArrayBuffer>
  readonly tickets: Int32Array<SharedArrayBuffer>
  readonly words: Uint32Array<SharedArrayBuffer>
  readonly ports: Uint16Array<SharedArrayBuffer>
  readonly attempts: Uint16Array<SharedArrayBuffer>
  readonly startedMs: Float64Array<SharedArrayBuffer>
  readonly connectMs: Float64Array<SharedArrayBuffer>
  readonly fromClient: Float64Array<SharedArrayBuffer>
  readonly fromEndpoint: Float64Array<SharedArrayBuffer>
  readonly datagramsFromClient: Float64Array<SharedArrayBuffer>
  readonly datagramsFromEndpoint: Float64Array<SharedArrayBuffer>
  readonly lastMs: Float64Array<SharedArrayBuffer>
  /** One word: places that were ever used. */
  readonly used: Int32Array<SharedArrayBuffer>
}

/** Reserves columns for so many sessions. */
export function createUdpColumns(capacity: number): UdpColumns {
  const float64 = () => new Float64Array(new SharedArrayBuffer(8 * capacity))
  const int32 = () => new Int32Array(new SharedArrayBuffer(4 * capacity))
  const uint16 = () => new Uint16Array(new SharedArrayBuffer(2 * capacity))
  return {
    fds: int32(),
    ids: float64(),
    listeners: int32(),
    leases: int32(),
    tickets: int32(),
    words: new Uint32Array(new SharedArrayBuffer(16 * capacity)),
    ports: uint16(),
    attempts: uint16(),
    startedMs: float64(),
    connectMs: float64(),
    fromClient: float64(),
    fromEndpoint: float64(),
    datagramsFromClient: float64(),
    datagramsFromEndpoint: float64(),
    lastMs: float64(),
    used: new Int32Array(new SharedArrayBuffer(4)),
  }
}

/** Reads what stands in the columns of an ended session. */
export function readUdpFacts(columns: UdpColumns, session: number, into: MutableFacts): void {
  into.id = columns.ids[session] as number
  into.listener = columns.listeners[session] as number
  into.lease = columns.leases[session] as number
  into.ticket = columns.tickets[session] as number
  into.attempts = columns.attempts[session] as number
  into.startedMs = columns.startedMs[session] as number
  into.connectMs = columns.connectMs[session] as number
  into.bytesFromClient = columns.fromClient[session] as number
  into.bytesFromEndpoint = columns.fromEndpoint[session] as number
  into.datagramsFromClient = columns.datagramsFromClient[session] as number
  into.datagramsFromEndpoint = columns.datagramsFromEndpoint[session] as number
  readClientWords(columns, session, into.client)
}

/** State of all UDP sessions of a worker, by session; with their order of last use. */
export class UdpTable {
  readonly capacity: number
  readonly columns: UdpColumns
  readonly ids: Float64Array<SharedArrayBuffer>
  readonly fds: Int32Array<SharedArrayBuffer>
  readonly leases: Int32Array<SharedArrayBuffer>
  readonly tickets: Int32Array<SharedArrayBuffer>
  readonly listeners: Int32Array<SharedArrayBuffer>
  readonly attempts: Uint16Array<SharedArrayBuffer>
  readonly startedMs: Float64Array<SharedArrayBuffer>
  readonly connectMs: Float64Array<SharedArrayBuffer>
  readonly fromClient: Float64Array<SharedArrayBuffer>
  readonly fromEndpoint: Float64Array<SharedArrayBuffer>
  readonly datagramsFromClient: Float64Array<SharedArrayBuffer>
  readonly datagramsFromEndpoint: Float64Array<SharedArrayBuffer>
  readonly generations: Int32Array
  readonly lastMs: Float64Array<SharedArrayBuffer>
  readonly keys: (number | string)[] = []
  readonly #tried = new Map<number, Tried[]>()
  readonly #older: Int32Array
  readonly #newer: Int32Array
  #oldest = NONE
  #newest = NONE
  readonly #free: Int32Array
  #freeCount = 0
  #used = 0

  /** Takes columns that nobody else writes. */
  constructor(columns: UdpColumns) {
    const capacity = columns.ids.length
    this.capacity = capacity
    this.columns = columns
    this.ids = columns.ids
    this.fds = columns.fds
    this.leases = columns.leases
    this.tickets = columns.tickets
    this.listeners = columns.listeners
    this.attempts = columns.attempts
    this.startedMs = columns.startedMs
    this.connectMs = columns.connectMs
    this.fromClient = columns.fromClient
    this.fromEndpoint = columns.fromEndpoint
    this.datagramsFromClient = columns.datagramsFromClient
    this.datagramsFromEndpoint = columns.datagramsFromEndpoint
    this.generations = new Int32Array(capacity)
    this.lastMs = columns.lastMs
    this.#older = new Int32Array(capacity).fill(NONE)
    this.#newer = new Int32Array(capacity).fill(NONE)
    this.#free = new Int32Array(capacity)
  }

  get size(): number {
    return this.#used - this.#freeCount
  }

  /** Sessions to walk through; some of them may not be alive. */
  get end(): number {
    return this.#used
  }

  /** The session that was quiet longest, or -1. */
  get oldest(): number {
    return this.#oldest
  }

  /** A session without a socket, the most recently used one; -1 when the table is full. */
  open(listener: number, key: number | string, client: ClientAddress, id: number, nowMs: number): number {
    let session: number
    if (this.#freeCount > 0) session = this.#free[--this.#freeCount] as number
    else if (this.#used < this.capacity) session = this.#grow()
    else return NONE
    this.fds[session] = 0
    this.leases[session] = NONE
    this.tickets[session] = 0
    this.listeners[session] = listener
    this.keys[session] = key
    this.attempts[session] = 0
    this.startedMs[session] = nowMs
    this.connectMs[session] = -1
    this.lastMs[session] = nowMs
    this.fromClient[session] = 0
    this.fromEndpoint[session] = 0
    this.datagramsFromClient[session] = 0
    this.datagramsFromEndpoint[session] = 0
    writeClientWords(this.columns, session, client)
    this.#link(session)
    // Last: whoever reads the columns meanwhile finds a session whole, or none.
    this.ids[session] = id
    return session
  }

  #grow(): number {
    this.columns.used[0] = this.#used + 1
    return this.#used++
  }

  fd(session: number): number {
    return (this.fds[session] as number) - 1
  }

  /** Whether the session exists. */
  alive(session: number): boolean {
    return this.ids[session] !== 0
  }

  readClient(session: number, into: ClientAddress): void {
    readClientWords(this.columns, session, into)
  }

  release(session: number): void {
    this.#unlink(session)
    this.ids[session] = 0
    this.fds[session] = 0
    this.leases[session] = NONE
    this.listeners[session] = NONE
    this.generations[session] = ((this.generations[session] as number) + 1) | 0
    this.clearTried(session)
    this.#free[this.#freeCount++] = session
  }

  /** Makes it the most recently used one. */
  used(session: number, nowMs: number): void {
    this.lastMs[session] = nowMs
    if (this.#newest === session) return
    this.#unlink(session)
    this.#link(session)
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

  #link(session: number): void {
    this.#older[session] = this.#newest
    this.#newer[session] = NONE
    if (this.#newest !== NONE) this.#newer[this.#newest] = session
    else this.#oldest = session
    this.#newest = session
  }

  #unlink(session: number): void {
    const older = this.#older[session] as number
    const newer = this.#newer[session] as number
    if (older !== NONE) this.#newer[older] = newer
    else this.#oldest = newer
    if (newer !== NONE) this.#older[newer] = older
    else this.#newest = older
  }
}
