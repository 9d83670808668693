/** Odd, and near 2³² divided by the golden ratio: numbers that follow each other come out far apart, and evenly spread. */
const GOLDEN = 0x9e3779b1
/** The part of its life that a session may be short of. */
const JITTER = 0.1

/** When a session must be over, on the clock that `startedMs` is of: its Service's limit after it began, or up to a tenth of that
 *  earlier, by its number, so that sessions that began together do not all come back together. Infinity: never. */
export function lifeEndMs(id: number, startedMs: number, maxSessionMs: number | undefined): number {
  if (maxSessionMs === undefined) return Number.POSITIVE_INFINITY
  const share = (Math.imul(id, GOLDEN) >>> 0) / 2 ** 32
  return startedMs + maxSessionMs * (1 - JITTER * share)
}
