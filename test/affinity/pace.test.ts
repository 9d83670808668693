import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { latestTicks, NO_TOKEN, Pace, settlePace, ticks } from '../../src/affinity/pace.ts'

const HOUR_MS = 3_600_000

function bucket(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(4))
}

/** How many of so many tries succeed at one moment. */
function takeMany(pace: Pace, buckets: Int32Array<SharedArrayBuffer>, tries: number, nowMs: number): number {
  let taken = 0
  for (let n = 0; n < tries; n++) if (pace.take(buckets, 0, ticks(nowMs)) === 0) taken++
  return taken
}

describe('a pace', () => {
  it('lets a burst through, and then what the rate allows', () => {
    const pace = new Pace({ count: 10, perMs: 1000, burst: 5 })
    const buckets = bucket()
    expect(takeMany(pace, buckets, 20, 1000)).toBe(5)
    expect(takeMany(pace, buckets, 20, 1099)).toBe(0)
    expect(takeMany(pace, buckets, 20, 1100)).toBe(1)
    expect(takeMany(pace, buckets, 20, 1350)).toBe(2)
    expect(takeMany(pace, buckets, 20, 100_000)).toBe(5)
  })

  it('is a bucket of tokens, at any time of the clock', () => {
    const steps = fc.array(fc.record({ waitMs: fc.nat({ max: 700 }), tries: fc.nat({ max: 8 }) }), { maxLength: 60 })
    // Times around the points at which the word wraps, and some where a thread's clock may begin.
    const starts = fc.constantFrom(0, 1, 2 ** 21 - 500, 2 ** 21 + 3, 2 ** 22 - 200, 2 ** 31 - 300, 1e10, 12_345.678)
    fc.assert(
      fc.property(steps, starts, fc.integer({ min: 1, max: 20 }), (list, startMs, burst) => {
        const pace = new Pace({ count: 10, perMs: 1000, burst })
        const buckets = bucket()
        // In hundredths, so that the reference is exact: a token comes every 100 ms.
        let hundredths = burst * 100
        let nowMs = Math.floor(startMs)
        for (const { waitMs, tries } of list) {
          nowMs += waitMs
          hundredths = Math.min(burst * 100, hundredths + waitMs)
          const expected = Math.min(tries, Math.floor(hundredths / 100))
          expect(takeMany(pace, buckets, tries, nowMs)).toBe(expected)
          hundredths -= expected * 100
        }
      }),
      { numRuns: 300 },
    )
  })

  it('keeps any rate to within three in a hundred', () => {
    const rates = fc.record({
      count: fc.integer({ min: 1, max: 100_000 }),
      perMs: fc.constantFrom(1000, 60_000),
      burst: fc.integer({ min: 1, max: 50 }),
    })
    fc.assert(
      fc.property(rates, (rate) => {
        fc.pre((rate.burst * rate.perMs) / rate.count <= 900_000)
        const pace = new Pace(rate)
        const buckets = bucket()
        takeMany(pace, buckets, rate.burst, 500)
        const tokenMs = rate.perMs / rate.count
        expect(pace.take(buckets, 0, ticks(500 + tokenMs * 0.95 - 0.002))).toBe(NO_TOKEN)
        expect(pace.take(buckets, 0, ticks(500 + tokenMs * 1.03 + 0.002))).toBe(0)
      }),
    )
  })

  it('promises tokens to those who wait, each its own', () => {
    const pace = new Pace({ count: 10, perMs: 1000, burst: 2 })
    const buckets = bucket()
    const waits = Array.from({ length: 8 }, () => pace.take(buckets, 0, ticks(1000), 450))
    expect(waits).toEqual([0, 0, 100, 200, 300, 400, NO_TOKEN, NO_TOKEN])
    expect(pace.take(buckets, 0, ticks(1200), 250)).toBe(NO_TOKEN)
    expect(pace.take(buckets, 0, ticks(1200), 300)).toBe(300)
    expect(pace.take(buckets, 0, ticks(1600))).toBe(0)
  })

  it('goes by the latest moment of all threads, whenever that is', () => {
    for (const startMs of [0, 1000, 2 ** 22 - 30_000, 2 ** 22, 2 ** 21 - 5, 1e9]) {
      const words = bucket()
      expect(latestTicks(words, 0, startMs)).toBe(ticks(startMs))
      expect(latestTicks(words, 0, startMs + 500)).toBe(ticks(startMs + 500))
      expect(latestTicks(words, 0, startMs + 400)).toBe(ticks(startMs + 500))
      settlePace(words, 0, startMs + 60_000)
      expect(latestTicks(words, 0, startMs + 2 ** 22 - 5_000)).toBe(ticks(startMs + 2 ** 22 - 5_000))
    }
  })

  it('gives nothing away to a thread whose clock is behind', () => {
    const pace = new Pace({ count: 1, perMs: 1000, burst: 10 })
    const buckets = bucket()
    expect(takeMany(pace, buckets, 20, 50_000)).toBe(10)
    expect(takeMany(pace, buckets, 20, 30_000)).toBe(0)
    expect(takeMany(pace, buckets, 20, 51_000)).toBe(1)
  })

  it('is full after any time, as long as that is noted now and then', () => {
    const pace = new Pace({ count: 1, perMs: 60_000, burst: 15 })
    for (let hours = 1; hours <= 30; hours++) {
      const buckets = bucket()
      takeMany(pace, buckets, 15, 1000)
      expect(settlePace(buckets, 0, 2000)).toBe(false)
      for (let nowMs = 61_000; nowMs < hours * HOUR_MS; nowMs += 60_000) settlePace(buckets, 0, nowMs)
      expect(settlePace(buckets, 0, hours * HOUR_MS)).toBe(true)
      expect(takeMany(pace, buckets, 20, hours * HOUR_MS)).toBe(15)
    }
  })
})
