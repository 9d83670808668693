import type { RouteEndpoint } from '../../model/delta.ts'
import type { Tried } from '../../model/session.ts'
import type { Picker, PickerState } from '../picker.ts'
import { wasTried } from '../picker.ts'

/** Round robin over the list's order, endpoints without weight left out. Exact across all threads that share the rotation
 *  word: every pick moves the word past the endpoint it took, with one compare-and-swap. */
export function roundRobin(endpoints: readonly RouteEndpoint[], { rotations, rotation }: PickerState): Picker {
  return {
    pick(_client, tried) {
      const length = endpoints.length
      if (length === 0) return -1
      for (;;) {
        const word = Atomics.load(rotations, rotation)
        const start = (word >>> 0) % length
        let position = start
        while (isOut(endpoints[position] as RouteEndpoint, tried)) {
          position = position + 1 === length ? 0 : position + 1
          if (position === start) return -1
        }
        const next = position + 1 === length ? 0 : position + 1
        if (Atomics.compareExchange(rotations, rotation, word, next) === word) return position
      }
    },
  }
}

function isOut({ slot, weight }: RouteEndpoint, tried: readonly Tried[]): boolean {
  return weight === 0 || (tried.length > 0 && wasTried(tried, slot))
}
