import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { continueRotation } from '../../src/balancer/rotation.ts'
import { aClient, endpointsWeighing, PickerWorld, picks, ROTATION, refusedBy, someEndpoints } from '../support/picker-world.ts'
import { racingPicks } from './racing-picks.ts'
import { describeScheduler } from './scheduler.cases.ts'

describeScheduler('rr', { weighted: false })

const roundRobin = (endpoints: ReturnType<typeof someEndpoints>, word = 0) => new PickerWorld({ word }).picker('rr', endpoints)

describe('round robin', () => {
  // Case 8.
  it('goes through the list in order and begins again', () => {
    expect(picks(roundRobin(someEndpoints(3)), 7)).toEqual([0, 1, 2, 0, 1, 2, 0])
  })

  it('begins where the word says, however large it is', () => {
    const max = 2 ** 31 - 1
    expect(picks(roundRobin(someEndpoints(3), max), 4)).toEqual([max % 3, (max + 1) % 3, (max + 2) % 3, max % 3])
    expect(picks(roundRobin(someEndpoints(3), -1), 2)).toEqual([(2 ** 32 - 1) % 3, 2 ** 32 % 3])
  })

  it('gives exact thirds', () => {
    const picked = picks(roundRobin(someEndpoints(3), 98_765), 999)
    for (const position of [0, 1, 2]) expect(picked.filter((pick) => pick === position)).toHaveLength(333)
  })

  it('shares its place with every picker over the same word', () => {
    const endpoints = someEndpoints(3)
    const world = new PickerWorld()
    const one = world.picker('rr', endpoints)
    const other = world.picker('rr', endpoints)
    expect([one, other, other, one].map((picker) => picker.pick(aClient(), []))).toEqual([0, 1, 2, 0])
  })

  it('goes on behind the endpoint that a retry took', () => {
    const endpoints = someEndpoints(4)
    const picker = roundRobin(endpoints)
    expect(picker.pick(aClient(), refusedBy(endpoints[0], endpoints[1]))).toBe(2)
    expect(picks(picker, 3)).toEqual([3, 0, 1])
  })

  it('keeps its place when a retry finds nothing', () => {
    const endpoints = someEndpoints(2)
    const picker = roundRobin(endpoints, 1)
    expect(picker.pick(aClient(), refusedBy(...endpoints))).toBe(-1)
    expect(picks(picker, 2)).toEqual([1, 0])
  })

  it('passes over endpoints without weight', () => {
    expect(picks(roundRobin(endpointsWeighing(0, 1, 0, 1, 0)), 4)).toEqual([1, 3, 1, 3])
  })

  it('has a place of its own for backups', () => {
    const endpoints = someEndpoints(4).map((endpoint, n) => ({ ...endpoint, backup: n > 1 }))
    const picker = roundRobin(endpoints)
    const tried = refusedBy(endpoints[0], endpoints[1])
    expect(picks(picker, 3)).toEqual([0, 1, 0])
    expect([1, 2, 3].map(() => picker.pick(aClient(), tried))).toEqual([2, 3, 2])
    expect(picks(picker, 2)).toEqual([1, 0])
  })

  it('stays exact over two threads that share the word', { timeout: 30_000 }, async () => {
    expect(await racingPicks('rr', someEndpoints(3), 150_000)).toEqual([100_000, 100_000, 100_000])
  })
})

describe('a rotation whose list changes', () => {
  const [a, b, c, d] = someEndpoints(4)
  const list = (...endpoints: (typeof a)[]) => endpoints.filter((endpoint) => endpoint !== undefined)

  it('goes on at the endpoint that was next', () => {
    expect(continueRotation('rr', 1, list(a, c, d), list(a, b, c, d))).toBe(2)
    expect(continueRotation('rr', 2, list(a, b, c), list(b, c))).toBe(1)
  })

  it('goes on at the one behind, where the next one left', () => {
    expect(continueRotation('rr', 1, list(a, b, d), list(a, c, d))).toBe(1)
    expect(continueRotation('rr', 1, list(a, b, c), list(a, c))).toBe(1)
  })

  it('begins again where the last one was next and left', () => {
    expect(continueRotation('rr', 2, list(a, b, c), list(a, b))).toBe(0)
  })

  it('reads a word that was never picked from as a place in the list', () => {
    expect(continueRotation('rr', 3_000_001, list(a, b, c), list(a, b, c))).toBe(3_000_001 % 3)
  })

  it('repeats nobody and passes over nobody who stays', () => {
    const all = someEndpoints(8)
    const subset = fc.subarray(all, { minLength: 1 })
    fc.assert(
      fc.property(subset, subset, fc.nat(1000), (before, after, word) => {
        const nextBefore = before[word % before.length]
        const order = [...before.slice(word % before.length), ...before.slice(0, word % before.length)]
        const position = continueRotation('rr', word, before, after)
        const goesOn = [...after.slice(position), ...after.slice(0, position)]
        const staying = (some: typeof all) => some.filter((endpoint) => before.includes(endpoint) && after.includes(endpoint))
        expect(position).toBeLessThan(after.length)
        expect(staying(goesOn)).toEqual(staying(order))
        if (nextBefore && after.includes(nextBefore)) expect(after[position]).toBe(nextBefore)
      }),
    )
  })

  it('by weight stays at its level', () => {
    const weights = [3, 3, 1]
    const world = new PickerWorld()
    const before = endpointsWeighing(...weights)
    expect(picks(world.picker('wrr', before), 3)).toEqual([0, 1, 0])
    const after = before.slice(1)
    world.views.rotations[ROTATION] = continueRotation('wrr', world.views.rotations[ROTATION] as number, before, after)
    // Level 2 and then 1 of what is left.
    expect(picks(world.picker('wrr', after), 6)).toEqual([0, 0, 1, 0, 0, 0])
  })
})
