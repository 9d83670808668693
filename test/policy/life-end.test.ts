import { describe, expect, it } from 'vitest'
import { lifeEndMs } from '../../src/listener/life-end.ts'

const HOUR_MS = 3_600_000
/** What the first numbers of the third worker's second life look like. */
const FIRST_ID = 2 * 2 ** 47 + 2 ** 40

describe('the end of a session’s life', () => {
  it('is never where the Service says nothing', () => {
    expect(lifeEndMs(7, 1000, undefined)).toBe(Number.POSITIVE_INFINITY)
  })

  it('is at its limit after it began, or up to a tenth earlier, and always the same', () => {
    for (let id = FIRST_ID; id < FIRST_ID + 1000; id++) {
      const end = lifeEndMs(id, 5000, HOUR_MS)
      expect(end).toBeLessThanOrEqual(5000 + HOUR_MS)
      expect(end).toBeGreaterThanOrEqual(5000 + 0.9 * HOUR_MS)
      expect(lifeEndMs(id, 5000, HOUR_MS)).toBe(end)
    }
  })

  it('is spread evenly over that tenth among sessions that began together, few or many', () => {
    for (const [count, parts] of [
      [20, 10],
      [10_000, 1_000],
    ] as const) {
      const perPart = new Array<number>(parts).fill(0)
      for (let n = 0; n < count; n++) {
        const early = 1 - lifeEndMs(FIRST_ID + n, 0, 1)
        const part = Math.min(parts - 1, Math.floor(early * 10 * parts))
        perPart[part] = (perPart[part] as number) + 1
      }
      expect(Math.min(...perPart)).toBeGreaterThanOrEqual(1)
      expect(Math.max(...perPart)).toBeLessThanOrEqual((2 * count) / parts)
    }
  })
})
