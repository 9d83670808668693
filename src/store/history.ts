import type { Change } from './store.ts'

interface Remembered {
  readonly change: Change
  readonly bytes: number
}

/** How much is remembered for those who were away. */
export const MOST_CHANGES = 8192
export const MOST_HISTORY_BYTES = 32 * 1024 * 1024

/** The newest changes, as many as are worth their memory. */
export class History {
  #changes: Remembered[] = []
  /** Of the first that is not forgotten, in `#changes`. */
  #first = 0
  #bytes = 0
  #oldestVersion: number

  constructor(oldestVersion: number) {
    this.#oldestVersion = oldestVersion
  }

  /** Changes after this one are known. */
  get oldestVersion(): number {
    return this.#oldestVersion
  }

  add(change: Change, bytes: number): void {
    this.#changes.push({ change, bytes })
    this.#bytes += bytes
    while (this.#changes.length - this.#first > MOST_CHANGES || this.#bytes > MOST_HISTORY_BYTES) {
      const forgotten = this.#changes[this.#first++]
      if (!forgotten) return
      this.#bytes -= forgotten.bytes
      this.#oldestVersion = forgotten.change.resourceVersion
    }
    if (this.#first < MOST_CHANGES) return
    this.#changes = this.#changes.slice(this.#first)
    this.#first = 0
  }

  /** Those after a resourceVersion that is not forgotten, in order. */
  after(version: number): Change[] {
    let from = this.#first
    let to = this.#changes.length
    while (from < to) {
      const middle = (from + to) >> 1
      if ((this.#changes[middle]?.change.resourceVersion ?? 0) <= version) from = middle + 1
      else to = middle
    }
    return this.#changes.slice(from).map(({ change }) => change)
  }
}
