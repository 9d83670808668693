import type { RouteEndpoint } from '../model/delta.ts'

/** Where a rotation goes on when its list changes: at the endpoint that was next, or at the one that now stands in its
 *  place. Both lists are in key order. `word` is the rotation word as it stands. */
export function continueRotation(word: number, before: readonly RouteEndpoint[], after: readonly RouteEndpoint[]): number {
  const next = before[(word >>> 0) % before.length]
  if (!next) return word
  const position = after.findIndex((endpoint) => endpoint.key >= next.key)
  return Math.max(position, 0)
}
