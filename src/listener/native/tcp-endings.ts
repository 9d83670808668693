import { SHUT_WR, SIOCOUTQ } from '../../lib/libc/constants.ts'
import { ERRNO } from '../../lib/libc/errno.ts'
import type { SessionEnd } from '../../model/session.ts'
import { sessionEndNumber } from '../../model/session.ts'
import { DirectionQueue } from './direction-queue.ts'
import { ABORTED, ENDED, GONE, PENDING, READABLE, RESETTING, SHUT, type TcpTable, TIMED_OUT, UNWRITABLE } from './tcp-table.ts'
import type { WorkerContext } from './worker-context.ts'

/** What is asked of those who know sessions. */
export interface SessionOwner {
  /** Both directions have ended, or nothing can move any more. */
  finish(session: number, end: SessionEnd): void
  /** Cuts a session short. */
  stop(session: number, end: SessionEnd): void
  /** Looks at the session again soon: its deadline came nearer. */
  hasten(session: number): void
}

/** How directions end: in order, which the other side is told by a half-close of its own; or broken, which it is told by a
 *  reset, but not before it has everything that came earlier. */
export class TcpEndings {
  readonly #context: WorkerContext
  readonly #table: TcpTable
  readonly #owner: SessionOwner
  readonly #pump: (direction: number) => void
  readonly #closing = new DirectionQueue()

  /** `pump` moves what a direction has. */
  constructor(context: WorkerContext, table: TcpTable, owner: SessionOwner, pump: (direction: number) => void) {
    this.#context = context
    this.#table = table
    this.#owner = owner
    this.#pump = pump
  }

  /** Half-closes what reached its end in this turn; a session that ended both ways meanwhile was simply closed. */
  closeWriteSides(): void {
    const queue = this.#closing
    const { generations, flags } = this.#table
    for (let n = 0; n < queue.length; n++) {
      const direction = queue.direction(n)
      if (generations[direction] !== queue.generation(n)) continue
      if ((flags[direction] as number) & (GONE | RESETTING)) continue
      this.#context.calls.shutdown(this.#table.fd(direction), SHUT_WR)
    }
    queue.length = 0
  }

  /** Everything `from` had to say was passed on, and nothing of it waits: says so to the other side. */
  ended(from: number): void {
    const { flags, generations, lastMs } = this.#table
    const session = from >> 1
    const to = from ^ 1
    if ((flags[from] as number) & UNWRITABLE) {
      this.broken(from, ERRNO.ECONNRESET)
      return
    }
    const end = from & 1 ? 'endpoint-closed' : 'client-closed'
    flags[from] = ((flags[from] as number) & ~READABLE) | ENDED
    this.reason(session, end)
    if ((flags[to] as number) & ENDED) {
      this.#owner.finish(session, end)
      return
    }
    lastMs[session] = this.#context.clock.now()
    flags[to] = (flags[to] as number) | SHUT
    // A reset that came behind the end is passed on behind it too.
    if ((flags[from] as number) & ABORTED) {
      this.broken(from, ERRNO.ECONNRESET)
      return
    }
    this.#closing.push(to, generations[to] as number)
    this.#owner.hasten(session)
  }

  /** Notes why a session ends; the first reason stands. */
  reason(session: number, end: SessionEnd): void {
    if (this.#table.reasons[session] === 0) this.#table.reasons[session] = sessionEndNumber(end) + 1
  }

  /** Nothing can be written to `to` any more. What it sent before that is read to its end, then it counts as broken. */
  unwritable(to: number, error: number): void {
    const { flags, generations, pending } = this.#table
    const generation = generations[to]
    pending.delete(to)
    flags[to] = ((flags[to] as number) & ~PENDING) | UNWRITABLE | READABLE
    if (error === ERRNO.ETIMEDOUT) flags[to] = (flags[to] as number) | TIMED_OUT
    if ((flags[to ^ 1] as number) & UNWRITABLE) {
      this.broken(to ^ 1, ERRNO.ECONNRESET)
      return
    }
    if (!((flags[to] as number) & ENDED)) this.#pump(to)
    this.aborted(to, generation as number)
  }

  /** The connection of `from` broke, and it was read as far as the other side takes it. */
  aborted(from: number, generation: number): void {
    const { flags, generations, reasons, lastMs } = this.#table
    if (generations[from] !== generation || (flags[from] as number) & GONE) return
    if ((flags[from] as number) & ENDED) {
      // No read will tell why.
      this.broken(from, this.#context.takeError(this.#table.fd(from)))
      return
    }
    // The other side is slow. It is waited for no longer than for the other half of a session.
    const session = from >> 1
    if (reasons[session] !== 0) return
    this.reason(session, brokenEnd(from, (flags[from] as number) & TIMED_OUT ? ERRNO.ETIMEDOUT : ERRNO.ECONNRESET))
    lastMs[session] = this.#context.clock.now()
    this.#owner.hasten(session)
  }

  /** The socket of `from` is broken, reset by its peer, or its peer is dead, and all it said was passed on. Once the other
   *  side has it, that is reset too. */
  broken(from: number, error: number): void {
    const table = this.#table
    const { flags, fds } = table
    const { calls, clock } = this.#context
    const session = from >> 1
    const to = from ^ 1
    const end = brokenEnd(from, (flags[from] as number) & TIMED_OUT ? ERRNO.ETIMEDOUT : error)
    table.reasons[session] = 0
    this.reason(session, end)
    const fd = table.fd(from)
    fds[from] = 0
    calls.close(fd)
    flags[from] = ((flags[from] as number) & ~READABLE) | ENDED | GONE
    const state = flags[to] as number
    // It closed in order before it broke: the other side is to see both.
    if (state & SHUT) calls.shutdown(table.fd(to), SHUT_WR)
    const dead = state & (GONE | UNWRITABLE | ABORTED)
    if (dead || ((table.bytes[from] as number) === 0 && !(state & SHUT)) || this.drained(to)) {
      this.#owner.finish(session, end)
      return
    }
    table.lastMs[session] = clock.now()
    flags[to] = state | RESETTING
    this.#owner.hasten(session)
  }

  /** Whether everything that was written to this side has arrived: a reset throws away what has not. */
  drained(to: number): boolean {
    const { calls, values } = this.#context
    if ((this.#table.flags[to] as number) & PENDING) return false
    if (calls.ioctl(this.#table.fd(to), SIOCOUTQ, values.cellAddress) < 0) return true
    return values.cell === 0
  }
}

function brokenEnd(from: number, error: number): SessionEnd {
  if (error === ERRNO.ETIMEDOUT) return from & 1 ? 'endpoint-idle' : 'client-idle'
  return from & 1 ? 'endpoint-reset' : 'client-reset'
}
