import type { Socket } from 'node:net'
import { patternAt, Tally } from './tally.ts'
import { within } from './within.ts'

/** How one side saw the other go: an orderly end, or a reset. */
export type Outcome = 'end' | 'reset'

/** Enough to compare answers by eye; everything is counted and hashed. */
const MOST_TEXT = 64 * 1024
const PIECE_BYTES = 64 * 1024
/** A reader that is slow, but not so slow that the test is. */
const SLOW_READ_EVERY_MS = 1

/** One end of a TCP connection, scripted: a client of ours, or an endpoint's side of a session. Reads from the start
 *  unless paused. Takes the socket, which must allow half-open. */
export class TcpPeer implements AsyncDisposable {
  readonly received = new Tally()
  /** Bytes of the pattern that the system has taken from us. */
  sent = 0
  /** How the other side went, once it did; a reset after an orderly end is a reset. */
  outcome: Outcome | undefined
  readonly #socket: Socket
  #text = ''
  #ports: { readonly localPort: number; readonly remotePort: number; readonly remoteIp: string } | undefined
  #closed = false
  #waiting: { readonly until: () => boolean; readonly resolve: () => void }[] = []

  constructor(socket: Socket) {
    this.#socket = socket
    if (!socket.connecting) this.#learnPorts()
    socket.once('connect', () => this.#learnPorts())
    socket.on('data', (chunk: Buffer) => {
      this.received.add(chunk)
      if (this.#text.length < MOST_TEXT) this.#text += chunk.toString('latin1')
      this.#changed()
    })
    socket.once('end', () => {
      this.outcome ??= 'end'
      this.#changed()
    })
    socket.on('error', () => {
      this.outcome = 'reset'
      this.#changed()
    })
    socket.once('close', () => {
      this.#closed = true
      this.#changed()
    })
  }

  /** What came first, as latin-1. */
  get text(): string {
    return this.#text
  }

  /** This side's port, once it is connected and ever after. */
  get localPort(): number {
    return this.#ports?.localPort ?? 0
  }

  /** The other side's port. */
  get remotePort(): number {
    return this.#ports?.remotePort ?? 0
  }

  /** The other side's address. */
  get remoteIp(): string {
    return this.#ports?.remoteIp ?? ''
  }

  /** Resolves when the system has taken it; false when the other side is gone. */
  send(data: string | Uint8Array): Promise<boolean> {
    return new Promise((resolve) => this.#socket.write(data, (error) => resolve(!error)))
  }

  /** Sends `bytes` more bytes of the pattern, one call at a time; false when either side ended meanwhile. */
  async sendPattern(bytes: number): Promise<boolean> {
    const until = this.sent + bytes
    while (this.sent < until) {
      if (this.#socket.writableEnded || this.#socket.destroyed) return false
      const piece = patternAt(this.sent, Math.min(until - this.sent, PIECE_BYTES))
      if (!(await this.send(piece))) return false
      this.sent += piece.length
    }
    return true
  }

  /** FIN. */
  halfClose(): this {
    this.#socket.end()
    return this
  }

  /** RST. */
  reset(): void {
    this.#socket.resetAndDestroy()
  }

  /** Leaves without waiting for anything. */
  close(): void {
    this.#socket.destroy()
  }

  pause(): this {
    this.#socket.pause()
    return this
  }

  resume(): this {
    this.#socket.resume()
    return this
  }

  /** Sends back what comes, and ends when the other side does. */
  echo(): this {
    this.#socket.pipe(this.#socket)
    return this
  }

  /** Reads with a pause after every piece. */
  readSlowly(): this {
    this.#socket.on('data', () => {
      this.#socket.pause()
      setTimeout(() => this.#socket.resume(), SLOW_READ_EVERY_MS)
    })
    return this.resume()
  }

  /** Resolves when this many bytes have come, or as text when it has. */
  async receives(what: number | string): Promise<this> {
    const there = () => (typeof what === 'number' ? this.received.bytes >= what : this.#text.includes(what))
    await this.#until(`${typeof what === 'number' ? `${what} bytes` : what} at port ${this.localPort}`, () => {
      if (!there() && this.outcome !== undefined)
        throw new Error(`${this.outcome} after ${this.received.bytes} bytes: ${this.#text}`)
      return there()
    })
    return this
  }

  /** How the other side goes: the first sign of it. */
  async ends(): Promise<Outcome> {
    await this.#until(`the other side of port ${this.localPort} to end`, () => this.outcome !== undefined)
    return this.outcome as Outcome
  }

  /** How it went in the end, when both directions are over. */
  async closes(): Promise<Outcome | undefined> {
    await this.#until(`port ${this.localPort} to close`, () => this.#closed)
    return this.outcome
  }

  get closed(): boolean {
    return this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy()
    await this.closes()
  }

  #learnPorts(): void {
    const { localPort = 0, remotePort = 0, remoteAddress: remoteIp = '' } = this.#socket
    this.#ports = { localPort, remotePort, remoteIp }
  }

  #until(what: string, until: () => boolean): Promise<void> {
    if (until()) return Promise.resolve()
    return within(
      what,
      new Promise<void>((resolve, reject) => {
        const guarded = () => {
          try {
            return until()
          } catch (error) {
            reject(error)
            return true
          }
        }
        this.#waiting.push({ until: guarded, resolve })
      }),
    )
  }

  #changed(): void {
    this.#waiting = this.#waiting.filter(({ until, resolve }) => {
      if (!until()) return true
      resolve()
      return false
    })
  }
}
