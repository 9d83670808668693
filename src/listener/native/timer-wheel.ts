/** Length of a tick. Connect timeouts are kept to within one. */
const TICK_MS = 8
/** Slots of the wheel: it turns once in 65 s; what is due later is looked at once a turn. */
const SLOTS = 8192
const NONE = -1

/** Deadlines of numbered things, for a loop that sleeps in `epoll_wait`. A thing has one deadline at a time. Setting,
 *  moving and cancelling take constant time and allocate nothing. */
export class TimerWheel {
  readonly #heads = new Int32Array(SLOTS).fill(NONE)
  readonly #next: Int32Array
  readonly #previous: Int32Array
  /** The slot a thing waits in, or NONE. */
  readonly #slots: Int32Array
  readonly #due: (index: number) => void
  /** The last tick that was run. */
  #tick: number
  /** No waiting thing is due before this tick. */
  #soonest = Number.POSITIVE_INFINITY
  #count = 0

  /** `due` is called for a thing that may be due, once; it sets it again if it is not. */
  constructor(capacity: number, nowMs: number, due: (index: number) => void) {
    this.#next = new Int32Array(capacity)
    this.#previous = new Int32Array(capacity)
    this.#slots = new Int32Array(capacity).fill(NONE)
    this.#due = due
    this.#tick = Math.floor(nowMs / TICK_MS)
  }

  /** Looks at `index` at the first tick at or after `atMs`, or earlier if that is more than a turn away. */
  set(index: number, atMs: number): void {
    if (this.#slots[index] !== NONE) this.cancel(index)
    let tick = Math.ceil(atMs / TICK_MS)
    if (tick <= this.#tick) tick = this.#tick + 1
    else if (tick >= this.#tick + SLOTS) tick = this.#tick + SLOTS - 1
    if (tick < this.#soonest) this.#soonest = tick
    const slot = tick % SLOTS
    const head = this.#heads[slot] as number
    this.#next[index] = head
    this.#previous[index] = NONE
    if (head !== NONE) this.#previous[head] = index
    this.#heads[slot] = index
    this.#slots[index] = slot
    this.#count++
  }

  cancel(index: number): void {
    const slot = this.#slots[index] as number
    if (slot === NONE) return
    const next = this.#next[index] as number
    const previous = this.#previous[index] as number
    if (next !== NONE) this.#previous[next] = previous
    if (previous !== NONE) this.#next[previous] = next
    else this.#heads[slot] = next
    this.#slots[index] = NONE
    this.#count--
  }

  /** Runs every tick up to now. */
  advance(nowMs: number): void {
    const until = Math.floor(nowMs / TICK_MS)
    if (until < this.#soonest) {
      this.#tick = Math.max(this.#tick, until)
      return
    }
    // After a long sleep every slot is looked at once.
    const from = Math.max(this.#soonest, until - SLOTS + 1)
    for (let tick = from; tick <= until; tick++) {
      this.#tick = tick
      const slot = tick % SLOTS
      // What is set again meanwhile goes to another slot: no deadline is put a whole turn ahead.
      for (let index = this.#heads[slot] as number; index !== NONE; index = this.#heads[slot] as number) {
        this.cancel(index)
        this.#due(index)
      }
    }
    this.#tick = until
    this.#seek()
  }

  /** Milliseconds until something may be due, rounded up; -1: nothing waits. */
  waitMs(nowMs: number): number {
    if (this.#count === 0) return -1
    return Math.max(0, Math.ceil(this.#soonest * TICK_MS - nowMs))
  }

  #seek(): void {
    this.#soonest = Number.POSITIVE_INFINITY
    if (this.#count === 0) return
    for (let tick = this.#tick + 1; tick < this.#tick + SLOTS; tick++) {
      if (this.#heads[tick % SLOTS] !== NONE) {
        this.#soonest = tick
        return
      }
    }
  }
}
