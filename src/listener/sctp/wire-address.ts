import type { ClientAddress } from '../../model/session.ts'
import type { WireWords } from './packet.ts'

/** The third word of an IPv4 address mapped into IPv6, as it stands in a packet. */
export const MAPPED_WORD = swap(0xffff)

/** Turns a word of a packet into the number that it means, or back. Both processors that we run on are little-endian. */
function swap(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)
}

/** Whether four words from `at` on are an IPv4 address. */
export function isMappedWire(words: WireWords, at: number): boolean {
  return words[at] === 0 && words[at + 1] === 0 && words[at + 2] === MAPPED_WORD
}

/** Whether two addresses are the same. */
export function sameWire(a: WireWords, atA: number, b: WireWords, atB: number): boolean {
  return a[atA + 3] === b[atB + 3] && a[atA + 2] === b[atB + 2] && a[atA + 1] === b[atB + 1] && a[atA] === b[atB]
}

/** Copies four words. */
export function copyWire(from: WireWords, at: number, to: WireWords, toAt: number): void {
  to[toAt] = from[at] as number
  to[toAt + 1] = from[at + 1] as number
  to[toAt + 2] = from[at + 2] as number
  to[toAt + 3] = from[at + 3] as number
}

export function toWire(address: Readonly<ClientAddress>, to: WireWords, at: number): void {
  to[at] = swap(address.word0)
  to[at + 1] = swap(address.word1)
  to[at + 2] = swap(address.word2)
  to[at + 3] = swap(address.word3)
}

export function fromWire(words: WireWords, at: number, port: number, into: ClientAddress): void {
  into.word0 = swap(words[at] as number) >>> 0
  into.word1 = swap(words[at + 1] as number) >>> 0
  into.word2 = swap(words[at + 2] as number) >>> 0
  into.word3 = swap(words[at + 3] as number) >>> 0
  into.port = port
}
