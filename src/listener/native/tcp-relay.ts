import {
  EPOLLET,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  MSG_MORE,
  MSG_NOSIGNAL,
  SHUT_WR,
  SIOCOUTQ,
  SOL_TCP,
  TCP_NODELAY,
} from '../../lib/libc/constants.ts'
import { ERRNO } from '../../lib/libc/errno.ts'
import { INT_BYTES } from '../../lib/libc/option-values.ts'
import type { SessionEnd } from '../../model/session.ts'
import { sessionEndNumber } from '../../model/session.ts'
import { DirectionQueue } from './direction-queue.ts'
import { DRY, SHARE_USED, SINK_BROKEN, SINK_FULL, SOURCE_ENDED, TcpSplicer } from './tcp-splicer.ts'
import {
  ENDED,
  GONE,
  HUNG_UP,
  PENDING,
  QUEUED,
  READABLE,
  RESETTING,
  SENT_ONCE,
  SHUT,
  type TcpTable,
  UNDELAYED,
  UNWRITABLE,
  URGENT,
  WATCHING_OUT,
  WRITABLE,
} from './tcp-table.ts'
import { COPY_BYTES, KIND_SHIFT, KIND_TCP, type WorkerContext } from './worker-context.ts'

/** What every session socket is watched for. */
export const SESSION_MASK = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET
/** Bytes one direction may move before it is another's turn. */
const SHARE_BYTES = 262_144
/** Reads in a row that filled the buffer before a direction is spliced. */
const FULL_READS = 2
/** The last bytes wait for the end of the turn, to travel with the FIN. */
const LAST_BYTES = MSG_NOSIGNAL | MSG_MORE
/** What {@link TcpRelay.write} answers when nothing could be written: not now, or never again. */
export const BLOCKED = -1
export const BROKEN = -2

/** What the relay asks of those who know sessions. */
export interface RelayOwner {
  /** Both directions have ended, or nothing can move any more. */
  finish(session: number, end: SessionEnd): void
  /** Looks at the session again soon: its deadline came nearer. */
  hasten(session: number): void
}

/** Moves bytes between the two sockets of connected sessions: small messages are copied through one buffer, bulk is
 *  spliced through a borrowed pipe. Each direction has its share per turn and then queues, so that bulk does not hold up
 *  small messages. */
export class TcpRelay implements Disposable {
  readonly #context: WorkerContext
  readonly #table: TcpTable
  readonly #owner: RelayOwner
  readonly #splicer: TcpSplicer
  #running = new DirectionQueue()
  #waiting = new DirectionQueue()
  readonly #closing = new DirectionQueue()

  constructor(context: WorkerContext, table: TcpTable, owner: RelayOwner, mostPipes: number) {
    this.#context = context
    this.#table = table
    this.#owner = owner
    this.#splicer = new TcpSplicer(context, table, mostPipes, (from, bytes) => this.#count(from, bytes))
  }

  /** Whether a direction waits for its next share: the loop must not sleep. */
  get busy(): boolean {
    return this.#waiting.length > 0
  }

  /** Gives every waiting direction its share. */
  runQueued(): void {
    const queue = this.#waiting
    this.#waiting = this.#running
    this.#running = queue
    const { generations, flags } = this.#table
    for (let n = 0; n < queue.length; n++) {
      const direction = queue.direction(n)
      if (generations[direction] !== queue.generation(n)) continue
      flags[direction] = (flags[direction] as number) & ~QUEUED
      this.pump(direction)
    }
    queue.length = 0
  }

  /** Half-closes what reached its end in this turn; a session that ended both ways meanwhile is simply closed. */
  closeWriteSides(): void {
    const queue = this.#closing
    const { generations, flags } = this.#table
    for (let n = 0; n < queue.length; n++) {
      const direction = queue.direction(n)
      if (generations[direction] !== queue.generation(n)) continue
      if ((flags[direction] as number) & (GONE | PENDING)) continue
      this.#context.calls.shutdown(this.#table.fd(direction), SHUT_WR)
    }
    queue.length = 0
  }

  /** Writes from arena memory to the socket of `to`: how much, or BLOCKED, or BROKEN. */
  write(to: number, address: number, bytes: number, sendFlags = MSG_NOSIGNAL): number {
    const flags = this.#table.flags[to] as number
    if (!(flags & UNDELAYED) && to & 1) this.#noteWrite(to, flags)
    const written = this.#context.calls.send(this.#table.fd(to), address, bytes, sendFlags)
    if (written >= 0) return written
    return this.#context.errno[0] === ERRNO.EAGAIN ? BLOCKED : BROKEN
  }

