import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SchedulerName } from '../../src/model/service.ts'
import { RAMP_STEPS } from '../../src/model/shared-layout.ts'
import { aClient, endpointsWeighing, PickerWorld, picks, refusedBy, someEndpoints } from '../support/picker-world.ts'
import { racingPicks } from './racing-picks.ts'
import { describeScheduler } from './scheduler.cases.ts'

describeScheduler('lc', { weighted: false })
describeScheduler('wlc', { weighted: true })
describeScheduler('sed', { weighted: true })
describeScheduler('nq', { weighted: true })

/** Where the next sessions go, when some run already and all of them stay. */
function fill(scheduler: SchedulerName, weights: readonly number[], running: readonly number[], count: number): string {
  const world = new PickerWorld()
  const endpoints = endpointsWeighing(...weights)
  for (const [n, endpoint] of endpoints.entries()) world.count(endpoint, running[n] ?? 0)
  return world
    .fill(world.picker(scheduler, endpoints), endpoints, count)
    .map((position) => 'ABCDEF'[position])
    .join('')
}

describe('least connections', () => {
  it.each([
    [[1, 1, 1], [], 'ABCABC'],
    [[1, 1, 1], [5, 3, 5], 'BBCAB'],
    [[1, 9, 1], [0, 0, 0], 'ABCABC'],
    [[1, 0, 1], [4, 0, 2], 'CCACA'],
  ])('with weights %j and sessions %j goes %s', (weights, running, wanted) => {
    expect(fill('lc', weights, running, wanted.length)).toBe(wanted)
  })

  it('takes equals in turn, so that short sessions spread as well', () => {
    expect(picks(new PickerWorld().picker('lc', someEndpoints(4)), 6)).toEqual([0, 1, 2, 3, 0, 1])
  })

  it('takes an endpoint that starts for as many times as loaded as it lacks weight', () => {
    const world = new PickerWorld()
    const endpoints = someEndpoints(2)
    const [old, young] = endpoints as [(typeof endpoints)[0], (typeof endpoints)[0]]
    world.count(old, 40)
    world.lay(young, 'ramp', RAMP_STEPS / 4)
    const picker = world.picker('lc', endpoints)
    world.fill(picker, endpoints, 10)
    expect(world.active(endpoints)).toEqual([40, 10])
    world.fill(picker, endpoints, 10)
    expect(world.active(endpoints)).toEqual([48, 12])
  })
})

describe('weighted least connections', () => {
  it.each([
    [[1, 2], [], 'ABBABB'],
    [[3, 1], [3, 0], 'BA'],
    [[10, 1], [8, 1], 'AAB'],
  ])('with weights %j and sessions %j goes %s', (weights, running, wanted) => {
    expect(fill('wlc', weights, running, wanted.length)).toBe(wanted)
  })
})

describe('shortest expected delay', () => {
  it.each([
    // (0+1)/1 against (0+1)/3, (1+1)/3, (2+1)/3.
    [[1, 3], [], 'BBAB'],
    [[3, 1], [], 'AA'],
    [[2, 1], [1, 0], 'AB'],
  ])('with weights %j and sessions %j goes %s', (weights, running, wanted) => {
    expect(fill('sed', weights, running, wanted.length)).toBe(wanted)
  })

  it('leaves a slow endpoint idle while a fast one is expected to be done before', () => {
    expect(fill('sed', [1, 5], [0, 0], 4)).toBe('BBBB')
  })
})

describe('never queue', () => {
  it('gives every idle endpoint a session first, however slow, and goes on as sed', () => {
    expect(fill('nq', [1, 5, 1], [], 3)).toBe('ABC')
    expect(fill('nq', [1, 5, 1], [1, 1, 1], 3)).toBe('BBB')
    expect(fill('nq', [1, 5], [0, 3], 2)).toBe('AB')
  })

  it('does not take an idle endpoint that was tried', () => {
    const world = new PickerWorld()
    const endpoints = endpointsWeighing(1, 5, 1)
    for (const endpoint of endpoints.slice(1)) world.count(endpoint, 2)
    expect(world.picker('nq', endpoints).pick(aClient(), refusedBy(endpoints[0]))).toBe(1)
  })
})

