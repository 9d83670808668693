import { write } from 'node:fs'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { Clock, Timer } from '../lib/clock.ts'
import { isErrno } from '../lib/errors.ts'
import { closeFd } from './standard-fd.ts'

export interface LineWriterOptions {
  /** Taken: closed by `end` or when replaced. */
  readonly fd: number
  readonly clock: Clock
  /** Lines wait this long for company. */
  readonly batchMs: number
  /** What may wait in memory; lines beyond it are dropped and counted. */
  readonly longestBacklogBytes: number
  /** Called once when writing begins to fail or, without an error, when the destination is too slow. */
  readonly onTrouble: (error: unknown) => void
  /** Called once when everything that waited was written after all. */
  readonly onRecovered: () => void
}

/** A batch this large does not wait any longer. */
const FULL_BATCH_BYTES = 1 << 16
/** A reader that is only slow is asked again soon; a full disk is not. */
const SLOW_RETRY_MS = 20
const FAILED_RETRY_MS = 1000

/** Appends lines to a descriptor in batches from memory, one write at a time and off this thread. Never throws and never
 *  blocks: while the destination fails, what fits is kept, the rest is dropped, and what was half written is completed. */
export class LineWriter {
  readonly #options: LineWriterOptions
  #fd: number
  #nextFd: number | undefined
  /** Whole lines, joined to batches. */
  #waiting: string[] = []
  /** What is being written, or its rest. */
  #batch: Buffer | undefined
  /** Bytes in `#waiting` and `#batch`. */
  #backlogBytes = 0
  #writing = false
  #timer: Timer | undefined
  /** The timer is there to try again after a failure. */
  #retrying = false
  #troubled = false
  #dropped = 0
  #ended: PromiseWithResolvers<void> | undefined
  #deadline: Timer | undefined
  #hold: MessagePort | undefined
  #closeNow: (() => void) | undefined

  constructor(options: LineWriterOptions) {
    this.#options = options
    this.#fd = options.fd
  }

  /** Lines that were lost. */
  get dropped(): number {
    return this.#dropped
  }

  /** Takes one line, line feed included. */
  write(line: string): void {
    const sizeBytes = Buffer.byteLength(line)
    if (this.#ended || this.#backlogBytes + sizeBytes > this.#options.longestBacklogBytes) {
      this.#dropped++
      if (!this.#ended) this.#trouble(undefined)
      return
    }
    const last = this.#waiting.length - 1
    if (last < 0 || (this.#waiting[last] as string).length >= FULL_BATCH_BYTES) this.#waiting.push(line)
    else this.#waiting[last] += line
    this.#backlogBytes += sizeBytes
    if (this.#writing || this.#retrying) return
    if (this.#backlogBytes >= FULL_BATCH_BYTES) this.#flush()
    else this.#timer ??= this.#options.clock.after(this.#options.batchMs, () => this.#flush())
  }

  /** Goes on with another descriptor, from a line's beginning unless the old one fails; takes it, closes the old one. */
  replace(fd: number): void {
    if (this.#ended) {
      closeFd(fd)
      return
    }
    if (this.#nextFd !== undefined) closeFd(this.#nextFd)
    this.#nextFd = fd
    this.#flush()
  }

  /** Writes what waits, for at most `deadlineMs`, and closes the descriptor. What is left then is dropped. */
  end(deadlineMs: number): Promise<void> {
    if (!this.#ended) {
      this.#ended = Promise.withResolvers()
      this.#deadline = this.#options.clock.after(deadlineMs, () => this.#close())
      // Timers of the clock do not keep the process, an open port does: the last lines may be all that is left to do.
      this.#hold = new MessageChannel().port1
      this.#hold.ref()
      this.#flush()
    }
    return this.#ended.promise
  }

  #flush(): void {
    if (this.#writing || this.#fd === -1) return
    this.#stopTimer()
    if (!this.#batch) {
      this.#switch()
      const lines = this.#waiting.shift()
      if (lines === undefined) {
        this.#idle()
        return
      }
      this.#batch = Buffer.from(lines)
    }
    this.#writing = true
    write(this.#fd, this.#batch, (error, written) => {
      this.#writing = false
      if (this.#fd === -1) this.#closeNow?.()
      else if (error) this.#failed(error)
      else this.#wrote(written)
    })
  }

  #wrote(bytes: number): void {
    const rest = this.#batch?.subarray(bytes)
    this.#batch = rest && rest.length > 0 ? rest : undefined
    this.#backlogBytes -= bytes
    this.#flush()
  }

  #failed(error: Error): void {
    const slow = isErrno(error, 'EAGAIN')
    if (!slow) this.#trouble(error)
    this.#switch()
    this.#stopTimer()
    this.#retrying = true
    this.#timer = this.#options.clock.after(slow ? SLOW_RETRY_MS : FAILED_RETRY_MS, () => this.#flush())
  }

  #switch(): void {
    if (this.#nextFd === undefined) return
    closeFd(this.#fd)
    this.#fd = this.#nextFd
    this.#nextFd = undefined
  }

  #stopTimer(): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = undefined
    this.#retrying = false
  }

  #trouble(error: unknown): void {
    if (this.#troubled) return
    this.#troubled = true
    this.#options.onTrouble(error)
  }

  /** Everything is written. */
  #idle(): void {
    if (this.#troubled) {
      this.#troubled = false
      this.#options.onRecovered()
    }
    if (this.#ended) this.#close()
  }

  #close(): void {
    if (this.#fd === -1) return
    this.#stopTimer()
    this.#deadline?.[Symbol.dispose]()
    this.#dropped += (this.#batch?.toString() ?? '').concat(...this.#waiting).split('\n').length - 1
    const open = [this.#fd, this.#nextFd]
    this.#fd = -1
    this.#closeNow = () => {
      for (const fd of open) if (fd !== undefined) closeFd(fd)
    }
    // A write still on its way names the descriptor by a number that must not become another file's meanwhile.
    if (!this.#writing) this.#closeNow()
    this.#hold?.close()
    this.#ended?.resolve()
  }
}