  /** Keeps what could not be written to `to`, copied from the arena, until it can. */
  keep(to: number, offset: number, bytes: number): void {
    this.#table.pending.set(to, this.#context.arena.u8.slice(offset, offset + bytes))
    this.#table.flags[to] = (this.#table.flags[to] as number) | PENDING
  }

  /** The socket of `to` can be written again. */
  writable(to: number): void {
    const { flags } = this.#table
    flags[to] = (flags[to] as number) | WRITABLE
    if ((flags[to] as number) & PENDING && !this.flush(to)) return
    const from = to ^ 1
    if ((flags[from] as number) & (READABLE | HUNG_UP) || (this.#table.pipes[from] as number) >= 0) this.pump(from)
  }

  /** Writes what waits for `to`; true when nothing waits any more and the session lives. */
  flush(to: number): boolean {
    const { pending, flags, generations } = this.#table
    const waiting = pending.get(to)
    if (waiting === undefined) return true
    const generation = generations[to]
    const { arena, copyOffset, copyAddress } = this.#context
    arena.u8.set(waiting, copyOffset)
    const written = this.write(to, copyAddress, waiting.length)
    if (written === waiting.length) {
      pending.delete(to)
      flags[to] = (flags[to] as number) & ~PENDING
      this.#table.lastMs[to >> 1] = this.#context.clock.now()
      const from = to ^ 1
      if ((flags[from] as number) & ENDED && !((flags[to] as number) & SHUT)) this.#shut(to)
      return true
    }
    if (written === BROKEN) {
      this.#unwritable(to)
      return generations[to] === generation && !((flags[to] as number) & UNWRITABLE)
    }
    if (written > 0) {
      pending.set(to, waiting.subarray(written))
      this.#table.lastMs[to >> 1] = this.#context.clock.now()
    }
    this.#awaitWritable(to)
    return false
  }

  /** Moves bytes from `from` to the other side until there are none, the other side is full, or the share is used up. */
  pump(from: number): void {
    const { flags } = this.#table
    const to = from ^ 1
    if ((flags[from] as number) & (ENDED | GONE)) return
    if ((flags[to] as number) & (PENDING | UNWRITABLE | GONE)) return
    if ((this.#table.pipes[from] as number) >= 0) this.#splice(from, to)
    else this.#copy(from, to)
  }

  /** Whether everything that was written to this side has left this machine. */
  drained(to: number): boolean {
    const { calls, values } = this.#context
    if ((this.#table.flags[to] as number) & PENDING) return false
    if (calls.ioctl(this.#table.fd(to), SIOCOUTQ, values.cellAddress) < 0) return true
    return values.cell === 0
  }

  /** Gives back what a session borrowed. */
  release(session: number): void {
    this.#splicer.stop(2 * session)
    this.#splicer.stop(2 * session + 1)
  }

  [Symbol.dispose](): void {
    this.#splicer[Symbol.dispose]()
  }

  #copy(from: number, to: number): void {
    const { calls, copyAddress, copyOffset, errno } = this.#context
    const table = this.#table
    const { flags } = table
    const fd = table.fd(from)
    let left = SHARE_BYTES
    let full = 0
    for (;;) {
      const read = calls.recv(fd, copyAddress, COPY_BYTES, 0)
      if (read > 0) {
        this.#count(from, read)
        const short = read < COPY_BYTES
        const last = short && ((flags[from] as number) & (HUNG_UP | URGENT)) === HUNG_UP
        const written = this.write(to, copyAddress, read, last ? LAST_BYTES : MSG_NOSIGNAL)
        if (written === read) {
          if (short) {
            flags[from] = (flags[from] as number) & ~READABLE
            if (last) this.#ended(from)
            return
          }
          if (++full >= FULL_READS && this.#splicer.start(from)) {
            this.#splice(from, to)
            return
          }
          left -= read
          if (left <= 0) {
            this.#queue(from)
            return
          }
          continue
        }
        if (written === BROKEN) {
          this.#unwritable(to)
          return
        }
        const done = written < 0 ? 0 : written
        this.keep(to, copyOffset + done, read - done)
        this.#awaitWritable(to)
        return
      }
      if (read === 0) {
        this.#ended(from)
        return
      }
      const error = errno[0]
      if (error === ERRNO.EAGAIN) {
        flags[from] = (flags[from] as number) & ~READABLE
        return
      }
      if (error === ERRNO.EINTR) continue
      this.broken(from, error as number)
      return
    }
  }

  #splice(from: number, to: number): void {
    const outcome = this.#splicer.run(from, SHARE_BYTES)
    if (outcome === DRY) return
    if (outcome === SHARE_USED) this.#queue(from)
    else if (outcome === SINK_FULL) this.#awaitWritable(to)
    else if (outcome === SINK_BROKEN) this.#unwritable(to)
    else if (outcome === SOURCE_ENDED) this.#ended(from)
    else this.broken(from, outcome)
  }

  #count(from: number, bytes: number): void {
    const table = this.#table
    const session = from >> 1
    table.bytes[from] = (table.bytes[from] as number) + bytes
    table.lastMs[session] = this.#context.clock.now()
    table.lastSide[session] = from & 1
  }

  #queue(from: number): void {
    const { flags, generations } = this.#table
    if ((flags[from] as number) & QUEUED) return
    flags[from] = (flags[from] as number) | QUEUED
    this.#waiting.push(from, generations[from] as number)
  }

  /** Nagle's delay is wanted for a first write, which travels with the handshake's last packet, and for no other. */
  #noteWrite(to: number, flags: number): void {
    if (!(flags & SENT_ONCE)) {
      this.#table.flags[to] = flags | SENT_ONCE
      return
    }
    this.#table.flags[to] = flags | UNDELAYED
    this.#context.calls.setsockopt(this.#table.fd(to), SOL_TCP, TCP_NODELAY, this.#context.values.one, INT_BYTES)
  }

  #awaitWritable(to: number): void {
    const table = this.#table
    const flags = table.flags[to] as number
    table.flags[to] = (flags & ~WRITABLE) | WATCHING_OUT
    if (flags & WATCHING_OUT) return
    this.#context.rewatch(table.fd(to), SESSION_MASK | EPOLLOUT, (KIND_TCP << KIND_SHIFT) | to, table.generations[to] as number)
  }

  /** Everything `from` had to say was passed on: says so to the other side. */
  #ended(from: number): void {
    const { flags } = this.#table
    const to = from ^ 1
    if ((flags[from] as number) & UNWRITABLE) {
      this.broken(from, ERRNO.ECONNRESET)
      return
    }
    flags[from] = ((flags[from] as number) & ~READABLE) | ENDED
    this.#splicer.stop(from)
    const session = from >> 1
    this.reason(session, from & 1 ? 'endpoint-closed' : 'client-closed')
    if ((flags[to] as number) & ENDED) {
      // Both sides have said all they had to say; what is pending went out before the other's end could be read.
      this.#owner.finish(session, from & 1 ? 'endpoint-closed' : 'client-closed')
      return
    }
    this.#owner.hasten(session)
    if (!((flags[to] as number) & PENDING)) this.#shut(to)
  }

  #shut(to: number): void {
    const { flags, generations } = this.#table
    flags[to] = (flags[to] as number) | SHUT
    this.#closing.push(to, generations[to] as number)
  }

