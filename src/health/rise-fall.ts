import type { CheckRule } from '../model/health.ts'

/** What answers say of an endpoint: it goes up and down after so many of one kind in a row. Nothing is known at first, and
 *  the first answer counts at once. */
export class RiseFall {
  #state: 'unknown' | 'up' | 'down' = 'unknown'
  /** Answers in a row that say otherwise than the state. */
  #row = 0

  get down(): boolean {
    return this.#state === 'down'
  }

  /** Whether the next answers are wanted soon: nothing is known yet, or the last answer said otherwise than the state. */
  get inDoubt(): boolean {
    return this.#state === 'unknown' || this.#row > 0
  }

  /** Nothing is known any more. */
  forget(): void {
    this.#state = 'unknown'
    this.#row = 0
  }

  /** Takes an answer; true where the endpoint went up or down by it, the first time it is known to be up left out. */
  note(good: boolean, { rise, fall }: Pick<CheckRule, 'rise' | 'fall'>): boolean {
    const said = good ? 'up' : 'down'
    if (this.#state === said) {
      this.#row = 0
      return false
    }
    this.#row++
    const before = this.#state
    if (before !== 'unknown' && this.#row < (good ? rise : fall)) return false
    this.#state = said
    this.#row = 0
    return before !== 'unknown' || !good
  }
}
