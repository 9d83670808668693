import type { RouteEndpoint } from '../model/delta.ts'
import type { SchedulerName } from '../model/service.ts'

/** The word of a weighted rotation: the next position in its lower bits, the levels gone through in its upper ones. */
export const TURN_POSITIONS = 2 ** 17
/** Levels that fit beside it. */
export const MOST_LEVELS = 2 ** 15

export function turnWord(position: number, level: number): number {
  return (level * TURN_POSITIONS + position) | 0
}

/** Where a rotation goes on when its list changes: at the endpoint that was next, or at the one that now stands in its
 *  place. Both lists are in key order. `word` is the rotation word as it stands. */
export function continueRotation(
  scheduler: SchedulerName,
  word: number,
  before: readonly RouteEndpoint[],
  after: readonly RouteEndpoint[],
): number {
  const weighted = scheduler === 'wrr'
  const place = weighted ? word & (TURN_POSITIONS - 1) : word >>> 0
  const next = before[place % before.length]
  if (!next) return word
  const position = Math.max(
    after.findIndex((endpoint) => endpoint.key >= next.key),
    0,
  )
  return weighted ? turnWord(position, ((word >>> 0) / TURN_POSITIONS) | 0) : position
}
