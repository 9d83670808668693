import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Backoff } from '../lib/backoff.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Ip, ListenerKey } from '../model/keys.ts'
import type { Route } from '../model/snapshot.ts'
import type { Engine, ListenerSpec, ListenerStatus } from './listener.ts'

/** An address that could not be had is not asked for more often than this. */
const SHORTEST_RETRY_MS = 100
/** Sockets opened and closed before everything else in this thread gets a turn. */
const MOST_AT_ONCE = 50

/** One address and what is meant to happen on it. */
interface Managed {
  readonly spec: ListenerSpec
  route: Route
  wanted: 'listening' | 'parked' | 'closed'
  /** Given up: whoever wants the address again gets another number. */
  closed: boolean
  status: ListenerStatus
  /** Ends when everything begun on this address is done: one operation at a time. */
  work: Promise<void>
  retry: Timer | undefined
  readonly backoff: Backoff
}

export interface PoolOptions {
  readonly engine: Engine
  readonly clock: Clock
  /** Whether a socket may be bound although no interface has the address. */
  readonly freeBind?: (ip: Ip) => boolean
  /** A fresh pace of retries for one address. */
  readonly createBackoff: () => Backoff
  /** Called when the state of an address changes. */
  readonly onStatus: (route: Route, status: ListenerStatus) => void
  /** Called once an address is given up and free again. */
  readonly onClosed: (id: number, route: Route) => void
}

/** Opens, parks and closes the sockets of routes, one address at a time and never two operations on the same; a bind
 *  that fails is retried until the route is gone. Owns the engine's listeners, not the engine. */
export class ListenerPool {
  readonly #options: PoolOptions
  readonly #listeners = new Map<ListenerKey, Managed>()
  #nextId = 1
  #disposed = false

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /** The number of the listener on this address, given when it is first asked for. */
  claim(route: Route): number {
    const known = this.#listeners.get(route.key)
    if (known && known.wanted !== 'closed') {
      known.route = route
      return known.spec.id
    }
    const id = this.#nextId++
    this.#listeners.set(route.key, {
      spec: { id, key: route.key, protocol: route.port.protocol, address: route.address, freeBind: false },
      route,
      wanted: 'parked',
      closed: false,
      status: { state: 'opening' },
      work: known?.work ?? Promise.resolve(),
      retry: undefined,
      backoff: this.#options.createBackoff(),
    })
    return id
  }

  idOf(key: ListenerKey): number | undefined {
    return this.#listeners.get(key)?.spec.id
  }

  /** Makes sockets follow routes; resolves when every one of them was tried. Routes must have been claimed and published. */
  async apply(routes: Iterable<Route>, close: Iterable<ListenerKey>): Promise<void> {
    const work: Promise<void>[] = []
    for (const key of close) {
      const managed = this.#listeners.get(key)
      if (!managed) continue
      managed.wanted = 'closed'
      work.push(this.#settle(managed))
      if (work.length % MOST_AT_ONCE === 0) await nextTurn()
    }
    for (const route of routes) {
      const managed = this.#listeners.get(route.key)
      if (!managed) continue
      // One that nobody may be served at is closed; where some may be, the policy turns the others away, or holds them.
      const serves = route.endpoints.length > 0 || route.localClientEndpoints.length > 0 || route.holdMs !== undefined
      managed.wanted = serves ? 'listening' : 'parked'
      work.push(this.#settle(managed))
      if (work.length % MOST_AT_ONCE === 0) await nextTurn()
    }
    await Promise.all(work)
  }

  /** Every address, with what is happening on it. */
  *addresses(): Iterable<{ readonly id: number; readonly route: Route; readonly status: ListenerStatus }> {
    for (const { spec, route, status } of this.#listeners.values()) yield { id: spec.id, route, status }
  }

  /** Stops retrying. The engine closes the sockets. */
  [Symbol.dispose](): void {
    this.#disposed = true
    for (const managed of this.#listeners.values()) managed.retry?.[Symbol.dispose]()
  }

  #settle(managed: Managed): Promise<void> {
    const done = managed.work.then(() => this.#follow(managed))
    // A failure is told to whoever asked for this; it does not stand in the way of what is asked for next.
    managed.work = done.catch(() => {})
    return done
  }

  /** Does what is wanted now; what was wanted before and was not done yet is passed over. */
  async #follow(managed: Managed): Promise<void> {
    if (this.#disposed) return
    const { state } = managed.status
    if (managed.wanted === 'closed') await this.#close(managed)
    else if (managed.wanted === 'listening') {
      if (state !== 'listening') await this.#open(managed)
    } else if (state !== 'parked') {
      managed.retry?.[Symbol.dispose]()
      if (state === 'listening') await this.#options.engine.park(managed.spec.id)
      this.#report(managed, { state: 'parked' })
    }
  }

  async #open(managed: Managed): Promise<void> {
    const { clock, engine, freeBind } = this.#options
    managed.retry?.[Symbol.dispose]()
    const status = await engine.open({ ...managed.spec, freeBind: freeBind?.(managed.spec.address.ip) ?? false })
    if (status.state !== 'failed') {
      managed.backoff.reset()
      this.#report(managed, status)
      return
    }
    const delayMs = SHORTEST_RETRY_MS + managed.backoff.next()
    this.#report(managed, { ...status, retryAtMs: clock.wall() + delayMs })
    if (this.#disposed) return
    managed.retry = clock.after(delayMs, () => void this.#settle(managed))
  }

  async #close(managed: Managed): Promise<void> {
    if (managed.closed) return
    managed.closed = true
    managed.retry?.[Symbol.dispose]()
    const { spec, status } = managed
    try {
      if (status.state === 'listening' || status.state === 'parked') await this.#options.engine.close(spec.id, 'keep')
    } finally {
      // Only now: whoever claims the address meanwhile has to wait for this.
      if (this.#listeners.get(spec.key) === managed) this.#listeners.delete(spec.key)
      this.#options.onClosed(spec.id, managed.route)
    }
  }

  #report(managed: Managed, status: ListenerStatus): void {
    const before = managed.status
    managed.status = status
    // The same failure again is no news.
    if (status.state === 'failed' && before.state === 'failed' && before.code === status.code) return
    this.#options.onStatus(managed.route, status)
  }
}
