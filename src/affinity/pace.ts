import type { Rate } from '../model/client-limits.ts'

/** A word counts time in these; it wraps after 69 minutes, twice as long as is ever looked at. */
const TICKS_PER_MS = 1024
/** How far behind another thread's a thread's time may be. A bucket that lacks more than a whole one by more than this is
 *  what is left of an age ago. */
const SLACK_TICKS = 60_000 * TICKS_PER_MS

/** There is no token. */
export const NO_TOKEN = -1

/** A moment as {@link Pace.take} wants it. */
export function ticks(nowMs: number): number {
  return Math.floor(nowMs * TICKS_PER_MS) | 0
}

/** The latest moment that any thread has seen, this one's own time included; it is kept in `words[at]`, 0 for none. Threads read their clocks
 *  once a turn: to one that is behind, a bucket would lack what has come in since, and a burst would be cut short. */
export function latestTicks(words: Int32Array<SharedArrayBuffer>, at: number, nowMs: number): number {
  const now = ticks(nowMs)
  for (;;) {
    const latest = Atomics.load(words, at)
    const aheadBy = (latest - now) | 0
    if (latest !== 0 && aheadBy >= 0 && aheadBy < SLACK_TICKS) return latest
    if (Atomics.compareExchange(words, at, latest, now) === latest) return now
  }
}

/** Takes tokens out of buckets that fill up again at a rate. A bucket is one word, shared by all threads: the moment at which it is
 *  full again, or 0 for one that is full (the generic cell rate algorithm, ITU-T I.371). Each token is taken by one
 *  compare-and-swap, so there are never more than `burst` and what came since, however many threads take them. */
export class Pace {
  /** How long an empty bucket takes to be full. */
  readonly fillMs: number
  readonly #interval: number
  readonly #window: number

  constructor({ count, perMs, burst }: Rate) {
    this.#interval = Math.max(1, Math.round((perMs * TICKS_PER_MS) / count))
    this.#window = this.#interval * burst
    this.fillMs = this.#window / TICKS_PER_MS
  }

  /** Takes, at the moment `now` in {@link ticks}, a token out of the bucket at `at`, or one that will be there within `patienceMs`, at most a minute: how long
   *  that is from now, 0 for one that is there already, or {@link NO_TOKEN}. */
  take(buckets: Int32Array<SharedArrayBuffer>, at: number, now: number, patienceMs = 0): number {
    for (;;) {
      const full = Atomics.load(buckets, at)
      const missing = missingTicks(full, now, this.#window)
      const wait = missing + this.#interval - this.#window
      if (wait > patienceMs * TICKS_PER_MS) return NO_TOKEN
      // 0 would say that it is full: a tick earlier is as good.
      const next = (now + missing + this.#interval) | 0 || -1
      if (Atomics.compareExchange(buckets, at, full, next) === full) return wait > 0 ? wait / TICKS_PER_MS : 0
    }
  }
}

function missingTicks(full: number, now: number, window: number): number {
  if (full === 0) return 0
  const missing = (full - now) | 0
  return missing < 0 || missing > window + SLACK_TICKS ? 0 : missing
}

/** Notes of a bucket that it is full, if it is, or forgets the latest moment of long ago: before the word wraps and seems to lack something. To be done every few
 *  minutes. Returns whether it is. */
export function settlePace(buckets: Int32Array<SharedArrayBuffer>, at: number, nowMs: number): boolean {
  const full = Atomics.load(buckets, at)
  if (full === 0) return true
  if (((full - ticks(nowMs)) | 0) > 0) return false
  return Atomics.compareExchange(buckets, at, full, 0) === full
}
