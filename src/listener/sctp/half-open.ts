import type { WireWords } from './packet.ts'
import { isMappedWire } from './wire-address.ts'

const BUCKETS = 4096

/** Counts associations that are not set up yet, in all and by where they come from, so that nobody fills the table with INITs.
 *  Sources are counted in buckets, an IPv6 source by its /64: two that share one are served a little less under attack. */
export class HalfOpen {
  readonly #most: number
  readonly #mostOfSource: number
  readonly #seed: number
  readonly #buckets = new Uint16Array(BUCKETS)
  #count = 0

  /** `seed` keeps an attacker from choosing whose bucket it shares. */
  constructor(most: number, mostOfSource: number, seed: number) {
    this.#most = most
    this.#mostOfSource = mostOfSource
    this.#seed = seed | 0
  }

  get count(): number {
    return this.#count
  }

  /** Whether there is room for one more from the source at `at`. */
  hasRoom(words: WireWords, at: number): boolean {
    return this.#count < this.#most && (this.#buckets[this.#bucket(words, at)] as number) < this.#mostOfSource
  }

  begun(words: WireWords, at: number): void {
    this.#count++
    const bucket = this.#bucket(words, at)
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1
  }

  /** It is set up, or over. */
  settled(words: WireWords, at: number): void {
    this.#count--
    const bucket = this.#bucket(words, at)
    this.#buckets[bucket] = (this.#buckets[bucket] as number) - 1
  }

  #bucket(words: WireWords, at: number): number {
    const mapped = isMappedWire(words, at)
    const high = (mapped ? words[at + 2] : words[at]) as number
    const low = (mapped ? words[at + 3] : words[at + 1]) as number
    const mixed = Math.imul(Math.imul(this.#seed ^ high, 0x9e3779b1) ^ low, 0x85ebca6b)
    return (mixed ^ (mixed >>> 15)) & (BUCKETS - 1)
  }
}
