import type { Random } from '../../src/lib/random.ts'

/** Gives these numbers, one a call, each cut down to what was asked for; then only 0. */
export function scriptedRandom(...numbers: number[]): Random {
  return { below: (below) => (numbers.shift() ?? 0) % below }
}
