import { parseDuration } from '../lib/duration.ts'

/** Node's timers keep no longer ones. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1
/** What {@link parseTimeout} takes; an example follows. */
export const A_DURATION = 'a duration from 1ms to 596h, such as'

/** Milliseconds; undefined where it is no duration, or none that a timer keeps. */
export function parseTimeout(text: string): number | undefined {
  const ms = parseDuration(text)
  return ms !== undefined && ms >= 1 && ms <= LONGEST_TIMEOUT_MS ? ms : undefined
}
