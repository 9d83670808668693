import type { Arena } from '../../lib/libc/arena.ts'
import type { Calls } from '../../lib/libc/calls.ts'
import { MSG_DONTWAIT, MSG_NOSIGNAL, UDP_MAX_SEGMENTS } from '../../lib/libc/constants.ts'
import { ERRNO } from '../../lib/libc/errno.ts'
import { IoVectors, MessageBatch } from '../../lib/libc/message-batch.ts'
import { MOST_INTERRUPTIONS } from './call-errors.ts'

/** Datagrams received or sent in one call. */
export const BATCH = 64
/** The largest that a socket can hand over: one datagram, or a run that the kernel joined. */
export const SLOT_BYTES = 65_536
/** The kernel cuts runs of at most this many bytes. */
const LONGEST_RUN_BYTES = 65_000
const FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL
/** Larger than any datagram. */
const ANY_BYTES = 65_536

/** Arena bytes that a batch needs. */
export const BATCH_ARENA_BYTES = BATCH * (SLOT_BYTES + 2 * 256) + 65_536

/** Received datagrams in slots, and messages made of them: runs of equal size of one peer go out as one message that the
 *  kernel cuts again. One is used for all sockets of a worker. */
export class DatagramBatch {
  /** Why the last {@link receive} failed. */
  receiveError = 0
  readonly received: MessageBatch
  readonly #sending: MessageBatch
  readonly #vectors: IoVectors
  readonly #calls: Calls
  readonly #errno: Int32Array
  readonly #data: number
  readonly #lengths = new Int32Array(BATCH)
  readonly #segments = new Int32Array(BATCH)
  /** The slots' order in vectors: `#slots[vector]`. */
  readonly #slots = new Int32Array(BATCH)
  /** The first vector of each message, its vectors, and the segment size it is cut by (0: not cut). */
  readonly #firsts = new Int32Array(BATCH)
  readonly #counts = new Int32Array(BATCH)
  readonly #cuts = new Int32Array(BATCH)
  #messages = 0
  #vectorCount = 0
  /** The message that may still grow: bytes in it and the size of its datagrams; 0: none. */
  #runSize = 0
  #runBytes = 0
  /** Datagrams up to this size are joined to runs: longer ones do not fit through some path, or the kernel cannot cut. */
  #longestCut = ANY_BYTES

