import { SPLICE_F_MOVE, SPLICE_F_NONBLOCK } from '../../lib/libc/constants.ts'
import { ERRNO } from '../../lib/libc/errno.ts'
import { PipePool } from './pipe-pool.ts'
import { HUNG_UP, READABLE, type TcpTable, WRITABLE } from './tcp-table.ts'
import type { WorkerContext } from './worker-context.ts'

/** A spliced direction that moved less than this in a turn had a quiet turn; after so many it is copied again. */
const QUIET_BYTES = 65_536
const QUIET_TURNS = 8
const FLAGS = SPLICE_F_MOVE | SPLICE_F_NONBLOCK

/** How a round of splicing ended. Anything above is the errno of the side that bytes come from. */
export const DRY = 0
export const SHARE_USED = -1
export const SOURCE_ENDED = -2
export const SINK_FULL = -3
export const SINK_BROKEN = -4

/** Moves bulk through borrowed pipes, without it passing through this process. */
export class TcpSplicer implements Disposable {
  readonly #context: WorkerContext
  readonly #table: TcpTable
  readonly #pipes: PipePool
  /** Counts bytes that were read. */
  readonly #count: (from: number, bytes: number) => void

  constructor(context: WorkerContext, table: TcpTable, mostPipes: number, count: (from: number, bytes: number) => void) {
    this.#context = context
    this.#table = table
    this.#pipes = new PipePool(context.calls, context.arena, mostPipes)
    this.#count = count
  }

  /** Lends a direction a pipe; false: there is none, copy. */
  start(from: number): boolean {
    const pipe = this.#pipes.borrow()
    if (pipe < 0) return false
    const { pipes, quietTurns, flags } = this.#table
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

  /** Moves up to `share` bytes of a direction that has a pipe. A direction that often runs dry loses it. */
  run(from: number, share: number): number {
    const { calls, errno, clock } = this.#context
    const { flags, lastMs, pipes: pipeOf } = this.#table
    const pipes = this.#pipes
    const source = this.#table.fd(from)
    const sink = this.#table.fd(from ^ 1)
    const pipe = pipeOf[from] as number
    let moved = 0
    while (moved < share) {
      let ended = false
      if ((flags[from] as number) & (READABLE | HUNG_UP) && pipes.room(pipe) > 0) {
        const read = calls.splice(source, 0, pipes.writeEnd(pipe), 0, pipes.room(pipe), FLAGS)
        if (read > 0) {
          pipes.moved(pipe, read)
          this.#count(from, read)
        } else if (read === 0) ended = true
        else if (pipes.held(pipe) === 0) {
          // With bytes in the pipe an error means nothing yet: socket empty or pipe full look the same, and a broken
          // socket tells again.
          const error = errno[0] as number
          if (error === ERRNO.EAGAIN) flags[from] = (flags[from] as number) & ~(READABLE | HUNG_UP)
          else if (error !== ERRNO.EINTR) return error
        }
      }
      if (pipes.held(pipe) === 0) {
        if (ended) return SOURCE_ENDED
        if ((flags[from] as number) & (READABLE | HUNG_UP)) continue
        this.#ranDry(from, moved)
        return DRY
      }
      if (!((flags[from ^ 1] as number) & WRITABLE)) return SINK_FULL
      const written = calls.splice(pipes.readEnd(pipe), 0, sink, 0, pipes.held(pipe), FLAGS)
      if (written <= 0) return errno[0] === ERRNO.EAGAIN ? SINK_FULL : SINK_BROKEN
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
