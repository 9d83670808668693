import type { EjectionRule } from '../model/health.ts'

/** No ejection is longer than this, unless the first one is. */
const LONGEST_MS = 300_000

/** How often an endpoint was ejected of late, and for how long it is out. Each ejection is longer than the one before by the
 *  time of the first; for as long as an endpoint stayed in after it came back, ejections are forgotten again. */
export class Ejections {
  #times = 0
  #untilMs = Number.NEGATIVE_INFINITY
  #out = false

  /** Until when it stays out; undefined: it is not out. */
  get untilMs(): number | undefined {
    return this.#out ? this.#untilMs : undefined
  }

  /** Begins; `jitter` is from 0 to 1 and makes it up to a tenth longer, so that those ejected together come back apart. */
  eject(nowMs: number, { baseMs }: EjectionRule, jitter: number): void {
    let stayedMs = nowMs - this.#untilMs
    while (this.#times > 0 && stayedMs >= lengthOf(this.#times, baseMs)) {
      stayedMs -= lengthOf(this.#times, baseMs)
      this.#times--
    }
    this.#times++
    this.#untilMs = nowMs + lengthOf(this.#times, baseMs) * (1 + jitter / 10)
    this.#out = true
  }

  /** It is in again. */
  end(nowMs: number): void {
    this.#out = false
    this.#untilMs = nowMs
  }
}

function lengthOf(times: number, baseMs: number): number {
  return Math.min(times * baseMs, Math.max(baseMs, LONGEST_MS))
}

/** Whether one more of `total` endpoints may be ejected when so many are out already, for whatever reason. */
export function mayEject(out: number, total: number, { mostPercent }: EjectionRule): boolean {
  return (out + 1) * 100 <= total * mostPercent
}
