import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RAMP_STEPS } from '../../src/model/shared-layout.ts'
import { aClient, endpointsWeighing, PickerWorld, picks, refusedBy } from '../support/picker-world.ts'
import { racingPicks } from './racing-picks.ts'
import { describeScheduler } from './scheduler.cases.ts'

describeScheduler('wrr', { weighted: true })

const letters = (positions: readonly number[]) => positions.map((position) => 'ABCDEF'[position] ?? '-').join('')
const sequence = (weights: readonly number[], count: number, word = 0) =>
  letters(picks(new PickerWorld({ word }).picker('wrr', endpointsWeighing(...weights)), count))

/** ip_vs_wrr_schedule of Linux, word by word. */
function* ipvs(weights: readonly number[]): Generator<number> {
  const divisor = weights.reduce((a, b) => {
    while (b > 0) [a, b] = [b, a % b]
    return a
  })
  const most = Math.max(...weights) - (divisor - 1)
  let level = 0
  for (;;) {
    level -= divisor
    if (level <= 0) level = most
    for (const [position, weight] of weights.entries()) if (weight >= level) yield position
  }
}

describe('weighted round robin', () => {
  it.each([
    [[4, 3, 2], 'AABABCABCAABABCABC'],
    [[1, 1, 1], 'ABCABC'],
    [[5, 1, 1], 'AAAAABCAAAAABC'],
    [[2, 4], 'BABBAB'],
    [[3, 0, 1], 'AAACAAAC'],
    [[10, 20, 30], 'CBCABCCBCABC'],
  ])('with weights %j gives %s', (weights, wanted) => {
    expect(sequence(weights, wanted.length)).toBe(wanted)
  })

  it('gives what IPVS gives', () => {
    const weights = fc
      .array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 6 })
      .filter((some) => some.some((w) => w > 0))
    fc.assert(
      fc.property(weights, (some) => {
        const reference = ipvs(some)
        const wanted = Array.from({ length: 60 }, () => reference.next().value as number)
        expect(sequence(some, 60)).toBe(letters(wanted))
      }),
    )
  })

  it('gives every round exactly the weights, whatever the word was', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (word) => {
        const world = new PickerWorld({ word })
        const picker = world.picker('wrr', endpointsWeighing(7, 1, 4, 2))
        picks(picker, 14)
        const counts = [0, 0, 0, 0]
        for (const position of picks(picker, 28)) counts[position] = (counts[position] as number) + 1
        expect(counts).toEqual([14, 2, 8, 4])
      }),
    )
  })

  it('goes on with the others of the level when an endpoint of it was tried', () => {
    const endpoints = endpointsWeighing(2, 2, 1)
    const picker = new PickerWorld().picker('wrr', endpoints)
    expect(picker.pick(aClient(), refusedBy(endpoints[0]))).toBe(1)
    expect(letters(picks(picker, 5))).toBe('ABCAB')
  })

  it('goes down to the level of those who are left when all above were tried', () => {
    const endpoints = endpointsWeighing(60_000, 2, 1)
    const picker = new PickerWorld().picker('wrr', endpoints)
    expect(picker.pick(aClient(), refusedBy(endpoints[0]))).toBe(1)
    expect(picker.pick(aClient(), refusedBy(endpoints[0], endpoints[1]))).toBe(2)
  })

  it('shares by weight even where weights have more levels than fit', () => {
    const picked = picks(new PickerWorld().picker('wrr', endpointsWeighing(65_535, 32_768, 1)), 98_304)
    const counts = [0, 1, 2].map((position) => picked.filter((pick) => pick === position).length)
    expect(counts[0]).toBeCloseTo(65_535, -2)
    expect(counts[1]).toBeCloseTo(32_768, -2)
    expect(counts[2]).toBeGreaterThan(0)
  })

  it('gives an endpoint that starts the part of its weight that it has', () => {
    const world = new PickerWorld()
    const endpoints = endpointsWeighing(2, 2)
    const picker = world.picker('wrr', endpoints)
    world.lay(endpoints[1] as (typeof endpoints)[0], 'ramp', RAMP_STEPS / 4)
    const picked = picks(picker, 500)
    expect(picked.filter((pick) => pick === 1)).toHaveLength(100)
  })

  it('stays exact over two threads that share the word', { timeout: 30_000 }, async () => {
    expect(await racingPicks('wrr', endpointsWeighing(3, 2, 1), 60_000)).toEqual([60_000, 40_000, 20_000])
  })
})
