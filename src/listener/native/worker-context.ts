import type { Clock } from '../../lib/clock.ts'
import { ProxyError } from '../../lib/errors.ts'
import { type Arena, openArena } from '../../lib/libc/arena.ts'
import type { Calls } from '../../lib/libc/calls.ts'
import {
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  SO_ERROR,
  SOL_SOCKET,
  SOL_TCP,
  TCP_USER_TIMEOUT,
} from '../../lib/libc/constants.ts'
import { EpollChange, EpollEvents } from '../../lib/libc/epoll-events.ts'
import { errnoName } from '../../lib/libc/errno.ts'
import type { Libc } from '../../lib/libc/load.ts'
import { INT_BYTES, OptionValues } from '../../lib/libc/option-values.ts'
import { SOCKET_ADDRESS_BYTES } from '../../lib/libc/socket-address.ts'
import type { SessionPolicy } from '../listener.ts'
import { HEADER_ROOM_BYTES } from '../proxy-header.ts'
import { EPOLL_CELL, type Estate, FIRST_PIPE_CELL, forgetArena, noteArena } from './estate.ts'

/** Kinds of things that are registered with epoll; an event carries `kind << KIND_SHIFT | index` and a generation. */
export const KIND_SHIFT = 26
export const KIND_TCP = 0
export const KIND_TCP_LISTENER = 1
export const KIND_UDP_LISTENER = 2
export const KIND_UDP = 3
export const KIND_WAKE = 4
/** Another worker has something to tell about sessions that wait. */
export const KIND_BELL = 5
/** The index is the descriptor of a raw socket. */
export const KIND_SCTP = 6
export const INDEX_MASK = (1 << KIND_SHIFT) - 1

/** Events taken from the kernel at once. */
const EVENTS = 512
/** Where bytes are copied through: also the most a session may hold back for a slow reader. */
export const COPY_BYTES = 65_536
/** Room for an endpoint's address in the table of addresses. */
const ADDRESS_STRIDE = 32

/** Time as a loop sees it: read once a turn. */
export class LoopClock implements Clock {
  readonly #clock: Clock
  #nowMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#nowMs = clock.now()
  }

  now(): number {
    return this.#nowMs
  }

  wall(): number {
    return this.#clock.wall()
  }

  after(delayMs: number, run: () => void) {
    return this.#clock.after(delayMs, run)
  }

  /** Reads the time anew. */
  tick(): number {
    this.#nowMs = this.#clock.now()
    return this.#nowMs
  }
}

/** What a {@link WorkerContext} is made of. */
export interface ContextParts {
  readonly libc: Libc
  readonly policy: SessionPolicy
  readonly clock: LoopClock
  readonly estate: Estate
  /** Endpoints there may be. */
  readonly endpointSlots: number
  readonly nextId: () => number
  /** Told of an error of ours that ended one session. */
  readonly onFault: (error: unknown) => void
}

/** What everything in one worker's loop shares. Made and disposed by the loop. */
export class WorkerContext implements Disposable {
  readonly libc: Libc
  readonly calls: Calls
  readonly errno: Int32Array
  readonly arena: Arena
  readonly epoll: number
  readonly events: EpollEvents
  readonly change: EpollChange
  readonly values: OptionValues
  /** Another one stands in its place while sessions are followed. */
  policy: SessionPolicy
  readonly clock: LoopClock
  readonly nextId: () => number
  readonly onFault: (error: unknown) => void
  /** Where the pipe pool notes its descriptors. */
  readonly pipeDescriptors: Int32Array
  /** Set when the system had no descriptor for a session that was accepted. */
  outOfDescriptors = false
  /** Bytes pass through here: arena offset and address. */
  readonly copyOffset: number
  readonly copyAddress: number
  /** Room before the copy buffer for what goes ahead of the first bytes. */
  readonly preludeOffset: number
  /** Address of eight bytes that say 1: what is written to an eventfd. */
  readonly one: number
  /** A socket address, and its length behind it, for accept4. */
  readonly peerOffset: number
  readonly peerAddress: number
  readonly peerLengthOffset: number
  readonly peerLengthAddress: number
  readonly #estate: Estate
  readonly #arenas: Arena[] = []
  /** Addresses of endpoints by slot. */
  readonly #addresses: number

