import { readFileSync, statSync } from 'node:fs'
import type { Clock } from '../../lib/clock.ts'
import { messageOf, ProxyError } from '../../lib/errors.ts'

export interface ReloadedFilesOptions<T> {
  readonly paths: readonly string[]
  /** Makes what they mean of their texts, in the order of the paths; throws where they mean nothing. */
  readonly parse: (texts: readonly Buffer[]) => T
  readonly clock: Clock
  /** Told when they have changed and cannot be used; what they said before stays. */
  readonly onFailure: (reason: string) => void
}

/** How often they are looked at, at most. */
const LOOK_EVERY_MS = 1000
const MOST_BYTES = 1024 * 1024

/** Small files that mean something together, looked at again when they are used and changed since. There is nothing to
 *  dispose. Those that cannot be read, or do not fit together yet, leave what they said before. */
export class ReloadedFiles<T> {
  readonly #options: ReloadedFilesOptions<T>
  #value: T
  #seen: string
  #failure = ''
  #lookedMs: number
  #generation = 0

  /** @throws ProxyError E_ADMIN when they cannot be used now. */
  constructor(options: ReloadedFilesOptions<T>) {
    this.#options = options
    this.#lookedMs = options.clock.now()
    try {
      this.#seen = this.#identity()
      this.#value = this.#read()
    } catch (error) {
      throw new ProxyError('E_ADMIN', 'config', `${options.paths.join(', ')}: ${messageOf(error)}`, error)
    }
  }

  /** What they say now. */
  get value(): T {
    this.#look()
    return this.#value
  }

  /** Another number after every change that was taken over. */
  get generation(): number {
    this.#look()
    return this.#generation
  }

  #look(): void {
    const nowMs = this.#options.clock.now()
    if (nowMs - this.#lookedMs < LOOK_EVERY_MS) return
    this.#lookedMs = nowMs
    try {
      const seen = this.#identity()
      if (seen === this.#seen) return
      this.#value = this.#read()
      this.#seen = seen
      this.#generation++
      this.#failure = ''
    } catch (error) {
      const failure = messageOf(error)
      if (failure !== this.#failure) this.#options.onFailure(failure)
      this.#failure = failure
    }
  }

  #identity(): string {
    return this.#options.paths
      .map((path) => {
        const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
        if (size > MOST_BYTES) throw new ProxyError('E_ADMIN', 'config', 'is larger than 1 MiB: name another file')
        return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
      })
      .join()
  }

  #read(): T {
    return this.#options.parse(this.#options.paths.map((path) => readFileSync(path)))
  }
}
