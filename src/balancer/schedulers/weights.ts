import type { RouteEndpoint } from '../../model/delta.ts'
import { type EndpointWord, endpointWord, IN_MAINTENANCE, RAMP_STEPS, WHOLE_SHARE } from '../../model/shared-layout.ts'
import { panics } from '../panic.ts'
import type { PickerState } from '../picker.ts'

/** What a weight, and the parts of it that slow start has given so far, mean to a scheduler. 0: not to be picked. */
export type WeightRule = (weight: number, ramp: number) => number

/** In proportion to its weight. */
export const BY_WEIGHT: WeightRule = (weight, ramp) => weight * ramp
/** All the same, once they have started. */
export const ALIKE: WeightRule = (weight, ramp) => (weight > 0 ? ramp : 0)
/** In proportion to its weight, at once: where a client must not move just because time passes. */
export const WITHOUT_RAMP: WeightRule = (weight) => weight
/** All the same, at once. */
export const ALIKE_WITHOUT_RAMP: WeightRule = (weight) => (weight > 0 ? 1 : 0)

/** What the endpoints of a list weigh now: what the objects say, and what lies over it in the ledger. */
export class Weights {
  /** By position. Plain numbers, so that products of weights and loads are exact. */
  readonly values: Float64Array
  /** The slot of each position. */
  readonly slots: Int32Array
  readonly #endpoints: readonly RouteEndpoint[]
  readonly #rule: WeightRule
  readonly #words: Int32Array
  readonly #versions: Int32Array
  readonly #serviceSlot: number
  readonly #list: readonly RouteEndpoint[]
  readonly #panicPercent: number
  #version: number

  constructor(endpoints: readonly RouteEndpoint[], state: PickerState, rule: WeightRule) {
    const { ledger, serviceSlot, list, panicPercent } = state
    this.values = new Float64Array(endpoints.length)
    this.slots = Int32Array.from(endpoints, ({ slot }) => slot)
    this.#endpoints = endpoints
    this.#rule = rule
    this.#words = ledger.endpointWords
    this.#versions = ledger.weightVersions
    this.#serviceSlot = serviceSlot
    this.#list = list
    this.#panicPercent = panicPercent
    this.#version = Atomics.load(this.#versions, serviceSlot)
    this.#read()
  }

  /** Sees what changed; true where anything did. Costs one look at a word where nothing did. */
  refresh(): boolean {
    // A plain look is cheaper by a third of what a pick of rr costs; what it misses now, it sees a moment later.
    if (this.#versions[this.#serviceSlot] === this.#version) return false
    this.#version = Atomics.load(this.#versions, this.#serviceSlot)
    return this.#read()
  }

  #read(): boolean {
    let changed = false
    let out = false
    let shared = false
    for (const { slot } of this.#endpoints) {
      out ||= this.#word(slot, 'health') !== 0
      shared ||= this.#word(slot, 'share') !== 0
    }
    if (out) out = !panics(this.#list, this.#words, this.#panicPercent)
    for (const [position, { slot, weight }] of this.#endpoints.entries()) {
      const override = this.#word(slot, 'override')
      const ramp = this.#word(slot, 'ramp') || RAMP_STEPS
      const own = override === IN_MAINTENANCE ? 0 : override > 0 ? override - 1 : weight
      const inForce = out && this.#word(slot, 'health') !== 0 ? 0 : own
      // Whole numbers, and those of the objects wherever no agent has spoken.
      const value = this.#rule(shared ? inForce * this.#share(slot) : inForce, ramp)
      if (value === this.values[position]) continue
      this.values[position] = value
      changed = true
    }
    return changed
  }

  #share(slot: number): number {
    const said = this.#word(slot, 'share')
    return said === 0 ? WHOLE_SHARE : said - 1
  }

  #word(slot: number, word: EndpointWord): number {
    return Atomics.load(this.#words, endpointWord(slot, word))
  }
}
