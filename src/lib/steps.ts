import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from './clock.ts'

/** Work that can be interrupted wherever it yields. */
export type Steps<T> = Generator<void, T, void>

/** How long nothing else gets a turn. A step that takes longer is not cut. */
const SLICE_MS = 5

/** Does all of it at once. */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

/** Does it in slices of a few milliseconds, between which everything else in this thread gets a turn. */
export async function inSlices<T>(steps: Steps<T>, clock: Clock): Promise<T> {
  const slices = new Slices(clock)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
    if (slices.isOver()) await slices.next()
  }
}

/** The slices of work that waits for other things, too. The first one begins at once. */
export class Slices {
  readonly #clock: Clock
  #endMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#endMs = clock.now() + SLICE_MS
  }

  isOver(): boolean {
    return this.#clock.now() >= this.#endMs
  }

  /** Lets everything else have its turn, and begins the next slice. */
  async next(): Promise<void> {
    await nextTurn()
    this.#endMs = this.#clock.now() + SLICE_MS
  }
}
