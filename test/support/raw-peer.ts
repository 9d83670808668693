import type { RawSockets } from './raw-sockets.ts'
import { patternAt, Tally } from './tally.ts'

const PATIENCE_MS = 30_000
const PIECE_BYTES = 256 * 1024

/** One end of a TCP connection without Node in between: what it does happens at once, and what it sees is what the system says. */
export class RawPeer {
  readonly received = new Tally()
  /** How the other side went, as far as reading tells. */
  outcome: 'end' | 'reset' | 'open' = 'open'
  /** Reads nothing. */
  paused = false
  /** Bytes of the pattern that it has sent, all of which were acknowledged. */
  sent = 0
  readonly #raw: RawSockets
  readonly #fd: number

  constructor(raw: RawSockets, fd: number) {
    this.#raw = raw
    this.#fd = fd
  }

  /** Bytes that have come and were not read. */
  get unread(): number {
    return this.#raw.unread(this.#fd)
  }

  /** Sends so many more bytes of the pattern; resolves when the other end of the wire has them, so that no reset of its own takes
   *  them back, or the connection is gone. */
  async sends(bytes: number): Promise<void> {
    const goal = this.sent + bytes
    let gone = false
    await until('bytes to be taken', () => {
      if (this.sent < goal) {
        const taken = this.#raw.send(this.#fd, patternAt(this.sent, Math.min(goal - this.sent, PIECE_BYTES)))
        gone = taken < 0
        if (!gone) this.sent += taken
      }
      return gone || (this.sent === goal && this.#raw.unacknowledged(this.#fd) === 0)
    })
  }

  halfClose(): void {
    this.#raw.halfClose(this.#fd)
  }

  close(): void {
    this.#raw.close(this.#fd)
  }

  reset(): void {
    this.#raw.reset(this.#fd)
  }

  /** Reads what has come, unless it is paused. */
  read(): void {
    while (!this.paused && this.outcome === 'open') {
      const piece = this.#raw.receive(this.#fd)
      if (piece === 'empty') return
      if (typeof piece === 'string') this.outcome = piece
      else this.received.add(piece)
    }
  }
}

/** Has these peers read until `done`, with turns of Node's loop in between. */
export async function until(what: string, done: () => boolean, ...readers: readonly RawPeer[]): Promise<void> {
  const patience = performance.now() + PATIENCE_MS
  for (;;) {
    for (const reader of readers) reader.read()
    if (done()) return
    if (performance.now() > patience) throw new Error(`still waiting: ${what}`)
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
}
