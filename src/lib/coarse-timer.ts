import type { Clock, Timer } from './clock.ts'

/** Something with a deadline that keeps moving away. */
export interface Expiring {
  /** When it is due now, on the timer's clock; asked once a turn, so that moving it costs nothing. */
  dueMs(): number
  /** Called once, at the first tick at which it is due. */
  expired(): void
}

/** One tick for thousands of timeouts. Promise: a deadline is noticed at most one tick late, never early; one that was
 *  brought forward after it was added may be noticed at its old time, unless it is added again. */
export class CoarseTimer implements Disposable {
  readonly #clock: Clock
  readonly #tickMs: number
  readonly #turns = new Map<number, Set<Expiring>>()
  readonly #turnOf = new Map<Expiring, Set<Expiring>>()
  #timer: Timer | undefined
  #turn: number
  #disposed = false

  constructor(clock: Clock, tickMs: number) {
    this.#clock = clock
    this.#tickMs = tickMs
    this.#turn = Math.floor(clock.now() / tickMs)
  }

  /** Watches `entry` until it expires or is removed. Adding it again re-reads its deadline. */
  add(entry: Expiring): void {
    if (this.#disposed) return
    this.remove(entry)
    const turn = Math.max(Math.ceil(entry.dueMs() / this.#tickMs), this.#turn + 1)
    let entries = this.#turns.get(turn)
    if (!entries) {
      entries = new Set()
      this.#turns.set(turn, entries)
    }
    entries.add(entry)
    this.#turnOf.set(entry, entries)
    this.#arm()
  }

  remove(entry: Expiring): void {
    const entries = this.#turnOf.get(entry)
    if (!entries) return
    entries.delete(entry)
    this.#turnOf.delete(entry)
  }

  /** Entries that are watched. */
  get size(): number {
    return this.#turnOf.size
  }

  [Symbol.dispose](): void {
    this.#disposed = true
    this.#timer?.[Symbol.dispose]()
    this.#timer = undefined
    this.#turns.clear()
    this.#turnOf.clear()
  }

  #arm(): void {
    if (this.#timer || this.#disposed) return
    // At the border between two turns, so that what is due in a turn is noticed at its end and not in the middle of the next.
    const now = this.#clock.now()
    this.#timer = this.#clock.after((Math.floor(now / this.#tickMs) + 1) * this.#tickMs - now, () => {
      this.#timer = undefined
      this.#tick()
      if (this.#turnOf.size > 0) this.#arm()
    })
  }

  #tick(): void {
    const now = this.#clock.now()
    const until = Math.floor(now / this.#tickMs)
    // The timer sleeps while nothing is watched, so turns may have been skipped.
    const first = this.#turn + 1
    this.#turn = until
    if (until - first > this.#turns.size) {
      for (const turn of [...this.#turns.keys()].sort((a, b) => a - b)) if (turn <= until) this.#run(turn, now)
    } else {
      for (let turn = first; turn <= until; turn++) this.#run(turn, now)
    }
  }

  #run(turn: number, now: number): void {
    const entries = this.#turns.get(turn)
    if (!entries) return
    this.#turns.delete(turn)
    for (const entry of entries) {
      if (this.#disposed) return
      this.#turnOf.delete(entry)
      if (entry.dueMs() <= now) entry.expired()
      else this.add(entry)
    }
  }
}
