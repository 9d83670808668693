import type { Arena } from './arena.ts'
import type { Layout } from './layout.ts'

/** What `epoll_wait` writes: per event a mask, and the descriptor and generation that were registered. */
export class EpollEvents {
  /** For `epoll_wait`. */
  readonly address: number
  readonly capacity: number
  readonly #words: Int32Array
  readonly #first: number
  readonly #stride: number
  readonly #data: number

  constructor(arena: Arena, layout: Layout, capacity: number) {
    const offset = arena.allocate(capacity * layout.epollEvent.bytes, 64)
    this.address = arena.addressOf(offset)
    this.capacity = capacity
    this.#words = arena.i32
    this.#first = offset >> 2
    this.#stride = layout.epollEvent.bytes >> 2
    this.#data = layout.epollEvent.data >> 2
  }

  /** Bits of `EPOLLIN` and its kin. */
  mask(index: number): number {
    return this.#words[this.#first + index * this.#stride] as number
  }

  fd(index: number): number {
    return this.#words[this.#first + index * this.#stride + this.#data] as number
  }

  /** Tells an event for the descriptor's present owner from one that was meant for an earlier owner of the number. */
  generation(index: number): number {
    return this.#words[this.#first + index * this.#stride + this.#data + 1] as number
  }
}

/** What `epoll_ctl` reads; one is reused for every call. */
export class EpollChange {
  readonly #words: Int32Array
  readonly #mask: number
  readonly #data: number
  readonly #address: number

  constructor(arena: Arena, layout: Layout) {
    const offset = arena.allocate(layout.epollEvent.bytes)
    this.#words = arena.i32
    this.#mask = offset >> 2
    this.#data = (offset + layout.epollEvent.data) >> 2
    this.#address = arena.addressOf(offset)
  }

  /** Fills it and returns its address; `generation` is a signed 32-bit number. */
  set(mask: number, fd: number, generation: number): number {
    this.#words[this.#mask] = mask
    this.#words[this.#data] = fd
    this.#words[this.#data + 1] = generation
    return this.#address
  }
}
