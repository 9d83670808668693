import { describe, expect, it } from 'vitest'
import { createBackoff } from '../../src/lib/backoff.ts'
import { seededRandom } from '../../src/lib/random.ts'

describe('backoff', () => {
  it('doubles its ceiling up to the longest delay', () => {
    const highest = { below: (below: number) => below - 1 }
    const backoff = createBackoff({ firstMs: 100, longestMs: 500, random: highest })
    expect([1, 2, 3, 4, 5].map(() => backoff.next())).toEqual([100, 200, 400, 500, 500])
  })

  it('begins again after a reset', () => {
    const highest = { below: (below: number) => below - 1 }
    const backoff = createBackoff({ firstMs: 100, longestMs: 500, random: highest })
    backoff.next()
    backoff.next()
    backoff.reset()
    expect(backoff.next()).toBe(100)
  })

  it('spreads delays over the whole range below the ceiling', () => {
    const random = seededRandom(7)
    const delays = Array.from({ length: 1000 }, () => createBackoff({ firstMs: 100, longestMs: 500, random }).next())
    expect(Math.min(...delays)).toBeLessThan(5)
    expect(Math.max(...delays)).toBe(100)
  })

  it('never starts above the longest delay', () => {
    const highest = { below: (below: number) => below - 1 }
    expect(createBackoff({ firstMs: 1000, longestMs: 10, random: highest }).next()).toBe(10)
  })
})
