import { EPOLLEXCLUSIVE, EPOLLIN, SHUT_RD, SO_LINGER, SOCK_CLOEXEC, SOCK_NONBLOCK, SOL_SOCKET } from '../../lib/libc/constants.ts'
import { ERRNO } from '../../lib/libc/errno.ts'
import { LINGER_BYTES } from '../../lib/libc/option-values.ts'
import { SOCKET_ADDRESS_BYTES } from '../../lib/libc/socket-address.ts'
import type { ClientAddress } from '../../model/session.ts'
import { MutableFacts } from '../session-facts.ts'
import { readPeer } from './endpoint-addresses.ts'
import type { TcpSessions } from './tcp-sessions.ts'
import { KIND_SHIFT, KIND_TCP_LISTENER, type WorkerContext } from './worker-context.ts'

const ACCEPT_FLAGS = SOCK_NONBLOCK | SOCK_CLOEXEC
/** Connections taken from one listener before it is another's turn. */
const ACCEPTS_PER_TURN = 64
/** More than any accept queue holds. */
const ACCEPTS_AT_THE_END = 65_536
/** How long accepting pauses when the system has no descriptor, port or memory left. */
const PAUSE_MS = 100
/** Descriptors of one session. */
const PER_SESSION = 2
const NEVER = Number.POSITIVE_INFINITY

interface TcpDoor {
  readonly id: number
  readonly fd: number
  readonly shared: boolean
}

/** The TCP listeners of one worker. Clients that there is no room for wait in the kernel's queues: the listeners leave epoll
 *  meanwhile, because one that stays readable would keep the loop spinning. */
export class TcpDoors {
  readonly #context: WorkerContext
  readonly #sessions: TcpSessions
  readonly #descriptorsLeft: () => number
  readonly #doors = new Map<number, TcpDoor>()
  readonly #client: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  readonly #facts = new MutableFacts()
  #paused = false
  /** When a pause is over; NEVER: when there is room. */
  #resumeMs = NEVER

  /** `descriptorsLeft` tells how many sessions may still take. */
  constructor(context: WorkerContext, sessions: TcpSessions, descriptorsLeft: () => number) {
    this.#context = context
    this.#sessions = sessions
    this.#descriptorsLeft = descriptorsLeft
  }

  /** Begins to accept on a descriptor, which stays main's. */
  open(id: number, fd: number, shared: boolean): void {
    const door = { id, fd, shared }
    this.#doors.set(id, door)
    if (!this.#paused && !this.#watch(door)) this.#pause(PAUSE_MS)
  }

  /** Lets go of a listener's descriptor. */
  close(id: number): void {
    const door = this.#doors.get(id)
    if (!door) return
    this.#doors.delete(id)
    this.#context.unwatch(door.fd)
  }

  /** Takes what the queues hold, as far as there is room, and lets go of every listener. None accepts any more: who came
   *  between the last look into its queue and its end would be reset, so that time is as short as it can be, and the queue
   *  takes but one. A listener that workers share is main's to end: to listen again would open what another worker shut. */
  drain(): void {
    const { calls } = this.#context
    for (const door of this.#doors.values()) {
      if (!door.shared) calls.listen(door.fd, 0)
      this.#accept(door, ACCEPTS_AT_THE_END)
      if (!door.shared) calls.shutdown(door.fd, SHUT_RD)
      this.#context.unwatch(door.fd)
    }
    this.#doors.clear()
  }

  /** Clients have come to a listener. */
  knocked(id: number): void {
    const door = this.#doors.get(id)
    if (door && !this.#paused) this.#accept(door, ACCEPTS_PER_TURN)
  }

  /** Sessions ended, or more of them are allowed. */
  roomMade(): void {
    if (!this.#paused || this.#resumeMs !== NEVER) return
    const left = this.#descriptorsLeft()
    if (left < PER_SESSION) return
    // Every listener is put back, and taken out again when it is full: that is done once for many sessions.
    this.#resumeMs = this.#context.clock.now() + (left >= this.#doors.size ? 0 : PAUSE_MS)
  }

  /** Goes on accepting if it is time. */
  tick(now: number): void {
    if (now < this.#resumeMs) return
    if (this.#descriptorsLeft() < PER_SESSION) {
      this.#resumeMs = NEVER
      return
    }
    this.#paused = false
    this.#resumeMs = NEVER
    for (const door of this.#doors.values()) {
      if (this.#watch(door)) continue
      this.#pause(PAUSE_MS)
      return
    }
  }

  /** Milliseconds until {@link tick} has something to do, or -1. */
  waitMs(now: number): number {
    return this.#resumeMs === NEVER ? -1 : Math.max(0, Math.ceil(this.#resumeMs - now))
  }

  #accept(door: TcpDoor, most: number): void {
    const context = this.#context
    const { calls, arena, peerAddress, peerLengthAddress, peerLengthOffset, errno } = context
    let lost = 0
    for (let n = 0; n < most; n++) {
      if (this.#descriptorsLeft() < PER_SESSION) {
        this.#pause(NEVER)
        return
      }
      arena.i32[peerLengthOffset >> 2] = SOCKET_ADDRESS_BYTES
      const fd = calls.accept4(door.fd, peerAddress, peerLengthAddress, ACCEPT_FLAGS)
      if (fd < 0) {
        const error = errno[0] as number
        if (error === ERRNO.EAGAIN) return
        if (isOfThisClient(error) && ++lost < ACCEPTS_PER_TURN) continue
        this.#pause(PAUSE_MS)
        return
      }
      readPeer(context, this.#client)
      if (!this.#sessions.begin(fd, door.id, this.#client)) this.#turnAway(fd, door.id)
      if (!context.outOfDescriptors) continue
      context.outOfDescriptors = false
      this.#pause(PAUSE_MS)
      return
    }
  }

  /** Resets a client that there is no room for. */
  #turnAway(fd: number, listener: number): void {
    const { calls, values, policy, clock, nextId } = this.#context
    calls.setsockopt(fd, SOL_SOCKET, SO_LINGER, values.reset, LINGER_BYTES)
    calls.close(fd)
    const facts = this.#facts
    facts.id = nextId()
    facts.listener = listener
    facts.client = this.#client
    facts.end = 'over-limit'
    facts.startedMs = clock.now()
    facts.endedMs = facts.startedMs
    policy.refused(facts)
  }

  #pause(forMs: number): void {
    if (!this.#paused) for (const door of this.#doors.values()) this.#context.unwatch(door.fd)
    this.#paused = true
    this.#resumeMs = this.#context.clock.now() + forMs
  }

  #watch({ id, fd, shared }: TcpDoor): boolean {
    const mask = shared ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN
    const context = this.#context
    return context.watch(fd, mask, (KIND_TCP_LISTENER << KIND_SHIFT) | id, 0) || context.errno[0] === ERRNO.EEXIST
  }
}

/** A client that left again, or a network error on its way in: the next one may be fine. */
function isOfThisClient(error: number): boolean {
  switch (error) {
    case ERRNO.EINTR:
    case ERRNO.ECONNABORTED:
    case ERRNO.EPROTO:
    case ERRNO.ENETDOWN:
    case ERRNO.ENETUNREACH:
    case ERRNO.EHOSTDOWN:
    case ERRNO.EHOSTUNREACH:
    case ERRNO.ENOPROTOOPT:
      return true
    default:
      return false
  }
}
