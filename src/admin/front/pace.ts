import type { Clock } from '../../lib/clock.ts'

/** Lets so many things happen a second, and as many at once after a quiet second. */
export interface Pace {
  /** Whether one more may happen now; if so, it counts. */
  take(): boolean
}

/** Makes one that is quiet so far. */
export function createPace(perSecond: number, clock: Clock): Pace {
  let left = perSecond
  let atMs = clock.now()
  return {
    take() {
      const nowMs = clock.now()
      left = Math.min(perSecond, left + ((nowMs - atMs) / 1000) * perSecond)
      atMs = nowMs
      if (left < 1) return false
      left--
      return true
    },
  }
}
