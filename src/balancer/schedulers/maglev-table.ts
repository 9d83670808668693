import { hashText } from './hashing.ts'

/** Slots of a table: a prime, so that every step leads through all of them. */
export const MAGLEV_SLOTS = 65_537
const OFFSET_SEED = 0
const SKIP_SEED = 0x5bd1e995
const END = -1

/** Positions of endpoints, as narrow as their number allows. */
export type MaglevTable = Uint8Array | Uint16Array | Uint32Array

/** Maglev hashing (Eisenbud and others, NSDI 2016): every endpoint goes through the slots in an order of its own, which its
 *  name gives, and takes the first free one whenever it is its turn. Who weighs half as much has half the turns. So the
 *  table depends on nothing but names and weights, shares differ by less than one slot between equals, and where an
 *  endpoint leaves, few slots of others change hands. Some weight must be above 0. */
export function maglevTable(names: readonly string[], weights: Float64Array): MaglevTable {
  const table = tableFor(names.length)
  const free = new Uint8Array(MAGLEV_SLOTS).fill(1)
  const takers = Int32Array.from(weights.keys()).filter((position) => (weights[position] as number) > 0)
  const next = Int32Array.from(takers, (taker) => slotOf(hashText(names[taker] as string, OFFSET_SEED)))
  const skips = Int32Array.from(takers, (taker) => ((hashText(names[taker] as string, SKIP_SEED) >>> 0) % (MAGLEV_SLOTS - 1)) + 1)
  const greatest = weights.reduce((most, weight) => Math.max(most, weight), 0)
  const turns = new Int32Array(takers.length)
  // Whose turn it is in each round, as chains: with one great weight and many small ones most rounds are nearly empty.
  const first = new Int32Array(MAGLEV_SLOTS + 1).fill(END)
  const last = new Int32Array(MAGLEV_SLOTS + 1)
  const link = Int32Array.from(takers, (_, n) => (n + 1 < takers.length ? n + 1 : END))
  first[1] = 0
  let left = MAGLEV_SLOTS
  for (let round = 1; ; round++) {
    for (let n = first[round] as number; n !== END; ) {
      const following = link[n] as number
      const taker = takers[n] as number
      const taken = (turns[n] as number) + 1
      turns[n] = taken
      const due = Math.max(round + 1, Math.ceil((taken * greatest) / (weights[taker] as number)) + 1)
      if (due <= MAGLEV_SLOTS) {
        link[n] = END
        if (first[due] === END) first[due] = n
        else link[last[due] as number] = n
        last[due] = n
      }
      let slot = next[n] as number
      const skip = skips[n] as number
      while (free[slot] === 0) {
        slot += skip
        if (slot >= MAGLEV_SLOTS) slot -= MAGLEV_SLOTS
      }
      free[slot] = 0
      table[slot] = taker
      next[n] = slot
      if (--left === 0) return table
      n = following
    }
  }
}

/** The slot of a table that a hash says. */
export function slotOf(hash: number): number {
  return (hash >>> 0) % MAGLEV_SLOTS
}

function tableFor(endpoints: number): MaglevTable {
  if (endpoints <= 2 ** 8) return new Uint8Array(MAGLEV_SLOTS)
  return endpoints <= 2 ** 16 ? new Uint16Array(MAGLEV_SLOTS) : new Uint32Array(MAGLEV_SLOTS)
}
