import type { RouteEndpoint } from '../model/delta.ts'
import { endpointWord, IN_MAINTENANCE } from '../model/shared-layout.ts'

/** Whether health counts for nothing in a list: none of its endpoints is up, or less than `percent` in a hundred. Those that
 *  take no new sessions anyway are left out of account. */
export function panics(endpoints: readonly RouteEndpoint[], words: Int32Array, percent: number): boolean {
  let takers = 0
  let up = 0
  for (const { slot, weight } of endpoints) {
    const override = Atomics.load(words, endpointWord(slot, 'override'))
    if (override === IN_MAINTENANCE || (override > 0 ? override - 1 : weight) === 0) continue
    takers++
    if (Atomics.load(words, endpointWord(slot, 'health')) === 0) up++
  }
  return up === 0 || up * 100 < takers * percent
}