describe.each(['lc', 'wlc', 'sed', 'nq'] as const)('scheduler %s', (scheduler) => {
  it('never picks an endpoint while another is better by what it compares', () => {
    const some = fc.array(fc.tuple(fc.nat(20), fc.nat(50)), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(some, fc.nat(100), (given, word) => {
        const endpoints = endpointsWeighing(...given.map(([weight]) => weight))
        const world = new PickerWorld({ word })
        for (const [n, endpoint] of endpoints.entries()) world.count(endpoint, given[n]?.[1] ?? 0)
        const position = world.picker(scheduler, endpoints).pick(aClient(), [])
        const cost = ([weight, active]: readonly [number, number]) => {
          if (scheduler === 'lc') return active
          if (scheduler === 'nq' && active === 0) return 0
          return (active + (scheduler === 'wlc' ? 0 : 1)) / weight
        }
        const costs = given.filter(([weight]) => weight > 0).map(cost)
        if (costs.length === 0) expect(position).toBe(-1)
        else expect(cost(given[position] as [number, number])).toBe(Math.min(...costs))
      }),
    )
  })

  it('finds the best of a long list, whatever begins and ends meanwhile', () => {
    const step = fc.tuple(fc.nat(1_000), fc.constantFrom(-1, 1, 3), fc.boolean())
    fc.assert(
      fc.property(
        fc.integer({ min: 64, max: 150 }),
        fc.array(step, { minLength: 5, maxLength: 30 }),
        fc.nat(),
        (count, steps, word) => {
          // Some slots far apart, and not in the order of the list.
          const weights = Array.from({ length: count }, (_, n) => (n * 7) % 5)
          const endpoints = endpointsWeighing(...weights).map((endpoint, n) => ({
            ...endpoint,
            slot: ((n * 37) % count) * (1 + (n % 3)),
          }))
          const slots = new Set(endpoints.map(({ slot }) => slot))
          const list = endpoints.filter(({ slot }) => slots.delete(slot))
          const world = new PickerWorld({ word })
          for (const [n, endpoint] of list.entries()) world.count(endpoint, n % 4)
          const picker = world.picker(scheduler, list)
          const costOf = ({ weight }: (typeof list)[number], active: number) => {
            if (scheduler === 'lc') return active
            if (scheduler === 'nq' && active === 0) return 0
            return (active + (scheduler === 'wlc' ? 0 : 1)) / weight
          }
          for (const [n, change, stays] of steps) {
            const one = list[n % list.length] as (typeof list)[number]
            if ((world.active([one])[0] as number) + change >= 0) world.count(one, change)
            const costs = world.active(list).map((active, position) => {
              const endpoint = list[position] as (typeof list)[number]
              return endpoint.weight === 0 ? Number.POSITIVE_INFINITY : costOf(endpoint, active)
            })
            const position = picker.pick(aClient(), [])
            expect(costs[position]).toBe(Math.min(...costs))
            if (stays) world.count(list[position] as (typeof list)[number])
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  it('takes equals of a long list in turn', () => {
    const endpoints = someEndpoints(200)
    const picker = new PickerWorld({ word: 150 }).picker(scheduler, endpoints)
    expect(picks(picker, 200)).toEqual(endpoints.map((_, n) => (150 + n) % 200))
  })

  it('counts sessions of every thread', () => {
    const world = new PickerWorld({ rows: 3 })
    const endpoints = someEndpoints(3)
    const [a, b] = endpoints as [(typeof endpoints)[0], (typeof endpoints)[0]]
    const picker = world.picker(scheduler, endpoints, 1)
    world.count(a, 2, 0)
    world.count(b, 2, 2)
    expect(world.fill(picker, endpoints, 2, 1)).toEqual([2, 2])
    world.count(a, -2, 0)
    expect(world.fill(picker, endpoints, 2, 1)).toEqual([0, 0])
  })

  it('sees other threads’ sessions of a long list within a millisecond, its own at once', () => {
    const world = new PickerWorld({ rows: 2 })
    const endpoints = someEndpoints(300)
    for (const endpoint of endpoints) world.count(endpoint, 5)
    const [a, b, c] = endpoints as [(typeof endpoints)[0], (typeof endpoints)[0], (typeof endpoints)[0]]
    world.count(a, -2)
    world.count(b, -1)
    const picker = world.picker(scheduler, endpoints)
    expect(picker.pick(aClient(), [])).toBe(0)
    world.count(a, 9, 1)
    world.count(c, -1)
    expect(picker.pick(aClient(), [])).toBe(0)
    world.nowMs += 1
    expect([1, 2]).toContain(picker.pick(aClient(), []))
    world.count(a, -9, 1)
    world.count(a, 2)
    expect([1, 2]).toContain(picker.pick(aClient(), []))
  })

  it('keeps even in two threads at once', { timeout: 30_000 }, async () => {
    const counts = await racingPicks(scheduler, someEndpoints(4), 4_000, true)
    for (const count of counts) expect(Math.abs(count - 2_000)).toBeLessThanOrEqual(2)
  })
})