  constructor({ libc, policy, clock, estate, endpointSlots, nextId, onFault }: ContextParts) {
    this.libc = libc
    this.calls = libc.calls
    this.errno = libc.errno
    this.policy = policy
    this.clock = clock
    this.nextId = nextId
    this.onFault = onFault
    this.#estate = estate
    this.pipeDescriptors = estate.descriptors.subarray(FIRST_PIPE_CELL)
    this.arena = this.openArena(2 * COPY_BYTES + EVENTS * 16 + endpointSlots * ADDRESS_STRIDE + 65_536)
    const { arena } = this
    this.events = new EpollEvents(arena, libc.layout, EVENTS)
    this.change = new EpollChange(arena, libc.layout)
    this.values = new OptionValues(arena)
    this.preludeOffset = arena.allocate(HEADER_ROOM_BYTES + COPY_BYTES, 4096)
    this.copyOffset = this.preludeOffset + HEADER_ROOM_BYTES
    this.copyAddress = arena.addressOf(this.copyOffset)
    this.peerOffset = arena.allocate(SOCKET_ADDRESS_BYTES)
    this.peerAddress = arena.addressOf(this.peerOffset)
    this.peerLengthOffset = arena.allocate(4)
    this.peerLengthAddress = arena.addressOf(this.peerLengthOffset)
    const one = arena.allocate(8)
    arena.u32[one >> 2] = 1
    this.one = arena.addressOf(one)
    this.#addresses = arena.allocate(endpointSlots * ADDRESS_STRIDE, 64)
    this.epoll = this.calls.epoll_create1(EPOLL_CLOEXEC)
    if (this.epoll < 0) throw new ProxyError('E_ENGINE', 'system', `epoll_create1: ${errnoName(this.errno[0] as number)}`)
    estate.descriptors[EPOLL_CELL] = this.epoll + 1
  }

  /** The arena offset of an endpoint's socket address. */
  addressOffset(slot: number): number {
    return this.#addresses + slot * ADDRESS_STRIDE
  }

  /** Memory that goes with this context, or with its thread. */
  openArena(bytes: number): Arena {
    const arena = openArena(this.libc, bytes)
    noteArena(this.#estate, arena)
    this.#arenas.push(arena)
    return arena
  }

  /** Registers a descriptor; false: the kernel had no memory for it. */
  watch(fd: number, mask: number, token: number, generation: number): boolean {
    return this.calls.epoll_ctl(this.epoll, EPOLL_CTL_ADD, fd, this.change.set(mask, token, generation)) === 0
  }

  /** Changes what a registered descriptor is watched for; false: it could not be done. */
  rewatch(fd: number, mask: number, token: number, generation: number): boolean {
    return this.calls.epoll_ctl(this.epoll, EPOLL_CTL_MOD, fd, this.change.set(mask, token, generation)) === 0
  }

  /** Gives up a TCP peer that does not acknowledge for so long what was sent to it. */
  limitSilence(fd: number, userTimeoutMs: number): void {
    this.calls.setsockopt(fd, SOL_TCP, TCP_USER_TIMEOUT, this.values.int(userTimeoutMs), INT_BYTES)
  }

  /** Why a socket is broken, which it tells once; 0: it has told already. */
  takeError(fd: number): number {
    const { calls, values, arena, peerLengthOffset, peerLengthAddress } = this
    arena.i32[peerLengthOffset >> 2] = INT_BYTES
    return calls.getsockopt(fd, SOL_SOCKET, SO_ERROR, values.cellAddress, peerLengthAddress) < 0 ? 0 : values.cell
  }

  unwatch(fd: number): void {
    this.calls.epoll_ctl(this.epoll, EPOLL_CTL_DEL, fd, this.change.set(0, 0, 0))
  }

  [Symbol.dispose](): void {
    this.#estate.descriptors[EPOLL_CELL] = 0
    this.calls.close(this.epoll)
    for (const arena of this.#arenas) {
      forgetArena(this.#estate, arena)
      arena[Symbol.dispose]()
    }
  }
}
