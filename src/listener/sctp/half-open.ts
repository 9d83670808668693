import type { WireWords } from './packet.ts'
import { isMappedWire } from './wire-address.ts'

const BUCKETS = 4096
const NONE = -1

/** The associations that are not set up yet: how many there are, in all and by where they come from, and which of them is the oldest, so
 *  that nobody fills the table with INITs. Sources are counted in buckets, an IPv6 source by its /64: two that share one are
 *  served a little less under attack. */
export class HalfOpen {
  readonly #most: number
  readonly #mostOfSource: number
  readonly #seed: number
  readonly #buckets = new Uint16Array(BUCKETS)
  readonly #older: Int32Array
  readonly #newer: Int32Array
  #oldest = NONE
  #newest = NONE
  #count = 0

  /** For flows numbered below `capacity`. `seed` keeps an attacker from choosing whose bucket it shares. */
  constructor(capacity: number, most: number, mostOfSource: number, seed: number) {
    this.#most = most
    this.#mostOfSource = mostOfSource
    this.#seed = seed | 0
    this.#older = new Int32Array(capacity)
    this.#newer = new Int32Array(capacity)
  }

  get count(): number {
    return this.#count
  }

  /** The flow that has to make room for the next one, or -1: there is room. */
  get surplus(): number {
    return this.#count < this.#most ? NONE : this.#oldest
  }

  /** Whether the source at `at` may have one more. */
  admits(words: WireWords, at: number): boolean {
    return (this.#buckets[this.#bucket(words, at)] as number) < this.#mostOfSource
  }

  /** A flow has begun, from the source at `at`. */
  begun(flow: number, words: WireWords, at: number): void {
    this.#count++
    const bucket = this.#bucket(words, at)
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1
    this.#older[flow] = this.#newest
    this.#newer[flow] = NONE
    if (this.#newest === NONE) this.#oldest = flow
    else this.#newer[this.#newest] = flow
    this.#newest = flow
  }

  /** It is set up, or over. */
  settled(flow: number, words: WireWords, at: number): void {
    this.#count--
    const bucket = this.#bucket(words, at)
    this.#buckets[bucket] = (this.#buckets[bucket] as number) - 1
    const older = this.#older[flow] as number
    const newer = this.#newer[flow] as number
    if (older === NONE) this.#oldest = newer
    else this.#newer[older] = newer
    if (newer === NONE) this.#newest = older
    else this.#older[newer] = older
  }

  #bucket(words: WireWords, at: number): number {
    const mapped = isMappedWire(words, at)
    const high = (mapped ? words[at + 2] : words[at]) as number
    const low = (mapped ? words[at + 3] : words[at + 1]) as number
    const mixed = Math.imul(Math.imul(this.#seed ^ high, 0x9e3779b1) ^ low, 0x85ebca6b)
    return (mixed ^ (mixed >>> 15)) & (BUCKETS - 1)
  }
}
