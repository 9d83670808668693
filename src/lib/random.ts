/** Chance as the program sees it. Injected, so that tests script it. */
export interface Random {
  /** A whole number from 0 up to, not including, `below` (at most 2^32). */
  below(below: number): number
}

/** Chance that nobody needs to repeat. */
export const systemRandom: Random = {
  below: (below) => Math.floor(Math.random() * below),
}

/** The same numbers for the same seed (mulberry32, public domain): for tests and fuzzing, and for who asks very often, as a
 *  call takes no memory, which `Math.random` does. Not for secrets. */
export function seededRandom(seed: number): Random {
  const word = Int32Array.of(seed)
  return {
    below(below) {
      const state = ((word[0] as number) + 0x6d2b79f5) | 0
      word[0] = state
      let mixed = Math.imul(state ^ (state >>> 15), state | 1)
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
      return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * below)
    },
  }
}
