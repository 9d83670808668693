import { lifeEndMs } from '../life-end.ts'
import type { SessionPolicy, SessionTimeouts } from '../listener.ts'
import { NO_ROUTE_TIMEOUTS } from './context.ts'

/** When something moved last in a TCP session, and how long it may go on so. */
export class TcpPace {
  /** When a byte moved last, or something else that counts as a sign of life. */
  lastMs: number
  /** Which way. */
  fromClient = false
  readonly #policy: SessionPolicy
  readonly #listener: number
  readonly #id: number
  readonly #startedMs: number
  #timeouts: SessionTimeouts
  #lifeEndMs: number

  constructor(policy: SessionPolicy, listener: number, id: number, startedMs: number) {
    this.#policy = policy
    this.#listener = listener
    this.#id = id
    this.#startedMs = startedMs
    this.lastMs = startedMs
    this.#timeouts = policy.timeouts(listener) ?? NO_ROUTE_TIMEOUTS
    this.#lifeEndMs = lifeEndMs(id, startedMs, this.#timeouts.maxSessionMs)
  }

  /** Reads the timeouts as they are now; those of a route that is gone stay. */
  read(): void {
    const timeouts = this.#policy.timeouts(this.#listener)
    if (!timeouts) return
    this.#timeouts = timeouts
    this.#lifeEndMs = lifeEndMs(this.#id, this.#startedMs, timeouts.maxSessionMs)
  }

  /** When the session is due, whatever for. */
  dueMs(halfClosed: boolean): number {
    return Math.min(this.lastMs + (halfClosed ? this.#timeouts.halfCloseMs : this.#timeouts.idleMs), this.#lifeEndMs)
  }

  /** Whether it has lasted as long as it may. */
  isOver(nowMs: number): boolean {
    return nowMs >= this.#lifeEndMs
  }
}
