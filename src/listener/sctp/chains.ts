const NONE = -1

/** Numbered things in hash buckets: finding, adding and removing take no memory. */
export class Chains {
  readonly #heads: Int32Array
  readonly #next: Int32Array
  readonly #mask: number

  /** For things numbered below `capacity`; each is in it at most once. */
  constructor(capacity: number) {
    const buckets = 2 ** Math.ceil(Math.log2(Math.max(capacity, 2)))
    this.#heads = new Int32Array(buckets).fill(NONE)
    this.#next = new Int32Array(capacity)
    this.#mask = buckets - 1
  }

  /** The first thing that may have this hash, or -1. */
  first(hash: number): number {
    return this.#heads[hash & this.#mask] as number
  }

  /** The one after it, or -1. */
  next(index: number): number {
    return this.#next[index] as number
  }

  add(hash: number, index: number): void {
    const bucket = hash & this.#mask
    this.#next[index] = this.#heads[bucket] as number
    this.#heads[bucket] = index
  }

  /** Takes out what was added with this hash. */
  remove(hash: number, index: number): void {
    const bucket = hash & this.#mask
    if (this.#heads[bucket] === index) {
      this.#heads[bucket] = this.#next[index] as number
      return
    }
    for (let at = this.#heads[bucket] as number; at !== NONE; at = this.#next[at] as number) {
      if (this.#next[at] !== index) continue
      this.#next[at] = this.#next[index] as number
      return
    }
  }
}
