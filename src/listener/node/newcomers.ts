import type { Clock, Timer } from '../../lib/clock.ts'

/** Most sessions connect, and many end, within this time. */
const MOMENT_MS = 20

/** Something that needs timers only if it is still there after a moment. */
export interface Newcomer {
  /** Called once, unless it left before. */
  stayed(): void
}

/** Spares short sessions their timers: one timer for all that began in the same moment. */
export class Newcomers implements Disposable {
  readonly #clock: Clock
  readonly #all = new Set<Newcomer>()
  #timer: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** `newcomer` is told, a moment from now or sooner, that it stayed. */
  add(newcomer: Newcomer): void {
    this.#all.add(newcomer)
    this.#timer ??= this.#clock.after(MOMENT_MS, () => this.#round())
  }

  /** It left; or it was told. */
  remove(newcomer: Newcomer): void {
    this.#all.delete(newcomer)
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]()
    this.#all.clear()
  }

  #round(): void {
    this.#timer = undefined
    for (const newcomer of this.#all) {
      this.#all.delete(newcomer)
      newcomer.stayed()
    }
  }
}
