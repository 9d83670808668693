import type { RouteEndpoint } from '../../model/delta.ts'
import type { ClientAddress, Tried } from '../../model/session.ts'
import type { Picker, PickerState } from '../picker.ts'
import { wasTried } from '../picker.ts'
import { MOST_LEVELS, TURN_POSITIONS, turnWord } from '../rotation.ts'
import { BY_WEIGHT, Weights } from './weights.ts'

/** IPVS's weighted round robin: the list is gone through at the level of the greatest weight, then one level below, and so
 *  on down to the first; each time those endpoints are taken that weigh as much as the level. Weights 4, 3 and 2 give
 *  A AB ABC ABC. A level is the greatest common divisor of the weights.
 *
 *  Level and position stand in one word, so the sequence is exact across all threads that share it. */
export function weightedRoundRobin(endpoints: readonly RouteEndpoint[], state: PickerState): Picker {
  return new WeightedRotation(endpoints, state)
}

class WeightedRotation implements Picker {
  readonly #weights: Weights
  readonly #rotations: Int32Array
  readonly #rotation: number
  /** Levels that each endpoint takes part in. */
  readonly #turns: Int32Array
  #levels = 0

  constructor(endpoints: readonly RouteEndpoint[], state: PickerState) {
    this.#weights = new Weights(endpoints, state, BY_WEIGHT)
    this.#rotations = state.ledger.rotations
    this.#rotation = state.rotation
    this.#turns = new Int32Array(endpoints.length)
    this.#measure()
  }

  pick(_client: ClientAddress, tried: readonly Tried[]): number {
    if (this.#weights.refresh()) this.#measure()
    const levels = this.#levels
    if (levels === 0) return -1
    const turns = this.#turns
    const top = tried.length === 0 ? levels : this.#highest(tried)
    if (top === 0) return -1
    for (;;) {
      const word = Atomics.load(this.#rotations, this.#rotation)
      let position = (word & (TURN_POSITIONS - 1)) % turns.length
      let level = levels - ((((word >>> 0) / TURN_POSITIONS) | 0) % levels)
      // What is left above has all been tried by this session.
      if (level > top) {
        level = top
        position = 0
      }
      while ((turns[position] as number) < level || (tried.length > 0 && this.#isTried(position, tried))) {
        position++
        if (position < turns.length) continue
        position = 0
        level = level === 1 ? top : level - 1
      }
      const last = position + 1 === turns.length
      const nextLevel = last ? (level === 1 ? levels : level - 1) : level
      const next = turnWord(last ? 0 : position + 1, levels - nextLevel)
      if (Atomics.compareExchange(this.#rotations, this.#rotation, word, next) === word) return position
    }
  }

  #isTried(position: number, tried: readonly Tried[]): boolean {
    return wasTried(tried, this.#weights.slots[position] as number)
  }

  /** The highest level that still has an endpoint for this session; 0 where there is none. */
  #highest(tried: readonly Tried[]): number {
    const turns = this.#turns
    let highest = 0
    for (let position = 0; position < turns.length; position++) {
      if ((turns[position] as number) > highest && !this.#isTried(position, tried)) highest = turns[position] as number
    }
    return highest
  }

  #measure(): void {
    const { values } = this.#weights
    let divisor = 0
    let greatest = 0
    for (const value of values) {
      divisor = commonDivisor(divisor, value)
      greatest = Math.max(greatest, value)
    }
    // More levels than the word has room for: weights are that much coarser.
    const step = Math.max(divisor, greatest / MOST_LEVELS)
    for (const [position, value] of values.entries())
      this.#turns[position] = value === 0 ? 0 : Math.max(1, Math.round(value / step))
    this.#levels = greatest === 0 ? 0 : Math.round(greatest / step)
  }
}

function commonDivisor(a: number, b: number): number {
  let [one, other] = [a, b]
  while (other > 0) [one, other] = [other, one % other]
  return one
}