  /** Notes why a session ends; the first reason stands. */
  reason(session: number, end: SessionEnd): void {
    if (this.#table.reasons[session] === 0) this.#table.reasons[session] = sessionEndNumber(end) + 1
  }

  /** Nothing can be written to `to` any more. What it sent before that is read to its end, then it counts as broken. */
  #unwritable(to: number): void {
    const { flags, pending } = this.#table
    pending.delete(to)
    flags[to] = ((flags[to] as number) & ~PENDING) | UNWRITABLE | READABLE
    if ((flags[to] as number) & ENDED) this.broken(to, ERRNO.ECONNRESET)
    else this.pump(to)
  }

  /** The socket of `from` is broken: reset by its peer, or its peer is dead. Once the other side has everything that came
   *  before, it is reset too. */
  broken(from: number, error: number): void {
    const { flags } = this.#table
    const session = from >> 1
    const to = from ^ 1
    this.#table.reasons[session] = 0
    this.reason(session, brokenEnd(from, error))
    this.#context.calls.close(this.#table.fd(from))
    this.#table.fds[from] = 0
    flags[from] = ((flags[from] as number) & ~READABLE) | ENDED | GONE
    if ((flags[to] as number) & GONE || (this.#table.bytes[from] as number) === 0 || this.drained(to)) {
      this.#owner.finish(session, brokenEnd(from, error))
      return
    }
    flags[to] = (flags[to] as number) | RESETTING
    this.#owner.hasten(session)
  }
}

function brokenEnd(from: number, error: number): SessionEnd {
  if (error === ERRNO.ETIMEDOUT) return from & 1 ? 'endpoint-idle' : 'client-idle'
  return from & 1 ? 'endpoint-reset' : 'client-reset'
}
