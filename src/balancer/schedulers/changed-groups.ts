import { groupOf } from '../../model/shared-layout.ts'
import type { PickerState } from '../picker.ts'

/** A list in the order of its slots, cut where one group of slots ends and another begins: says in which groups this
 *  thread's sessions began or ended since they were last asked for. */
export class ChangedGroups {
  readonly count: number
  /** Where each group begins, and at last where the list ends. */
  readonly #starts: Int32Array
  /** The group of each place. */
  readonly #groups: Int32Array
  /** Each one's place among the row's counters. */
  readonly #counters: Int32Array
  readonly #changes: Int32Array
  /** What each counter was; one more or less than it is: changed. */
  readonly #seen: Int32Array

  constructor(slots: Int32Array, { ledger, row }: PickerState) {
    const starts: number[] = []
    this.#groups = new Int32Array(slots.length)
    for (const [place, slot] of slots.entries()) {
      if (place === 0 || groupOf(slot) !== groupOf(slots[place - 1] as number)) starts.push(place)
      this.#groups[place] = starts.length - 1
    }
    this.count = starts.length
    this.#starts = Int32Array.of(...starts, slots.length)
    this.#counters = Int32Array.from(starts, (place) => groupOf(slots[place] as number))
    this.#changes = (ledger.rows[row] as (typeof ledger.rows)[number]).changes
    this.#seen = new Int32Array(this.count)
    this.forget()
  }

  /** Every group has changed, for some other reason. */
  forget(): void {
    for (let group = 0; group < this.count; group++) {
      this.#seen[group] = (this.#changes[this.#counters[group] as number] as number) - 1
    }
  }

  /** Whether a group changed since the last time; asked once for each change. */
  changed(group: number): boolean {
    const counter = this.#changes[this.#counters[group] as number] as number
    if (counter === this.#seen[group]) return false
    this.#seen[group] = counter
    return true
  }

  startOf(group: number): number {
    return this.#starts[group] as number
  }

  groupAt(place: number): number {
    return this.#groups[place] as number
  }
}
