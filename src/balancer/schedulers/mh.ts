import type { RouteEndpoint } from '../../model/delta.ts'
import type { ClientAddress, Tried } from '../../model/session.ts'
import { type Picker, type PickerState, wasTried } from '../picker.ts'
import { hashAddress, hashAgain } from './hashing.ts'
import { type MaglevTable, maglevTable, slotOf } from './maglev-table.ts'
import { MOST_DRAWS, nextUntried } from './next-untried.ts'
import { Weights, WITHOUT_RAMP } from './weights.ts'

/** Maglev hashing: a client's address says its endpoint, in proportion to weights; the same in every thread, process and
 *  machine that has the same endpoints, and where one leaves or joins, hardly any client of the others moves. */
export function maglevHashing(endpoints: readonly RouteEndpoint[], state: PickerState): Picker {
  return new Maglev(endpoints, state)
}

class Maglev implements Picker {
  readonly #names: readonly string[]
  readonly #weights: Weights
  /** Built for the first client that comes, not for lists that nobody uses. */
  #table: MaglevTable | undefined

  constructor(endpoints: readonly RouteEndpoint[], state: PickerState) {
    this.#names = endpoints.map(({ key }) => key)
    this.#weights = new Weights(endpoints, state, WITHOUT_RAMP)
  }

  pick(client: ClientAddress, tried: readonly Tried[]): number {
    if (this.#weights.refresh()) this.#table = undefined
    const table = this.#table ?? this.#build()
    if (table === undefined) return -1
    const hash = hashAddress(client)
    const { slots } = this.#weights
    let position = 0
    for (let draw = 0; draw < MOST_DRAWS; draw++) {
      position = table[slotOf(hashAgain(hash, draw))] as number
      if (tried.length === 0 || !wasTried(tried, slots[position] as number)) return position
    }
    return nextUntried(this.#weights, position, tried)
  }

  #build(): MaglevTable | undefined {
    const { values } = this.#weights
    this.#table = values.some((value) => value > 0) ? maglevTable(this.#names, values) : undefined
    return this.#table
  }
}
