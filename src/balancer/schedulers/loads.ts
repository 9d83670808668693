import type { PickerState } from '../picker.ts'

/** The counts of other threads are added up for each pick where there are no more than this many to add. */
const MOST_AT_ONCE = 256
/** Else they may be as old as this. */
const OLDEST_MS = 1

/** How many sessions run on each endpoint of a list, over all threads. Those of this thread count at once; for those of
 *  the others see {@link look}. */
export class Loads {
  /** This thread's sessions, by slot. */
  readonly own: Int32Array
  /** What the other threads had when they were last looked at, by position. */
  readonly elsewhere: Int32Array
  readonly #slots: Int32Array
  readonly #others: readonly Int32Array[]
  readonly #now: () => number
  #lookedMs = Number.NEGATIVE_INFINITY

  constructor(slots: Int32Array, { ledger, row, now }: PickerState) {
    this.own = (ledger.rows[row] as (typeof ledger.rows)[number]).active
    this.elsewhere = new Int32Array(slots.length)
    this.#slots = slots
    this.#others = ledger.rows.filter((_, n) => n !== row).map(({ active }) => active)
    this.#now = now
  }

  /** Looks at what the other threads have; call it before reading `elsewhere`, which may have changed where the answer is
   *  true. A short list is looked at every time, a long one at most once a millisecond. */
  look(): boolean {
    const slots = this.#slots
    const others = this.#others
    if (others.length === 0) return false
    if (slots.length * others.length > MOST_AT_ONCE) {
      const nowMs = this.#now()
      if (nowMs - this.#lookedMs < OLDEST_MS) return false
      this.#lookedMs = nowMs
    }
    const { elsewhere } = this
    elsewhere.fill(0)
    for (let n = 0; n < others.length; n++) {
      const other = others[n] as Int32Array
      for (let position = 0; position < slots.length; position++) {
        elsewhere[position] = (elsewhere[position] as number) + (other[slots[position] as number] as number)
      }
    }
    return true
  }

  /** The load of one endpoint, all threads looked at now. */
  at(position: number): number {
    const slot = this.#slots[position] as number
    let load = this.own[slot] as number
    for (let n = 0; n < this.#others.length; n++) load += (this.#others[n] as Int32Array)[slot] as number
    return load
  }
}
