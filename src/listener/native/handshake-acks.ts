import { SOL_TCP, TCP_QUICKACK } from '../../lib/libc/constants.ts'
import { INT_BYTES } from '../../lib/libc/option-values.ts'
import { DirectionQueue } from './direction-queue.ts'
import { GONE, SENT_ONCE, type TcpTable } from './tcp-table.ts'
import type { WorkerContext } from './worker-context.ts'

/** A server that speaks first gets its handshake's last packet this long after the handshake, at the latest. */
const ACK_AFTER_MS = 1
/** So many that are done with are dropped from the queue, which under load is never empty. */
const DROP = 1024

/** Holds back the last packet of handshakes with endpoints, so that it travels with the first request; and sends it by
 *  itself, soon after, to servers that nothing is said to. */
export class HandshakeAcks {
  readonly #context: WorkerContext
  readonly #table: TcpTable
  /** Endpoint directions with their deadlines, oldest first. */
  readonly #queue = new DirectionQueue()
  readonly #atMs: number[] = []
  #head = 0

  constructor(context: WorkerContext, table: TcpTable) {
    this.#context = context
    this.#table = table
  }

  /** Before connect(2). */
  holdBack(fd: number): void {
    const { calls, values } = this.#context
    calls.setsockopt(fd, SOL_TCP, TCP_QUICKACK, values.zero, INT_BYTES)
  }

  /** Nothing was said to this endpoint yet. */
  expect(endpoint: number): void {
    this.#queue.push(endpoint, this.#table.generations[endpoint] as number)
    this.#atMs[this.#queue.length - 1] = this.#context.clock.now() + ACK_AFTER_MS
  }

  /** Sends what is due; returns milliseconds until the next, or -1. */
  run(nowMs: number): number {
    const queue = this.#queue
    const { flags, generations } = this.#table
    while (this.#head < queue.length) {
      const waitMs = (this.#atMs[this.#head] as number) - nowMs
      if (waitMs > 0) {
        this.#drop()
        return Math.ceil(waitMs)
      }
      const endpoint = queue.direction(this.#head)
      const generation = queue.generation(this.#head++)
      if (generations[endpoint] !== generation || (flags[endpoint] as number) & (GONE | SENT_ONCE)) continue
      this.#send(endpoint)
    }
    queue.length = 0
    this.#head = 0
    return -1
  }

  /** Sends it now if it may still be held back: whoever looks after this endpoint next does not know of it. */
  settle(endpoint: number): void {
    if (!((this.#table.flags[endpoint] as number) & (GONE | SENT_ONCE))) this.#send(endpoint)
  }

  #send(endpoint: number): void {
    const { calls, values } = this.#context
    calls.setsockopt(this.#table.fd(endpoint), SOL_TCP, TCP_QUICKACK, values.one, INT_BYTES)
  }

  #drop(): void {
    if (this.#head < DROP || 2 * this.#head < this.#queue.length) return
    this.#queue.shift(this.#head)
    this.#atMs.splice(0, this.#head)
    this.#head = 0
  }
}
