import { ClientRanges } from './admission.ts'
import type { RunningSession, SessionQuery } from './listener.ts'

/** A query, ready to be asked of many sessions. */
export class SessionMatcher {
  readonly #query: SessionQuery
  readonly #listeners: ReadonlySet<number> | undefined
  readonly #leases: ReadonlySet<number> | undefined
  readonly #waitingAt: ReadonlySet<number>
  readonly #clients: ClientRanges | undefined

  constructor(query: SessionQuery) {
    this.#query = query
    this.#listeners = query.listeners && new Set(query.listeners)
    this.#leases = query.leases && new Set(query.leases)
    this.#waitingAt = new Set(query.waitingAt)
    this.#clients = query.clients && new ClientRanges(query.clients)
  }

  /** Whether it may match sessions of this protocol at all. */
  wants(protocol: RunningSession['protocol']): boolean {
    return this.#query.protocol === undefined || this.#query.protocol === protocol
  }

  /** Whether a session that was last heard of at `lastMs` matches; its protocol is not looked at. */
  takes(session: Omit<RunningSession, 'protocol' | 'worker' | 'state' | 'lastMs'>, lastMs: number): boolean {
    const { ids, startedBeforeMs, quietSinceMs, leastBytes } = this.#query
    if (ids && !ids.has(session.id)) return false
    if (this.#listeners && !this.#listeners.has(session.listener)) return false
    if (this.#leases && !this.#leases.has(session.lease) && !this.#waits(session)) return false
    if (startedBeforeMs !== undefined && session.startedMs >= startedBeforeMs) return false
    if (quietSinceMs !== undefined && lastMs >= quietSinceMs) return false
    if (leastBytes !== undefined && session.bytesFromClient + session.bytesFromEndpoint < leastBytes) return false
    return !this.#clients || this.#clients.contains(session.client)
  }

  #waits({ lease, listener }: Pick<RunningSession, 'lease' | 'listener'>): boolean {
    return lease < 0 && this.#waitingAt.has(listener)
  }
}
