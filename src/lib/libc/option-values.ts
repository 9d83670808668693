import type { Arena } from './arena.ts'
import { LINGER } from './layout.ts'

/** Bytes of an int, which most socket options are. */
export const INT_BYTES = Int32Array.BYTES_PER_ELEMENT
/** Bytes of the {@link OptionValues.reset} value. */
export const LINGER_BYTES = LINGER.bytes

/** Values for `setsockopt` and `getsockopt` at addresses that stay, so that a loop passes them without writing anything. */
export class OptionValues {
  /** Address of an int 0. */
  readonly zero: number
  /** Address of an int 1. */
  readonly one: number
  /** Address of the `SO_LINGER` value with which `close` sends a reset and throws queued bytes away. */
  readonly reset: number
  /** Address of an int that calls may write, such as `ioctl` with `SIOCOUTQ`; read it with {@link cell}. */
  readonly cellAddress: number
  readonly #words: Int32Array
  readonly #cell: number

  constructor(arena: Arena) {
    const zero = arena.allocate(INT_BYTES)
    const one = arena.allocate(INT_BYTES)
    const reset = arena.allocate(LINGER.bytes)
    const cell = arena.allocate(INT_BYTES)
    arena.i32[one >> 2] = 1
    arena.i32[(reset + LINGER.on) >> 2] = 1
    arena.i32[(reset + LINGER.seconds) >> 2] = 0
    this.zero = arena.addressOf(zero)
    this.one = arena.addressOf(one)
    this.reset = arena.addressOf(reset)
    this.cellAddress = arena.addressOf(cell)
    this.#words = arena.i32
    this.#cell = cell >> 2
  }

  get cell(): number {
    return this.#words[this.#cell] as number
  }

  /** Writes the cell and returns its address. */
  int(value: number): number {
    this.#words[this.#cell] = value
    return this.cellAddress
  }
}
