import type { Socket } from 'node:net'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { SessionEnd } from '../../model/session.ts'
import { LONGEST_HEADER_BYTES } from '../proxy-header.ts'
import { INCOMPLETE, MALFORMED, ProxyHeaderParser } from '../proxy-header-parser.ts'

/** Who waits for a header. */
export interface HeaderTaker {
  /** The header was read; what follows it is still in the socket, which is paused. */
  introduced(header: ProxyHeaderParser): void
  /** None came, or something else. */
  gaveUp(end: SessionEnd): void
}

/** Reads one client's PROXY header. Everything else about the socket is its owner's business, who may dispose of this at any
 *  time. */
export class HeaderReader implements Disposable {
  readonly #socket: Socket
  readonly #taker: HeaderTaker
  readonly #deadline: Timer
  readonly #parser = new ProxyHeaderParser()
  #got: Buffer = Buffer.alloc(0)

  /** Begins to read a paused socket; the header may take so long. */
  constructor(socket: Socket, clock: Clock, withinMs: number, taker: HeaderTaker) {
    this.#socket = socket
    this.#taker = taker
    this.#deadline = clock.after(withinMs, () => this.#fail('bad-header'))
    socket.on('data', this.#take)
    socket.on('end', this.#ended)
    socket.resume()
  }

  [Symbol.dispose](): void {
    this.#deadline[Symbol.dispose]()
    this.#socket.off('data', this.#take)
    this.#socket.off('end', this.#ended)
  }

  readonly #take = (chunk: Buffer): void => {
    this.#got = this.#got.length === 0 ? chunk : Buffer.concat([this.#got, chunk])
    const length = this.#parser.parse(this.#got, 0, Math.min(this.#got.length, LONGEST_HEADER_BYTES))
    if (length === INCOMPLETE) return
    if (length === MALFORMED) {
      this.#fail('bad-header')
      return
    }
    this[Symbol.dispose]()
    this.#socket.pause()
    if (this.#got.length > length) this.#socket.unshift(this.#got.subarray(length))
    this.#taker.introduced(this.#parser)
  }

  readonly #ended = (): void => this.#fail(this.#got.length === 0 ? 'client-closed' : 'bad-header')

  #fail(end: SessionEnd): void {
    this[Symbol.dispose]()
    this.#taker.gaveUp(end)
  }
}
