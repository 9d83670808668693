/** Chance as the program sees it. Injected, so that tests script it. */
export interface Random {
  /** A whole number from 0 up to, not including, `below` (at most 2^32). */
  below(below: number): number
}

/** Chance that nobody needs to repeat. */
export const systemRandom: Random = {
  below: (below) => Math.floor(Math.random() * below),
}

/** The same numbers for the same seed, for tests and fuzzing (mulberry32, public domain). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return {
    below(below) {
      state = (state + 0x6d2b79f5) >>> 0
      let mixed = Math.imul(state ^ (state >>> 15), state | 1)
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
      return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * below)
    },
  }
}
