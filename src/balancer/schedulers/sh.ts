import { fillClientAddress } from '../../model/address.ts'
import type { RouteEndpoint } from '../../model/delta.ts'
import type { ClientAddress, Tried } from '../../model/session.ts'
import { type Picker, type PickerState, wasTried } from '../picker.ts'
import { hashAddress, hashAgain } from './hashing.ts'
import { MOST_DRAWS, nextUntried } from './next-untried.ts'
import { Shares } from './shares.ts'
import { Weights, WITHOUT_RAMP } from './weights.ts'

/** Source hashing: a client's address says its endpoint, in proportion to weights, as long as the list and the weights
 *  stand. A change may move any client. */
export function sourceHashing(endpoints: readonly RouteEndpoint[], state: PickerState): Picker {
  return new HashedShares(endpoints, state, undefined)
}

/** Destination hashing: the address that clients come to says the endpoint, the same one for all of them. */
export function destinationHashing(endpoints: readonly RouteEndpoint[], state: PickerState): Picker {
  const words = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  fillClientAddress(state.ip, 0, words)
  return new HashedShares(endpoints, state, hashAddress(words))
}

class HashedShares implements Picker {
  readonly #weights: Weights
  readonly #shares: Shares
  /** Of the destination; undefined: the client's own counts. */
  readonly #hash: number | undefined

  constructor(endpoints: readonly RouteEndpoint[], state: PickerState, hash: number | undefined) {
    this.#weights = new Weights(endpoints, state, WITHOUT_RAMP)
    this.#shares = new Shares(endpoints.length)
    this.#shares.lay(this.#weights.values)
    this.#hash = hash
  }

  pick(client: ClientAddress, tried: readonly Tried[]): number {
    if (this.#weights.refresh()) this.#shares.lay(this.#weights.values)
    if (this.#shares.takers === 0) return -1
    const hash = this.#hash ?? hashAddress(client)
    const { slots } = this.#weights
    let position = 0
    for (let draw = 0; draw < MOST_DRAWS; draw++) {
      position = this.#shares.at(hashAgain(hash, draw) >>> 2)
      if (!wasTried(tried, slots[position] as number)) return position
    }
    return nextUntried(this.#weights, position, tried)
  }
}
