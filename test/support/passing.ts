import type { ManualClock } from '../../src/lib/clock.ts'
import { settle } from './settle.ts'

/** Lets time pass for what waits on a clock and on promises by turns, as the one leads to the other. */
export function passing(clock: ManualClock, stepMs = 1): (byMs: number) => Promise<void> {
  return async (byMs) => {
    await settle()
    for (let passedMs = 0; passedMs < byMs; passedMs += stepMs) {
      clock.advance(Math.min(stepMs, byMs - passedMs))
      await settle()
    }
  }
}
