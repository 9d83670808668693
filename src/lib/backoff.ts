import type { Random } from './random.ts'

/** How long to wait before each next try. */
export interface Backoff {
  /** The next delay in milliseconds, from 0 up to a ceiling that doubles with every call. */
  next(): number
  /** Begins again with the first ceiling: call it after a success. */
  reset(): void
}

export interface BackoffOptions {
  /** The ceiling of the first delay. */
  readonly firstMs: number
  /** No delay is longer than this. */
  readonly longestMs: number
  readonly random: Random
}

/** Exponential back-off with full jitter: many waiters that failed together do not come back together. */
export function createBackoff({ firstMs, longestMs, random }: BackoffOptions): Backoff {
  let ceilingMs = Math.min(firstMs, longestMs)
  return {
    next() {
      const delayMs = random.below(Math.floor(ceilingMs) + 1)
      ceilingMs = Math.min(ceilingMs * 2, longestMs)
      return delayMs
    },
    reset() {
      ceilingMs = Math.min(firstMs, longestMs)
    },
  }
}
