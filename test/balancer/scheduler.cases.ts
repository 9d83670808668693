import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SchedulerName } from '../../src/model/service.ts'
import { DOWN, EJECTED, IN_MAINTENANCE } from '../../src/model/shared-layout.ts'
import { aClient, endpointsWeighing, PickerWorld, picks, refusedBy, someEndpoints } from '../support/picker-world.ts'

export interface SchedulerTraits {
  /** Whether shares follow weights; else every endpoint with weight gets the same. */
  readonly weighted: boolean
  /** Whether the same client comes to the same endpoint as long as nothing changes. */
  readonly hashed?: boolean
  /** Whether it is the address that clients come to which counts, not who they are. */
  readonly byListener?: boolean
}

/** What every scheduler promises, whatever its way of choosing. */
export function describeScheduler(name: SchedulerName, { weighted, hashed = false, byListener = false }: SchedulerTraits): void {
  const anyWord = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
  /** An address that clients come to, one for each of them where only that counts. */
  const listenerOf = (client: number) => (byListener ? `192.0.${client >> 8}.${client & 255}` : '192.0.2.1')

  describe(`scheduler ${name}, as all of them`, () => {
    it('picks an endpoint of the list that has weight and was not tried, as long as there is one', () => {
      const weights = fc.array(fc.constantFrom(0, 1, 1, 5), { maxLength: 6 })
      const triedPositions = fc.array(fc.nat(5), { maxLength: 6 })
      fc.assert(
        fc.property(weights, triedPositions, anyWord, fc.nat(1000), (weightsGiven, positions, word, client) => {
          const endpoints = endpointsWeighing(...weightsGiven)
          const tried = refusedBy(...positions.map((position) => endpoints[position]))
          const left = endpoints.filter(({ weight }, position) => weight > 0 && !positions.includes(position))
          const position = new PickerWorld({ word }).picker(name, endpoints).pick(aClient(client), tried)
          if (left.length === 0) expect(position).toBe(-1)
          else expect(left).toContain(endpoints[position])
        }),
        { numRuns: 300 },
      )
    })

    it('picks nothing from an empty list', () => {
      expect(new PickerWorld({ word: 7 }).picker(name, []).pick(aClient(), [])).toBe(-1)
    })

    // Case 7.
    it('gives a single endpoint everything', () => {
      expect(picks(new PickerWorld({ word: 12_345 }).picker(name, someEndpoints(1)), 4)).toEqual([0, 0, 0, 0])
    })

    it('gives endpoints their shares', () => {
      const weights = [1, 3, 2]
      const endpoints = endpointsWeighing(...weights)
      const world = new PickerWorld()
      const picker = world.picker(name, endpoints)
      for (let client = 0; client < 6_000; client++) {
        const one = byListener ? world.picker(name, endpoints, 0, listenerOf(client)) : picker
        world.count(endpoints[one.pick(aClient(client), [])] as (typeof endpoints)[number])
      }
      for (const [position, count] of world.active(endpoints).entries()) {
        const share = weighted ? (weights[position] as number) / 6 : 1 / 3
        expect(Math.abs(count / 6_000 - share)).toBeLessThan(0.05)
      }
    })

    it('starves nobody when it is rebuilt between any two picks', () => {
      const world = new PickerWorld()
      const endpoints = someEndpoints(3)
      const picked = new Set(
        Array.from({ length: 300 }, (_, n) => world.picker(name, endpoints, 0, listenerOf(n)).pick(aClient(n), [])),
      )
      expect([...picked].sort()).toEqual([0, 1, 2])
    })

    it('heeds a weight set at run time, and one taken back, without being rebuilt', () => {
      const world = new PickerWorld()
      const endpoints = endpointsWeighing(1, 0)
      const [first, second] = endpoints as [(typeof endpoints)[0], (typeof endpoints)[0]]
      const picker = world.picker(name, endpoints)
      expect(picks(picker, 4)).toEqual([0, 0, 0, 0])
      world.lay(first, 'override', 1)
      world.lay(second, 'override', 6)
      expect(picks(picker, 4)).toEqual([1, 1, 1, 1])
      world.lay(second, 'override', 0)
      expect(picks(picker, 2)).toEqual([-1, -1])
      world.lay(first, 'override', 0)
      expect(picks(picker, 2)).toEqual([0, 0])
    })

    it('picks nobody in maintenance', () => {
      const world = new PickerWorld()
      const endpoints = someEndpoints(3)
      const picker = world.picker(name, endpoints)
      world.lay(endpoints[1] as (typeof endpoints)[0], 'override', IN_MAINTENANCE)
      expect(picks(picker, 60)).not.toContain(1)
    })

    it('picks nobody that is out, unless all are or too few are left', () => {
      const world = new PickerWorld({ panicPercent: 50 })
      const endpoints = someEndpoints(4)
      const picker = world.picker(name, endpoints)
      const out = (n: number, word: number) => world.lay(endpoints[n] as (typeof endpoints)[0], 'health', word)
      out(0, DOWN)
      out(1, EJECTED)
      for (const position of picks(picker, 80)) expect([2, 3]).toContain(position)
      out(2, DOWN | EJECTED)
      if (!byListener) expect(new Set(picks(picker, 400)).size).toBe(4)
      expect(picker.pick(aClient(), [])).toBeGreaterThanOrEqual(0)
      for (const n of [0, 1, 2]) out(n, 0)
      out(3, DOWN)
      expect(picks(picker, 80)).not.toContain(3)
    })

    it('picks backups where all others are out, and all others where backups are out, too', () => {
      const world = new PickerWorld()
      const endpoints = someEndpoints(4).map((endpoint, n) => ({ ...endpoint, backup: n > 1 }))
      const picker = world.picker(name, endpoints)
      for (const n of [0, 1]) world.lay(endpoints[n] as (typeof endpoints)[0], 'health', DOWN)
      for (const position of picks(picker, 40)) expect([2, 3]).toContain(position)
      for (const n of [2, 3]) world.lay(endpoints[n] as (typeof endpoints)[0], 'health', DOWN)
      for (const position of picks(picker, 40)) expect([0, 1]).toContain(position)
    })

    it('picks as agents want', () => {
      const world = new PickerWorld()
      const endpoints = someEndpoints(2)
      const picker = world.picker(name, endpoints)
      world.lay(endpoints[0] as (typeof endpoints)[0], 'share', 1)
      expect(new Set(picks(picker, 20))).toEqual(new Set([1]))
      world.lay(endpoints[0] as (typeof endpoints)[0], 'share', 1 + 25)
      const count = byListener ? 0 : world.fill(picker, endpoints, 1_000).filter((position) => position === 0).length
      if (!byListener) expect(Math.abs(count / 1_000 - (weighted ? 0.2 : 0.5))).toBeLessThan(0.06)
    })

    it('picks backups only where no other endpoint is left', () => {
      const world = new PickerWorld()
      const endpoints = someEndpoints(4).map((endpoint, n) => ({ ...endpoint, backup: n % 2 === 0 }))
      const picker = world.picker(name, endpoints)
      for (const position of picks(picker, 40)) expect([1, 3]).toContain(position)
      const tried = refusedBy(endpoints[1], endpoints[3])
      for (let n = 0; n < 40; n++) expect([0, 2]).toContain(picker.pick(aClient(n), tried))
      expect(picker.pick(aClient(), refusedBy(...endpoints))).toBe(-1)
      for (const n of [1, 3]) world.lay(endpoints[n] as (typeof endpoints)[0], 'override', 1)
      for (const position of picks(picker, 40)) expect([0, 2]).toContain(position)
    })

    if (!hashed) return
    it('gives one client one endpoint, from any port, in any thread, and however it is rebuilt', () => {
      const endpoints = endpointsWeighing(1, 2, 1, 5)
      const one = new PickerWorld({ word: 1 }).picker(name, endpoints)
      const other = new PickerWorld({ word: 2, rows: 2 }).picker(name, endpoints, 1)
      for (let n = 0; n < 200; n++) expect(other.pick(aClient(n, 5), [])).toBe(one.pick(aClient(n), []))
    })

    it('gives one client one second choice', () => {
      const endpoints = someEndpoints(5)
      const picker = new PickerWorld().picker(name, endpoints)
      for (let n = 0; n < 50; n++) {
        const tried = refusedBy(endpoints[picker.pick(aClient(n), [])])
        expect(picker.pick(aClient(n), tried)).toBe(picker.pick(aClient(n), tried))
      }
    })

    it('does not move clients as an endpoint starts slowly', () => {
      const world = new PickerWorld()
      const endpoints = someEndpoints(5)
      const picker = world.picker(name, endpoints)
      const before = picks(picker, 100)
      world.lay(endpoints[2] as (typeof endpoints)[0], 'ramp', 1)
      expect(picks(picker, 100)).toEqual(before)
    })
  })
}
