import type { Clock } from '../../lib/clock.ts'
import type { CoarseTimer } from '../../lib/coarse-timer.ts'
import { errnoOf } from '../../lib/errors.ts'
import type { SessionPolicy, SessionTimeouts } from '../listener.ts'
import type { Newcomers } from './newcomers.ts'
import type { WaitingRoom } from './waiting-room.ts'

/** Errors that are this machine's own, not the endpoint's. */
export const OWN_ERRORS: ReadonlySet<string> = new Set([
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'EADDRNOTAVAIL',
  'EADDRINUSE',
  'EAGAIN',
])

/** Whether the address that a socket was to leave from has no port left, or is not this machine's. */
export function isPortless(error: Error): boolean {
  const errno = errnoOf(error)
  return errno === 'EADDRNOTAVAIL' || errno === 'EADDRINUSE' || errno === 'EAGAIN'
}

/** Of a session that finds its route gone. */
export const NO_ROUTE_TIMEOUTS: SessionTimeouts = {
  idleMs: 3_600_000,
  halfCloseMs: 60_000,
  udpIdleMs: 60_000,
  udpResponses: undefined,
  maxSessionMs: undefined,
  userTimeoutMs: undefined,
}

/** What every listener of one node engine shares. */
export interface NodeContext {
  /** Another one stands in its place while sessions are followed. */
  policy: SessionPolicy
  readonly clock: Clock
  /** Watches idle sessions. */
  readonly idle: CoarseTimer
  readonly newcomers: Newcomers
  readonly waitingRoom: WaitingRoom
  readonly nextId: () => number
  readonly budget: Budget
}

/** Descriptors left for sessions. TCP sessions take two, UDP sessions one, and UDP never more than its share. */
export class Budget {
  readonly #limit: number
  readonly #udpLimit: number
  #tcp = 0
  #udp = 0

  /** `descriptors`: how many sessions may hold in all. */
  constructor(descriptors: number) {
    this.#limit = descriptors
    this.#udpLimit = Math.max(1, Math.floor(descriptors / 2))
  }

  /** Whether one more TCP session fits; counts it if so. */
  openTcp(): boolean {
    if (2 * (this.#tcp + 1) + this.#udp > this.#limit) return false
    this.#tcp++
    return true
  }

  closeTcp(): void {
    this.#tcp--
  }

  /** Whether one more UDP session fits; counts it if so. */
  openUdp(): boolean {
    if (this.#udp + 1 > this.#udpLimit || 2 * this.#tcp + this.#udp + 1 > this.#limit) return false
    this.#udp++
    return true
  }

  closeUdp(): void {
    this.#udp--
  }

  get sessions(): number {
    return this.#tcp + this.#udp
  }
}
