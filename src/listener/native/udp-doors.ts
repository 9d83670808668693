import { EPOLLIN } from '../../lib/libc/constants.ts'
import { ERRNO } from '../../lib/libc/errno.ts'
import { KIND_SHIFT, KIND_UDP_LISTENER, type WorkerContext } from './worker-context.ts'

/** How long a socket that could not be watched or read is left alone. */
const REST_MS = 100
const NEVER = Number.POSITIVE_INFINITY

/** A socket that clients send to, in one worker. */
export interface UdpDoor {
  readonly id: number
  readonly fd: number
  /** By client. */
  readonly sessions: Map<number | string, number>
  /** Takes no new clients. */
  draining: boolean
}

/** The UDP listeners of one worker. */
export class UdpDoors {
  readonly #context: WorkerContext
  readonly #doors = new Map<number, UdpDoor>()
  readonly #resting = new Set<UdpDoor>()
  #wakeMs = NEVER

  constructor(context: WorkerContext) {
    this.#context = context
  }

  get(id: number): UdpDoor | undefined {
    return this.#doors.get(id)
  }

  /** Begins to receive on a descriptor, which stays main's. */
  open(id: number, fd: number, draining: boolean): void {
    const door: UdpDoor = { id, fd, sessions: new Map(), draining }
    this.#doors.set(id, door)
    this.#watch(door)
  }

  /** Lets go of a listener's descriptor and forgets its sessions, which are over. */
  close(id: number): void {
    const door = this.#doors.get(id)
    if (!door) return
    this.#doors.delete(id)
    this.#resting.delete(door)
    this.#context.unwatch(door.fd)
  }

  /** Takes no new clients on any of them. */
  drain(): void {
    for (const door of this.#doors.values()) door.draining = true
  }

  /** Leaves a door alone for a while: the system has no memory to read it, and it would keep the loop spinning. */
  rest(door: UdpDoor): void {
    this.#context.unwatch(door.fd)
    this.#sleep(door)
  }

  /** Looks at the doors that have rested. */
  tick(now: number): void {
    if (now < this.#wakeMs) return
    this.#wakeMs = NEVER
    const rested = [...this.#resting]
    this.#resting.clear()
    for (const door of rested) this.#watch(door)
  }

  /** Milliseconds until {@link tick} has something to do, or -1. */
  waitMs(now: number): number {
    return this.#wakeMs === NEVER ? -1 : Math.max(0, Math.ceil(this.#wakeMs - now))
  }

  #watch(door: UdpDoor): void {
    const context = this.#context
    if (context.watch(door.fd, EPOLLIN, (KIND_UDP_LISTENER << KIND_SHIFT) | door.id, 0)) return
    if (context.errno[0] !== ERRNO.EEXIST) this.#sleep(door)
  }

  #sleep(door: UdpDoor): void {
    this.#resting.add(door)
    this.#wakeMs = Math.min(this.#wakeMs, this.#context.clock.now() + REST_MS)
  }
}
