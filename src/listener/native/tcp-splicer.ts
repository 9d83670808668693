import { SPLICE_F_MOVE, SPLICE_F_NONBLOCK } from '../../lib/libc/constants.ts'
import { ERRNO } from '../../lib/libc/errno.ts'
import { refusedCall } from '../../lib/libc/refused-call.ts'
import { MOST_INTERRUPTIONS, ownEnd } from './call-errors.ts'
import { PipePool } from './pipe-pool.ts'
import { ABORTED, HUNG_UP, READABLE, type TcpTable, TIMED_OUT, UNWRITABLE, URGENT, WRITABLE } from './tcp-table.ts'
import { COPY_BYTES, type WorkerContext } from './worker-context.ts'

/** A spliced direction that moved less than this in a turn had a quiet turn; after so many it is copied again. */
const QUIET_BYTES = 65_536
const QUIET_TURNS = 8
const FLAGS = SPLICE_F_MOVE | SPLICE_F_NONBLOCK
const TO_READ = READABLE | HUNG_UP | ABORTED

/** How a round of splicing ended. Anything above is the errno of the side that bytes come from. */
export const DRY = 0
export const SHARE_USED = -1
export const SINK_FULL = -2
/** The sink's errno is {@link TcpSplicer.sinkError}. */
export const SINK_FAILED = -3
/** The end is next, or urgent data that came before it: they cannot be told apart by splicing, nor spliced over. */
export const COPY_NEXT = -4

/** Moves bulk through borrowed pipes, without it passing through this process. */
export class TcpSplicer implements Disposable {
  /** Why the sink failed. */
  sinkError = 0
  readonly #context: WorkerContext
  readonly #table: TcpTable
  readonly #pipes: PipePool
  /** Counts bytes that were read. */
  readonly #count: (from: number, bytes: number) => void

  constructor(context: WorkerContext, table: TcpTable, count: (from: number, bytes: number) => void) {
    this.#context = context
    this.#table = table
    this.#pipes = new PipePool(context.calls, context.arena, context.pipeDescriptors)
    this.#count = count
  }

  /** Lends a direction a pipe; false: there is none, copy. */
  start(from: number): boolean {
    const { pipes, quietTurns, flags } = this.#table
    if ((flags[from] as number) & URGENT) return false
    const pipe = this.#pipes.borrow()
    if (pipe < 0) return false
    pipes[from] = pipe
    quietTurns[from] = 0
    flags[from] = (flags[from] as number) | READABLE
    return true
  }

  /** Takes the pipe back, if the direction has one. */
  stop(from: number): void {
    const { pipes } = this.#table
    const pipe = pipes[from] as number
    if (pipe < 0) return
    this.#pipes.giveBack(pipe)
    pipes[from] = -1
  }

  /** Takes out what stands in the direction's pipe, if it has one, and gives the pipe back.
   *  @throws ProxyError E_ENGINE when it cannot be read. */
  drain(from: number): Uint8Array | undefined {
    const { calls, arena, errno, copyOffset, copyAddress } = this.#context
    const pipes = this.#pipes
    const pipe = this.#table.pipes[from] as number
    const held = pipe < 0 ? 0 : pipes.held(pipe)
    const bytes = new Uint8Array(held)
    for (let done = 0, interrupted = 0; done < held; ) {
      const read = calls.read(pipes.readEnd(pipe), copyAddress, COPY_BYTES)
      if (read <= 0) {
        const error = read < 0 ? (errno[0] as number) : 0
        if (error === ERRNO.EINTR && ++interrupted <= MOST_INTERRUPTIONS) continue
        throw refusedCall('read a pipe', error)
      }
      bytes.set(arena.u8.subarray(copyOffset, copyOffset + read), done)
      pipes.moved(pipe, -read)
      done += read
    }
    this.stop(from)
    return held > 0 ? bytes : undefined
  }

  /** Moves up to `share` bytes of a direction that has a pipe. A direction that often runs dry loses it. */
  run(from: number, share: number): number {
    const { calls, errno, clock } = this.#context
    const { flags, lastMs, pipes: pipeOf } = this.#table
    const pipes = this.#pipes
    const source = this.#table.fd(from)
    const sink = this.#table.fd(from ^ 1)
    const pipe = pipeOf[from] as number
    let moved = 0
    let interrupted = 0
    while (moved < share) {
      let ended = false
      const state = flags[from] as number
      if (state & TO_READ && !(state & URGENT) && pipes.room(pipe) > 0) {
        const read = calls.splice(source, 0, pipes.writeEnd(pipe), 0, pipes.room(pipe), FLAGS)
        if (read > 0) {
          pipes.moved(pipe, read)
          this.#count(from, read)
        } else if (read === 0) ended = true
        else {
          const error = errno[0] as number
          if (error === ERRNO.EAGAIN) {
            // With bytes in the pipe it means nothing: socket empty and pipe full look the same.
            if (pipes.held(pipe) === 0) {
              flags[from] = state & ~(READABLE | HUNG_UP)
              this.#ranDry(from, moved)
              return DRY
            }
          } else if (error === ERRNO.EINTR && ++interrupted <= MOST_INTERRUPTIONS) continue
          else if (pipes.held(pipe) === 0 || ownEnd(error) !== undefined) return error
          // A broken socket says so only once; it is remembered until the pipe is empty.
          else flags[from] = state | UNWRITABLE | (error === ERRNO.ETIMEDOUT ? TIMED_OUT : 0)
        }
      }
      if (pipes.held(pipe) === 0) {
        if (ended || (flags[from] as number) & URGENT) return COPY_NEXT
        if ((flags[from] as number) & TO_READ) continue
        return DRY
      }
      if (!((flags[from ^ 1] as number) & WRITABLE)) return SINK_FULL
      const written = calls.splice(pipes.readEnd(pipe), 0, sink, 0, pipes.held(pipe), FLAGS)
      if (written <= 0) {
        const error = written < 0 ? (errno[0] as number) : ERRNO.EPIPE
        if (error === ERRNO.EAGAIN) return SINK_FULL
        if (error === ERRNO.EINTR && ++interrupted <= MOST_INTERRUPTIONS) continue
        this.sinkError = error
        return SINK_FAILED
      }
      pipes.moved(pipe, -written)
      moved += written
      lastMs[from >> 1] = clock.now()
    }
    return SHARE_USED
  }

  [Symbol.dispose](): void {
    this.#pipes[Symbol.dispose]()
  }

  #ranDry(from: number, moved: number): void {
    const { quietTurns } = this.#table
    if (moved >= QUIET_BYTES) quietTurns[from] = 0
    else if ((quietTurns[from] as number) + 1 >= QUIET_TURNS) this.stop(from)
    else quietTurns[from] = (quietTurns[from] as number) + 1
  }
}
