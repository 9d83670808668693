import {
  EPOLLET,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  MSG_MORE,
  MSG_NOSIGNAL,
  SOL_TCP,
  TCP_NODELAY,
} from '../../lib/libc/constants.ts'
import { ERRNO } from '../../lib/libc/errno.ts'
import { INT_BYTES } from '../../lib/libc/option-values.ts'
import { MOST_INTERRUPTIONS, ownEnd } from './call-errors.ts'
import { DirectionQueue } from './direction-queue.ts'
import { type SessionOwner, TcpEndings } from './tcp-endings.ts'
import { COPY_NEXT, DRY, SHARE_USED, SINK_FAILED, SINK_FULL, TcpSplicer } from './tcp-splicer.ts'
import {
  ABORTED,
  DEAF,
  ENDED,
  GONE,
  HUNG_UP,
  PENDING,
  QUEUED,
  READABLE,
  SENT_ONCE,
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
/** The same for one that need not be read. */
const DEAF_MASK = EPOLLRDHUP | EPOLLET
/** Bytes one direction may move before it is another's turn. */
const SHARE_BYTES = 262_144
/** Reads in a row that filled the buffer before a direction is spliced. */
const FULL_READS = 2
/** The last bytes wait for the end of the turn, to travel with the FIN. */
const LAST_BYTES = MSG_NOSIGNAL | MSG_MORE
/** What {@link TcpRelay.write} answers when nothing could be written: not now, or never again. */
export const BLOCKED = -1
export const FAILED = -2

/** Moves bytes between the two sockets of connected sessions: small messages are copied through one buffer, bulk is
 *  spliced through a borrowed pipe. Each direction has its share per turn and then queues, so that bulk does not hold up
 *  small messages. */
export class TcpRelay implements Disposable {
  readonly endings: TcpEndings
  /** Why a write failed. */
  writeError = 0
  readonly #context: WorkerContext
  readonly #table: TcpTable
  readonly #owner: SessionOwner
  readonly #splicer: TcpSplicer
  #running = new DirectionQueue()
  #waiting = new DirectionQueue()

  constructor(context: WorkerContext, table: TcpTable, owner: SessionOwner) {
    this.#context = context
    this.#table = table
    this.#owner = owner
    this.#splicer = new TcpSplicer(context, table, (from, bytes) => this.#count(from, bytes))
    this.endings = new TcpEndings(context, table, owner, (direction) => this.pump(direction))
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

  /** Writes from arena memory to the socket of `to`: how much, or BLOCKED, or FAILED. */
  write(to: number, address: number, bytes: number, sendFlags = MSG_NOSIGNAL): number {
    const flags = this.#table.flags[to] as number
    if (!(flags & UNDELAYED) && to & 1) this.#noteWrite(to, flags)
    const { calls, errno } = this.#context
    for (let interrupted = 0; ; interrupted++) {
      const written = calls.send(this.#table.fd(to), address, bytes, sendFlags)
      if (written >= 0) return written
      const error = errno[0] as number
      if (error === ERRNO.EAGAIN) return BLOCKED
      if (error === ERRNO.EINTR && interrupted < MOST_INTERRUPTIONS) continue
      this.writeError = error
      return FAILED
    }
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
    if ((flags[from] as number) & (READABLE | HUNG_UP | ABORTED) || (this.#table.pipes[from] as number) >= 0) this.pump(from)
  }

  /** Writes what waits for `to`; true when nothing waits any more and the session lives. */
  flush(to: number): boolean {
    const { pending, flags, lastMs } = this.#table
    const waiting = pending.get(to)
    if (waiting === undefined) return true
    const { arena, copyOffset, copyAddress, clock } = this.#context
    let done = 0
    while (done < waiting.length) {
      const piece = waiting.subarray(done, done + COPY_BYTES)
      arena.u8.set(piece, copyOffset)
      const written = this.write(to, copyAddress, piece.length)
      if (written === FAILED) {
        this.#sinkFailed(to, this.writeError)
        return false
      }
      if (written > 0) done += written
      if (written < piece.length) break
    }
    if (done > 0) lastMs[to >> 1] = clock.now()
    if (done < waiting.length) {
      if (done > 0) pending.set(to, waiting.subarray(done))
      this.#awaitWritable(to)
      return false
    }
    pending.delete(to)
    flags[to] = (flags[to] as number) & ~PENDING
    return true
  }

  /** Moves bytes from `from` to the other side until there are none, the other side is full, or the share is used up. */
  pump(from: number): void {
    const { flags } = this.#table
    if ((flags[from] as number) & (ENDED | GONE)) return
    const sink = flags[from ^ 1] as number
    if (sink & (PENDING | UNWRITABLE | GONE)) {
      if (sink & PENDING) this.#stopListening(from)
    } else if ((this.#table.pipes[from] as number) >= 0) this.#splice(from, (sink & WRITABLE) === 0)
    else this.#copy(from)
  }

  /** Takes out what stands in a direction's pipe, which is given back.
   *  @throws ProxyError E_ENGINE when it cannot be read. */
  drainPipe(from: number): Uint8Array | undefined {
    return this.#splicer.drain(from)
  }

  /** Gives back what a session borrowed. */
  release(session: number): void {
    this.#splicer.stop(2 * session)
    this.#splicer.stop(2 * session + 1)
  }

  [Symbol.dispose](): void {
    this.#splicer[Symbol.dispose]()
  }

  #copy(from: number): void {
    const { calls, copyAddress, copyOffset, errno } = this.#context
    const { flags } = this.#table
    const fd = this.#table.fd(from)
    const to = from ^ 1
    let left = SHARE_BYTES
    let full = 0
    let interrupted = 0
    for (;;) {
      const read = calls.recv(fd, copyAddress, COPY_BYTES, 0)
      if (read > 0) {
        this.#count(from, read)
        // A short read emptied the socket, unless urgent data or the connection's end is next; or may be, for nobody asked.
        const state = flags[from] as number
        const emptied = read < COPY_BYTES && !(state & (URGENT | ABORTED | DEAF))
        const last = emptied && (state & HUNG_UP) !== 0
        const written = this.write(to, copyAddress, read, last ? LAST_BYTES : MSG_NOSIGNAL)
        if (written === read) {
          if (emptied) {
            if (last) this.#sourceEnded(from)
            else this.#awaitReadable(from)
            return
          }
          if (read === COPY_BYTES && ++full >= FULL_READS && this.#splicer.start(from)) {
            this.#splice(from, false)
            return
          }
          left -= read
          if (left > 0) continue
          this.#queue(from)
          return
        }
        if (written === FAILED) {
          this.#sinkFailed(to, this.writeError)
          return
        }
        const done = written < 0 ? 0 : written
        this.keep(to, copyOffset + done, read - done)
        this.#awaitWritable(to)
        return
      }
      if (read === 0) {
        this.#sourceEnded(from)
        return
      }
      const error = errno[0] as number
      if (error === ERRNO.EAGAIN) {
        this.#awaitReadable(from)
        return
      }
      if (error === ERRNO.EINTR && ++interrupted <= MOST_INTERRUPTIONS) continue
      this.#sourceFailed(from, error)
      return
    }
  }

  /** `wasFull`: the sink took nothing before this, and is not known to take something now. */
  #splice(from: number, wasFull: boolean): void {
    const { flags, generations } = this.#table
    const generation = generations[from] as number
    const outcome = this.#splicer.run(from, SHARE_BYTES)
    switch (outcome) {
      case DRY:
        this.#awaitReadable(from)
        return
      case SHARE_USED:
        this.#queue(from)
        return
      case SINK_FULL:
        this.#awaitWritable(from ^ 1)
        if ((flags[from] as number) & UNWRITABLE) this.endings.aborted(from, generation)
        else if (wasFull && generations[from] === generation) this.#stopListening(from)
        return
      case SINK_FAILED:
        this.#sinkFailed(from ^ 1, this.#splicer.sinkError)
        return
      case COPY_NEXT:
        this.#splicer.stop(from)
        this.#copy(from)
        return
      default:
        this.#sourceFailed(from, outcome)
    }
  }

  #sourceEnded(from: number): void {
    this.#splicer.stop(from)
    this.endings.ended(from)
  }

  #sourceFailed(from: number, error: number): void {
    const end = ownEnd(error)
    if (end !== undefined) {
      this.#owner.stop(from >> 1, end)
      return
    }
    this.release(from >> 1)
    this.endings.broken(from, error)
  }

  #sinkFailed(to: number, error: number): void {
    const end = ownEnd(error)
    if (end !== undefined) this.#owner.stop(to >> 1, end)
    else this.endings.unwritable(to, error)
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
    const { flags } = this.#table
    const state = flags[to] as number
    flags[to] = (state & ~WRITABLE) | WATCHING_OUT
    if (!(state & WATCHING_OUT)) this.#watchAgain(to)
  }

  /** What `from` had was taken: it is to tell when it has more. */
  #awaitReadable(from: number): void {
    const { flags } = this.#table
    const state = flags[from] as number
    flags[from] = state & ~(READABLE | DEAF)
    if (state & DEAF) this.#watchAgain(from)
  }

  /** More has come while the other side is full: from here on that is no news, until there is room again. A sender much
   *  faster than its reader would keep waking this thread for nothing. */
  #stopListening(from: number): void {
    const { flags } = this.#table
    const state = flags[from] as number
    if (state & DEAF) return
    flags[from] = state | DEAF
    this.#watchAgain(from)
  }

  #watchAgain(direction: number): void {
    const table = this.#table
    const state = table.flags[direction] as number
    const mask = (state & DEAF ? DEAF_MASK : SESSION_MASK) | (state & WATCHING_OUT ? EPOLLOUT : 0)
    const token = (KIND_TCP << KIND_SHIFT) | direction
    const watched = this.#context.rewatch(table.fd(direction), mask, token, table.generations[direction] as number)
    if (!watched) this.#owner.stop(direction >> 1, 'over-limit')
  }
}
