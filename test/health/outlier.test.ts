import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Ejections, mayEject } from '../../src/health/outlier.ts'

const RULE = { after: 5, baseMs: 10_000, mostPercent: 50 }

/** Ejects at this moment, and lets it come back when it may; returns for how long it was out. */
function out(ejections: Ejections, atMs: number, jitter = 0): number {
  ejections.eject(atMs, RULE, jitter)
  const untilMs = ejections.untilMs as number
  ejections.end(untilMs)
  return untilMs - atMs
}

describe('an ejection', () => {
  it('is longer each time, up to five minutes', () => {
    const ejections = new Ejections()
    let atMs = 0
    const lengths = Array.from({ length: 32 }, () => {
      const length = out(ejections, atMs)
      atMs += length + 1
      return length
    })
    expect(lengths.slice(0, 4)).toEqual([10_000, 20_000, 30_000, 40_000])
    expect(lengths.slice(28)).toEqual([290_000, 300_000, 300_000, 300_000])
  })

  it('is forgotten by an endpoint that stays in for as long as it was out', () => {
    const ejections = new Ejections()
    expect([out(ejections, 0), out(ejections, 10_000), out(ejections, 30_000)]).toEqual([10_000, 20_000, 30_000])
    // Back at 60 s; 30 s forgive the third, 20 s more the second.
    expect(out(ejections, 60_000 + 30_000 + 20_000)).toBe(20_000)
    expect(out(ejections, 10_000_000)).toBe(10_000)
  })

  it('is up to a tenth longer by chance', () => {
    expect(out(new Ejections(), 0, 1)).toBeCloseTo(11_000)
    expect(out(new Ejections(), 0, 0.5)).toBeCloseTo(10_500)
  })

  it('is over when it is over', () => {
    const ejections = new Ejections()
    expect(ejections.untilMs).toBeUndefined()
    ejections.eject(0, RULE, 0)
    expect(ejections.untilMs).toBe(10_000)
    ejections.end(3_000)
    expect(ejections.untilMs).toBeUndefined()
  })

  it('never brings more than the share out', () => {
    expect([
      mayEject(0, 1, RULE),
      mayEject(0, 2, RULE),
      mayEject(1, 2, RULE),
      mayEject(0, 3, RULE),
      mayEject(1, 3, RULE),
    ]).toEqual([false, true, false, true, false])
    fc.assert(
      fc.property(fc.nat(200), fc.integer({ min: 0, max: 100 }), (total, mostPercent) => {
        let gone = 0
        while (mayEject(gone, total, { ...RULE, mostPercent })) gone++
        expect(gone * 100).toBeLessThanOrEqual(total * mostPercent)
        expect((gone + 1) * 100).toBeGreaterThan(total * mostPercent)
      }),
    )
  })
})
