import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Picker, PickerState } from '../../src/balancer/picker.ts'
import { schedulerNamed } from '../../src/balancer/schedulers/registry.ts'
import type { RouteEndpoint } from '../../src/model/delta.ts'
import type { SchedulerName } from '../../src/model/service.ts'
import type { ClientAddress, Tried } from '../../src/model/session.ts'

/** 10.x.y.z and some port. */
export function aClient(n = 1, port = 40_000): ClientAddress {
  return { word0: 0, word1: 0, word2: 0xffff, word3: 0x0a000000 + n, port }
}

/** Endpoints 10.1.0.1, 10.1.0.2, …, in slots that have nothing to do with their positions; one weight each. */
export function endpointsWeighing(...weights: number[]): RouteEndpoint[] {
  return weights.map((weight, n) => ({
    slot: 100 - 3 * n,
    key: `10.1.0.${n + 1}:80/TCP` as RouteEndpoint['key'],
    address: { ip: `10.1.0.${n + 1}`, port: 80 } as RouteEndpoint['address'],
    weight,
  }))
}

/** `count` endpoints of the same weight. */
export function someEndpoints(count: number): RouteEndpoint[] {
  return endpointsWeighing(...Array.from({ length: count }, () => 1))
}

export function stateAt(word: number): PickerState {
  const rotations = new Int32Array(new SharedArrayBuffer(16))
  rotations[1] = word
  return { rotations, rotation: 1 }
}

export function refusedBy(...endpoints: (RouteEndpoint | undefined)[]): Tried[] {
  return endpoints.map((endpoint) => ({ lease: endpoint?.slot ?? -1, end: 'connect-refused' }))
}

/** The positions of `count` picks by different clients. */
export function picks(picker: Picker, count: number): number[] {
  return Array.from({ length: count }, (_, n) => picker.pick(aClient(n), []))
}

export interface SchedulerTraits {
  /** Whether shares follow weights; else every endpoint with weight gets the same. */
  readonly weighted: boolean
}

/** What every scheduler promises, whatever its way of choosing. */
export function describeScheduler(name: SchedulerName, traits: SchedulerTraits): void {
  const build = schedulerNamed(name)
  const anyWord = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })

  describe(`scheduler ${name}, as all of them`, () => {
    it('picks an endpoint of the list that has weight and was not tried, as long as there is one', () => {
      const weights = fc.array(fc.constantFrom(0, 1, 1, 5), { maxLength: 6 })
      const triedPositions = fc.array(fc.nat(5), { maxLength: 6 })
      fc.assert(
        fc.property(weights, triedPositions, anyWord, fc.nat(1000), (weightsGiven, positions, word, client) => {
          const endpoints = endpointsWeighing(...weightsGiven)
          const tried = refusedBy(...positions.map((position) => endpoints[position]))
          const left = endpoints.filter(({ weight }, position) => weight > 0 && !positions.includes(position))
          const position = build(endpoints, stateAt(word)).pick(aClient(client), tried)
          if (left.length === 0) expect(position).toBe(-1)
          else expect(left).toContain(endpoints[position])
        }),
      )
    })

    it('picks nothing from an empty list', () => {
      const state = stateAt(7)
      expect(build([], state).pick(aClient(), [])).toBe(-1)
      expect(picks(build(someEndpoints(3), state), 3).sort()).toEqual([0, 1, 2])
    })

    // Case 7.
    it('gives a single endpoint everything', () => {
      expect(picks(build(someEndpoints(1), stateAt(12_345)), 4)).toEqual([0, 0, 0, 0])
    })

    it('gives endpoints their shares', () => {
      const weights = [1, 3, 2]
      const picked = picks(build(endpointsWeighing(...weights), stateAt(0)), 6_000)
      for (const [position, weight] of weights.entries()) {
        const share = traits.weighted ? weight / 6 : 1 / 3
        const got = picked.filter((pick) => pick === position).length / picked.length
        expect(Math.abs(got - share)).toBeLessThan(0.05)
      }
    })

    it('starves nobody when it is rebuilt between any two picks', () => {
      const state = stateAt(0)
      const picked = new Set(Array.from({ length: 300 }, (_, n) => build(someEndpoints(3), state).pick(aClient(n), [])))
      expect([...picked].sort()).toEqual([0, 1, 2])
    })
  })
}
