import type { Tried } from '../../model/session.ts'
import { wasTried } from '../picker.ts'
import type { Weights } from './weights.ts'

/** Draws after which a scheduler by chance or by hash looks for any endpoint that is left. */
export const MOST_DRAWS = 8

/** The first position from `start` on, and round, that has weight and was not tried; -1 where there is none. */
export function nextUntried({ values, slots }: Weights, start: number, tried: readonly Tried[]): number {
  let position = start
  do {
    if ((values[position] as number) > 0 && !wasTried(tried, slots[position] as number)) return position
    position = position + 1 === values.length ? 0 : position + 1
  } while (position !== start)
  return -1
}
