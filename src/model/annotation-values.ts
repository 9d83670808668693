import { parseDuration } from '../lib/duration.ts'

/** Node's timers keep no longer ones. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1
export const A_DURATION = 'a duration from 1ms to 596h, such as'

/** Milliseconds; undefined where it is not {@link A_DURATION}. */
export function parseTimeout(text: string): number | undefined {
  const ms = parseDuration(text)
  return ms !== undefined && ms >= 1 && ms <= LONGEST_TIMEOUT_MS ? ms : undefined
}

/** A whole number from 1 to `most`. */
export function parseCount(text: string, most: number): number | undefined {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0
  return count >= 1 && count <= most ? count : undefined
}
