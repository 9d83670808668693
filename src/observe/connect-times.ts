import { CONNECT_BUCKETS_MS } from '../model/shared-layout.ts'

/** The time within which a part (0 to 1) of connections was made, in milliseconds, taking those of one bucket as evenly
 *  spread; undefined where there is none. What took longer than the last bound counts as that. */
export function connectQuantileMs(buckets: readonly number[], part: number): number | undefined {
  const count = buckets.reduce((sum, value) => sum + value, 0)
  if (count === 0) return undefined
  let below = 0
  for (const [bucket, limitMs] of CONNECT_BUCKETS_MS.entries()) {
    const here = buckets[bucket] ?? 0
    if (here > 0 && below + here >= part * count) {
      const fromMs = CONNECT_BUCKETS_MS[bucket - 1] ?? 0
      return fromMs + ((limitMs - fromMs) * (part * count - below)) / here
    }
    below += here
  }
  return CONNECT_BUCKETS_MS.at(-1)
}
