import type { ClientAddress } from '../../model/session.ts'

/** The finisher of MurmurHash3 (public domain): every bit of the input moves every bit of the result. 32 bits, as
 *  a signed number: no other is cheap to hand on. The same everywhere and at any time: where clients go depends on it. */
export function mix(value: number): number {
  let hash = value | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

/** The hash of a client's address; its port does not count. */
export function hashAddress({ word0, word1, word2, word3 }: ClientAddress): number {
  return mix(mix(mix(mix(word0 + 0x9e3779b9) + word1) + word2) + word3)
}

/** The n-th hash in place of another, for a client that could not be served by what the first one led to. */
export function hashAgain(hash: number, n: number): number {
  return n === 0 ? hash : mix(hash + Math.imul(n, 0x9e3779b9))
}

/** The hash of a text (FNV-1a, mixed), one for each seed. */
export function hashText(text: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed
  for (let n = 0; n < text.length; n++) hash = Math.imul(hash ^ text.charCodeAt(n), 0x01000193)
  return mix(hash)
}