  constructor(arena: Arena, calls: Calls, errno: Int32Array) {
    this.#calls = calls
    this.#errno = errno
    this.received = new MessageBatch(arena, BATCH)
    this.#sending = new MessageBatch(arena, BATCH)
    this.#vectors = new IoVectors(arena, BATCH)
    const receiving = new IoVectors(arena, BATCH)
    this.#data = arena.allocate(BATCH * SLOT_BYTES, 4096)
    for (let slot = 0; slot < BATCH; slot++) {
      receiving.set(slot, this.#data + slot * SLOT_BYTES, SLOT_BYTES)
      this.received.setVectors(slot, receiving.offset(slot), 1)
      this.received.arm(slot)
    }
  }

  /** Receives into the first `most` slots; returns how many, or -1 with {@link receiveError}. */
  receive(fd: number, most: number): number {
    const count = this.#calls.recvmmsg(fd, this.received.address(0), most, MSG_DONTWAIT, 0)
    if (count < 0) this.receiveError = this.#errno[0] as number
    for (let slot = 0; slot < count; slot++) {
      const length = this.received.length(slot)
      const segment = this.received.segmentSize(slot)
      this.#lengths[slot] = length
      this.#segments[slot] = segment > 0 && segment < length ? segment : 0
      this.received.rearm(slot)
    }
    return count
  }

  /** Bytes in a slot. */
  bytes(slot: number): number {
    return this.#lengths[slot] as number
  }

  /** Datagrams in a slot. */
  datagrams(slot: number): number {
    const segment = this.#segments[slot] as number
    return segment === 0 ? 1 : Math.ceil((this.#lengths[slot] as number) / segment)
  }

  /** Begins a new round of messages. */
  begin(): void {
    this.#messages = 0
    this.#vectorCount = 0
    this.#runSize = 0
  }

  /** Adds a slot's datagrams, to the socket address at `nameOffset` in the arena (`nameBytes` 0: to whom the socket is
   *  connected). */
  add(slot: number, nameOffset: number, nameBytes: number): void {
    const bytes = this.#lengths[slot] as number
    const segment = this.#segments[slot] as number
    const vector = this.#vectorCount++
    this.#slots[vector] = slot
    this.#vectors.set(vector, this.#data + slot * SLOT_BYTES, bytes)
    if (this.#extendsRun(bytes, segment)) {
      const message = this.#messages - 1
      const count = (this.#counts[message] as number) + 1
      this.#counts[message] = count
      this.#sending.setVectors(message, this.#vectors.offset(this.#firsts[message] as number), count)
      if (count === 2) {
        this.#cuts[message] = this.#runSize
        this.#sending.setSegmentSize(message, this.#runSize)
      }
      this.#runBytes += bytes
      // A shorter one can only be the last.
      if (bytes < this.#runSize) this.#runSize = 0
      return
    }
    const message = this.#messages++
    this.#firsts[message] = vector
    this.#counts[message] = 1
    this.#cuts[message] = segment
    this.#sending.setVectors(message, this.#vectors.offset(vector), 1)
    this.#sending.setName(message, nameOffset, nameBytes)
    this.#sending.clearControl(message)
    if (segment > 0) this.#sending.setSegmentSize(message, segment)
    this.#runSize = segment === 0 ? bytes : 0
    this.#runBytes = bytes
  }

  /** Sends what was added; returns 0, or the errno of a socket that says nobody is there. What a full socket does not
   *  take is dropped, as a network would. */
  send(fd: number): number {
    let done = 0
    let interrupted = 0
    while (done < this.#messages) {
      const sent = this.#calls.sendmmsg(fd, this.#sending.address(done), this.#messages - done, FLAGS)
      if (sent > 0) {
        done += sent
        continue
      }
      const error = this.#errno[0] as number
      if (error === ERRNO.EINTR && ++interrupted <= MOST_INTERRUPTIONS) continue
      if (isUnreachable(error)) return error
      if (error === ERRNO.EAGAIN || error === ERRNO.ENOBUFS || error === ERRNO.ENOMEM) return 0
      if (this.#cuts[done] !== 0 && (error === ERRNO.EINVAL || error === ERRNO.EMSGSIZE || error === ERRNO.EIO)) {
        const unreachable = this.#sendSingly(fd, done, error)
        if (unreachable !== 0) return unreachable
      }
      done++
    }
    return 0
  }

  #extendsRun(bytes: number, segment: number): boolean {
    if (this.#runSize === 0 || this.#runSize > this.#longestCut) return false
    if (segment !== 0 || bytes === 0 || bytes > this.#runSize) return false
    return this.#runBytes + bytes <= LONGEST_RUN_BYTES && (this.#counts[this.#messages - 1] as number) < UDP_MAX_SEGMENTS
  }

  /** Sends the datagrams of one message each by itself: the kernel, or the way they take, cannot cut them so. */
  #sendSingly(fd: number, message: number, why: number): number {
    const first = this.#firsts[message] as number
    const count = this.#counts[message] as number
    // A run of our own making is not made again: datagrams of that size do not fit, or none can be cut at all.
    if (count > 1) this.#longestCut = why === ERRNO.EIO ? 0 : Math.min(this.#longestCut, (this.#cuts[message] as number) - 1)
    this.#sending.clearControl(message)
    for (let vector = first; vector < first + count; vector++) {
      const slot = this.#slots[vector] as number
      const length = this.#lengths[slot] as number
      const cut = (this.#segments[slot] as number) || length
      for (let at = 0; at < length; at += cut) {
        this.#vectors.set(vector, this.#data + slot * SLOT_BYTES + at, Math.min(cut, length - at))
        this.#sending.setVectors(message, this.#vectors.offset(vector), 1)
        if (this.#calls.sendmsg(fd, this.#sending.address(message), FLAGS) >= 0) continue
        const error = this.#errno[0] as number
        if (isUnreachable(error)) return error
      }
    }
    return 0
  }
}

/** Nobody is there, or there is no way there. */
function isUnreachable(error: number): boolean {
  switch (error) {
    case ERRNO.ECONNREFUSED:
    case ERRNO.EHOSTUNREACH:
    case ERRNO.ENETUNREACH:
    case ERRNO.EHOSTDOWN:
    case ERRNO.ENETDOWN:
      return true
    default:
      return false
  }
}
