import type { Random } from '../../lib/random.ts'
import type { RouteEndpoint } from '../../model/delta.ts'
import type { ClientAddress, Tried } from '../../model/session.ts'
import { type Picker, type PickerState, wasTried } from '../picker.ts'
import { Loads } from './loads.ts'
import { MOST_DRAWS, nextUntried } from './next-untried.ts'
import { PARTS, Shares } from './shares.ts'
import { BY_WEIGHT, Weights } from './weights.ts'

/** Any endpoint, with a chance in proportion to its weight. */
export function random(endpoints: readonly RouteEndpoint[], state: PickerState): Picker {
  return new Drawn(endpoints, state, undefined)
}

/** The power of two choices: of two endpoints drawn by weight the one with fewer sessions over its weight. Nearly as even
 *  as looking at all of them, at the cost of looking at two. */
export function powerOfTwoChoices(endpoints: readonly RouteEndpoint[], state: PickerState): Picker {
  const slots = Int32Array.from(endpoints, ({ slot }) => slot)
  return new Drawn(endpoints, state, new Loads(slots, state))
}

class Drawn implements Picker {
  readonly #weights: Weights
  readonly #shares: Shares
  readonly #random: Random
  /** Undefined: the first one drawn is taken. */
  readonly #loads: Loads | undefined

  constructor(endpoints: readonly RouteEndpoint[], state: PickerState, loads: Loads | undefined) {
    this.#weights = new Weights(endpoints, state, BY_WEIGHT)
    this.#shares = new Shares(endpoints.length)
    this.#shares.lay(this.#weights.values)
    this.#random = state.random
    this.#loads = loads
  }

  pick(_client: ClientAddress, tried: readonly Tried[]): number {
    if (this.#weights.refresh()) this.#shares.lay(this.#weights.values)
    const { takers } = this.#shares
    if (takers === 0) return -1
    const first = this.#draw(tried)
    const loads = this.#loads
    if (loads === undefined || first < 0 || takers === 1) return first
    const { values, slots } = this.#weights
    const second = this.#shares.atWithout(this.#random.below(PARTS), first)
    if (tried.length > 0 && wasTried(tried, slots[second] as number)) return first
    return loads.at(second) * (values[first] as number) < loads.at(first) * (values[second] as number) ? second : first
  }

  #draw(tried: readonly Tried[]): number {
    const { slots } = this.#weights
    let position = 0
    for (let draw = 0; draw < MOST_DRAWS; draw++) {
      position = this.#shares.at(this.#random.below(PARTS))
      if (tried.length === 0 || !wasTried(tried, slots[position] as number)) return position
    }
    return nextUntried(this.#weights, position, tried)
  }
}
