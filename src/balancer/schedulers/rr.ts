import type { RouteEndpoint } from '../../model/delta.ts'
import type { Picker, PickerState } from '../picker.ts'
import { wasTried } from '../picker.ts'
import { ALIKE_WITHOUT_RAMP, Weights } from './weights.ts'

/** Round robin over the list's order, endpoints without weight left out. Exact across all threads that share the rotation
 *  word: every pick moves the word past the endpoint it took, with one compare-and-swap. */
export function roundRobin(endpoints: readonly RouteEndpoint[], state: PickerState): Picker {
  const { rotation } = state
  const { rotations } = state.ledger
  const weights = new Weights(endpoints, state, ALIKE_WITHOUT_RAMP)
  const { values, slots } = weights
  const { length } = endpoints
  return {
    pick(_client, tried) {
      if (length === 0) return -1
      weights.refresh()
      for (;;) {
        const word = Atomics.load(rotations, rotation)
        const start = (word >>> 0) % length
        let position = start
        while (values[position] === 0 || (tried.length > 0 && wasTried(tried, slots[position] as number))) {
          position = position + 1 === length ? 0 : position + 1
          if (position === start) return -1
        }
        const next = position + 1 === length ? 0 : position + 1
        if (Atomics.compareExchange(rotations, rotation, word, next) === word) return position
      }
    },
  }
}
