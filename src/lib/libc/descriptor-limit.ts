import type { Arena } from './arena.ts'
import { RLIMIT_NOFILE } from './constants.ts'
import { RLIMIT } from './layout.ts'
import type { Libc } from './load.ts'
import type { Outcome } from './outcome.ts'
import { failureOf } from './outcome.ts'

/** How many descriptors this process may have; `Infinity` where there is no limit. */
export interface DescriptorLimit {
  readonly soft: number
  readonly hard: number
}

const ALL_ONES = 0xffffffff
const HIGH = 2 ** 32

/** Reads and sets {@link DescriptorLimit}. */
export class DescriptorLimits {
  readonly #libc: Libc
  readonly #arena: Arena
  readonly #room: number

  constructor(libc: Libc, arena: Arena) {
    this.#libc = libc
    this.#arena = arena
    this.#room = arena.allocate(RLIMIT.bytes)
  }

  read(): Outcome<DescriptorLimit> {
    const failed = failureOf(
      this.#libc,
      'prlimit',
      this.#libc.calls.prlimit(0, RLIMIT_NOFILE, 0, this.#arena.addressOf(this.#room)),
    )
    return failed ? { failed } : { value: { soft: this.#at(RLIMIT.soft), hard: this.#at(RLIMIT.hard) } }
  }

  /** Sets the soft limit, at most to the hard one, which it becomes when nothing is said; returns what holds then. */
  setSoft(soft = Number.POSITIVE_INFINITY): Outcome<DescriptorLimit> {
    const before = this.read()
    if (before.failed) return before
    const wanted = Math.min(soft, before.value.hard)
    const word = (this.#room + RLIMIT.soft) >> 2
    this.#arena.u32[word] = wanted === Number.POSITIVE_INFINITY ? ALL_ONES : wanted
    this.#arena.u32[word + 1] = wanted === Number.POSITIVE_INFINITY ? ALL_ONES : wanted / HIGH
    const failed = failureOf(
      this.#libc,
      'prlimit',
      this.#libc.calls.prlimit(0, RLIMIT_NOFILE, this.#arena.addressOf(this.#room), 0),
    )
    return failed ? { failed } : this.read()
  }

  #at(offset: number): number {
    const low = this.#arena.u32[(this.#room + offset) >> 2] as number
    const high = this.#arena.u32[(this.#room + offset + 4) >> 2] as number
    return low === ALL_ONES && high === ALL_ONES ? Number.POSITIVE_INFINITY : high * HIGH + low
  }
}
