import type { Tried } from '../../model/session.ts'

const NONE = -1
const NO_TRIES: readonly Tried[] = []

/** State of all UDP sessions of a worker, by session; with their order of last use. */
export class UdpTable {
  readonly capacity: number
  readonly fds: Int32Array<SharedArrayBuffer>
  readonly leases: Int32Array<SharedArrayBuffer>
  readonly listeners: Int32Array<SharedArrayBuffer>
  readonly generations: Int32Array
  readonly words: Uint32Array
  readonly ports: Uint16Array
  readonly ids: Float64Array
  readonly attempts: Uint16Array
  readonly startedMs: Float64Array
  readonly askedMs: Float64Array
  readonly connectMs: Float64Array
  readonly lastMs: Float64Array
  readonly fromClient: Float64Array
  readonly fromEndpoint: Float64Array
  readonly datagramsFromClient: Float64Array
  readonly datagramsFromEndpoint: Float64Array
  readonly keys: (number | string)[] = []
  readonly #tried = new Map<number, Tried[]>()
  readonly #older: Int32Array
  readonly #newer: Int32Array
  #oldest = NONE
  #newest = NONE
  readonly #free: Int32Array
  #freeCount = 0
  #used = 0

  constructor(capacity: number, roster: SharedArrayBuffer, rosterOffset: number) {
    this.capacity = capacity
    this.fds = new Int32Array(roster, rosterOffset, capacity)
    this.leases = new Int32Array(roster, rosterOffset + 4 * capacity, capacity)
    this.listeners = new Int32Array(roster, rosterOffset + 8 * capacity, capacity)
    this.generations = new Int32Array(capacity)
    this.words = new Uint32Array(4 * capacity)
    this.ports = new Uint16Array(capacity)
    this.ids = new Float64Array(capacity)
    this.attempts = new Uint16Array(capacity)
    this.startedMs = new Float64Array(capacity)
    this.askedMs = new Float64Array(capacity)
    this.connectMs = new Float64Array(capacity)
    this.lastMs = new Float64Array(capacity)
    this.fromClient = new Float64Array(capacity)
    this.fromEndpoint = new Float64Array(capacity)
    this.datagramsFromClient = new Float64Array(capacity)
    this.datagramsFromEndpoint = new Float64Array(capacity)
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
  open(listener: number, key: number | string, id: number, nowMs: number): number {
    let session: number
    if (this.#freeCount > 0) session = this.#free[--this.#freeCount] as number
    else if (this.#used < this.capacity) session = this.#used++
    else return NONE
    this.fds[session] = 0
    this.leases[session] = NONE
    this.listeners[session] = listener
    this.keys[session] = key
    this.ids[session] = id
    this.attempts[session] = 0
    this.startedMs[session] = nowMs
    this.connectMs[session] = -1
    this.lastMs[session] = nowMs
    this.fromClient[session] = 0
    this.fromEndpoint[session] = 0
    this.datagramsFromClient[session] = 0
    this.datagramsFromEndpoint[session] = 0
    this.#link(session)
    return session
  }

  fd(session: number): number {
    return (this.fds[session] as number) - 1
  }

  release(session: number): void {
    this.#unlink(session)
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

/** Bytes that a roster of so many sessions takes. */
export function udpRosterBytes(capacity: number): number {
  return 12 * capacity
}
