import type { Arena } from '../../lib/libc/arena.ts'
import type { Calls } from '../../lib/libc/calls.ts'
import { F_GETPIPE_SZ, F_SETPIPE_SZ, O_CLOEXEC, O_NONBLOCK } from '../../lib/libc/constants.ts'

/** What a pipe is asked to hold; beyond this nothing is gained, and what a user's pipes may hold in all is finite. */
const WANTED_BYTES = 262_144
/** What a pipe holds at least, when the kernel neither gives more nor tells. */
const LEAST_BYTES = 4_096
const NONE = -1

/** Pipes that bytes are spliced through, without passing through this process. Borrowed for a while by one direction of
 *  one session; one that still holds bytes when it comes back is closed, never lent again. */
export class PipePool implements Disposable {
  readonly #calls: Calls
  readonly #arena: Arena
  readonly #ends: number
  readonly #most: number
  /** Reading and writing end of every pipe, plus one; 0: none. */
  readonly #descriptors: Int32Array
  readonly #held: Int32Array
  readonly #sizes: Int32Array
  readonly #idle: Int32Array
  #idleCount = 0
  #open = 0
  readonly #unused: Int32Array
  #unusedCount: number

  /** `descriptors` has two cells for each pipe that there may be at once; descriptors stand there plus one. */
  constructor(calls: Calls, arena: Arena, descriptors: Int32Array) {
    const most = descriptors.length / 2
    this.#calls = calls
    this.#arena = arena
    this.#ends = arena.allocate(8)
    this.#most = most
    this.#descriptors = descriptors
    this.#held = new Int32Array(most)
    this.#sizes = new Int32Array(most)
    this.#idle = new Int32Array(most)
    this.#unused = Int32Array.from({ length: most }, (_, n) => most - 1 - n)
    this.#unusedCount = most
  }

  /** An empty pipe, or -1: copy instead. */
  borrow(): number {
    if (this.#idleCount > 0) return this.#idle[--this.#idleCount] as number
    if (this.#open >= this.#most) return NONE
    if (this.#calls.pipe2(this.#arena.addressOf(this.#ends), O_NONBLOCK | O_CLOEXEC) < 0) return NONE
    const pipe = this.#unused[--this.#unusedCount] as number
    const readEnd = this.#arena.i32[this.#ends >> 2] as number
    const writeEnd = this.#arena.i32[(this.#ends >> 2) + 1] as number
    this.#descriptors[2 * pipe] = readEnd + 1
    this.#descriptors[2 * pipe + 1] = writeEnd + 1
    let size = this.#calls.fcntl(writeEnd, F_SETPIPE_SZ, WANTED_BYTES)
    if (size <= 0) size = this.#calls.fcntl(writeEnd, F_GETPIPE_SZ, 0)
    this.#sizes[pipe] = size > 0 ? size : LEAST_BYTES
    this.#held[pipe] = 0
    this.#open++
    return pipe
  }

  giveBack(pipe: number): void {
    if (this.#held[pipe] === 0) {
      this.#idle[this.#idleCount++] = pipe
      return
    }
    this.#close(pipe)
  }

  readEnd(pipe: number): number {
    return (this.#descriptors[2 * pipe] as number) - 1
  }

  writeEnd(pipe: number): number {
    return (this.#descriptors[2 * pipe + 1] as number) - 1
  }

  /** Bytes in it now. */
  held(pipe: number): number {
    return this.#held[pipe] as number
  }

  /** Counts bytes that went in (positive) or out (negative). */
  moved(pipe: number, bytes: number): void {
    this.#held[pipe] = (this.#held[pipe] as number) + bytes
  }

  room(pipe: number): number {
    return (this.#sizes[pipe] as number) - (this.#held[pipe] as number)
  }

  /** Pipes that are open, lent or not. */
  get open(): number {
    return this.#open
  }

  [Symbol.dispose](): void {
    while (this.#idleCount > 0) this.#close(this.#idle[--this.#idleCount] as number)
  }

  #close(pipe: number): void {
    this.#calls.close(this.readEnd(pipe))
    this.#calls.close(this.writeEnd(pipe))
    this.#descriptors[2 * pipe] = 0
    this.#descriptors[2 * pipe + 1] = 0
    this.#unused[this.#unusedCount++] = pipe
    this.#open--
  }
}
