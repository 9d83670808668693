import { ProxyError } from '../errors.ts'
import { MAP_ANONYMOUS, MAP_FIXED_NOREPLACE, MAP_PRIVATE, PROT_READ, PROT_WRITE } from './constants.ts'
import { ERRNO } from './errno.ts'
import type { Libc } from './load.ts'
import { refusedCall } from './refused-call.ts'

/** Up to here a number is a small integer for V8: passing it to a foreign function allocates nothing. */
const SMALL_END = 2 ** 31
/** Below it lie, in a program at fixed addresses such as Node's, its code and its growing heap. */
const SMALL_START = 2 ** 30
const SEARCH_STEP = 2 ** 20
const PAGE_BYTES = 65536

/** A zeroed block of memory outside V8's heap, for what the kernel reads and writes. Parts are handed out once and never
 *  returned. Places in it are *offsets* (they index the views) or *addresses* (they go to {@link Calls}). */
export class Arena implements Disposable {
  /** Of offset 0. */
  readonly address: number
  readonly bytes: number
  readonly u8: Uint8Array
  readonly u16: Uint16Array
  readonly i32: Int32Array
  readonly u32: Uint32Array
  readonly f64: Float64Array
  readonly data: DataView
  readonly #libc: Libc
  readonly #buffer: ArrayBuffer
  #used = 0
  #disposed = false

  /** Takes the mapping of `bytes` at `address`; {@link openArena} makes one. */
  constructor(libc: Libc, address: number, bytes: number) {
    this.#libc = libc
    this.address = address
    this.bytes = bytes
    this.#buffer = libc.view(address, bytes)
    this.u8 = new Uint8Array(this.#buffer)
    this.u16 = new Uint16Array(this.#buffer)
    this.i32 = new Int32Array(this.#buffer)
    this.u32 = new Uint32Array(this.#buffer)
    this.f64 = new Float64Array(this.#buffer)
    this.data = new DataView(this.#buffer)
  }

  /** The offset of `bytes` that are now the caller's; `alignment` is a power of two. A full arena is a bug. */
  allocate(bytes: number, alignment = 8): number {
    const offset = Math.ceil(this.#used / alignment) * alignment
    if (offset + bytes > this.bytes) {
      throw new ProxyError('E_INTERNAL', 'bug', `arena of ${this.bytes} bytes: no room for ${bytes} at ${offset}`)
    }
    this.#used = offset + bytes
    return offset
  }

  /** How much was handed out, gaps included. */
  get used(): number {
    return this.#used
  }

  addressOf(offset: number): number {
    return this.address + offset
  }

  /** Unmaps it. The views become empty, so that a late read finds nothing instead of ending the process; a foreign call
   *  with a late address fails with EFAULT, or hits whoever got the memory next. */
  [Symbol.dispose](): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#buffer.transfer(0)
    this.#libc.calls.munmap(this.address, this.bytes)
  }
}

/** Maps an arena of at least `bytes`, below 2^31 where there is room; throws `E_ENGINE` when the system gives no memory. It
 *  outlives its thread if it is not disposed. */
export function openArena(libc: Libc, bytes: number): Arena {
  const size = Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES
  const address = mapSmall(libc, size) ?? map(libc, 0, size, 0)
  if (address < 0) throw refusedCall(`map ${size} bytes`, libc.errno[0] as number)
  return new Arena(libc, address, size)
}

function mapSmall(libc: Libc, size: number): number | undefined {
  for (let wanted = SMALL_END - size; wanted >= SMALL_START; wanted -= SEARCH_STEP) {
    const address = map(libc, wanted, size, MAP_FIXED_NOREPLACE)
    if (address === wanted) return address
    if (address >= 0) libc.calls.munmap(address, size)
    else if (libc.errno[0] !== ERRNO.EEXIST) return undefined
  }
  return undefined
}

function map(libc: Libc, address: number, size: number, flags: number): number {
  return libc.calls.mmap(address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0)
}
