import { describe, expect, it } from 'vitest'
import type { Random } from '../../src/lib/random.ts'
import { aClient, endpointsWeighing, PickerWorld, picks, refusedBy, someEndpoints } from '../support/picker-world.ts'
import { racingPicks } from './racing-picks.ts'
import { describeScheduler } from './scheduler.cases.ts'

describeScheduler('random', { weighted: true })
describeScheduler('p2c', { weighted: true })

/** Draws these points of the line from 0 to 1, one after the other and again. */
function pointsAt(...points: number[]): Random {
  let n = 0
  return { below: (below) => Math.floor((points[n++ % points.length] as number) * below) }
}

describe('random', () => {
  it('takes whoever has the point that was drawn', () => {
    const world = new PickerWorld({ random: pointsAt(0, 0.24, 0.26, 0.74, 0.76, 0.99) })
    expect(picks(world.picker('random', endpointsWeighing(1, 0, 2, 1)), 6)).toEqual([0, 0, 2, 2, 3, 3])
  })

  it('draws again for an endpoint that was tried, and takes the next one where that does not help', () => {
    const endpoints = someEndpoints(4)
    const once = new PickerWorld({ random: pointsAt(0.1, 0.9) })
    expect(once.picker('random', endpoints).pick(aClient(), refusedBy(endpoints[0]))).toBe(3)
    const always = new PickerWorld({ random: pointsAt(0.1) })
    expect(always.picker('random', endpoints).pick(aClient(), refusedBy(endpoints[0], endpoints[1]))).toBe(2)
  })
})

describe('the power of two choices', () => {
  it('takes the less loaded of the two that were drawn, the first of equals', () => {
    const endpoints = someEndpoints(4)
    // The second one is drawn from those that are left: 0.5 of three is position 1, or 2 behind the first.
    const world = new PickerWorld({ random: pointsAt(0.9, 0.5, 0.1, 0.5) })
    const picker = world.picker('p2c', endpoints)
    world.count(endpoints[3] as (typeof endpoints)[0], 2)
    expect([picker.pick(aClient(), []), picker.pick(aClient(), [])]).toEqual([1, 0])
    world.count(endpoints[0] as (typeof endpoints)[0], 1)
    expect([picker.pick(aClient(), []), picker.pick(aClient(), [])]).toEqual([1, 2])
  })

  it('compares by weight', () => {
    const endpoints = endpointsWeighing(1, 4)
    const world = new PickerWorld({ random: pointsAt(0.1, 0.5) })
    const [a, b] = endpoints as [(typeof endpoints)[0], (typeof endpoints)[0]]
    world.count(a, 1)
    world.count(b, 3)
    const picker = world.picker('p2c', endpoints)
    expect(picker.pick(aClient(), [])).toBe(1)
    world.count(b, 2)
    expect(picker.pick(aClient(), [])).toBe(0)
  })

  it('keeps much closer together than chance does', () => {
    const spread = (scheduler: 'p2c' | 'random') => {
      const world = new PickerWorld()
      const endpoints = someEndpoints(100)
      world.fill(world.picker(scheduler, endpoints), endpoints, 10_000)
      const counts = world.active(endpoints)
      return Math.max(...counts) - Math.min(...counts)
    }
    expect(spread('p2c')).toBeLessThanOrEqual(8)
    expect(spread('random')).toBeGreaterThan(25)
  })

  it('counts sessions of every thread', { timeout: 30_000 }, async () => {
    const counts = await racingPicks('p2c', someEndpoints(10), 5_000, true)
    for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(20)
  })
})
