import { AffinityTable } from '../affinity/affinity-table.ts'
import { Ledger } from '../balancer/ledger.ts'
import { Overlay } from '../balancer/overlay.ts'
import { createBackoff } from '../lib/backoff.ts'
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import { Slices } from '../lib/steps.ts'
import type { Engine, ListenerStatus } from '../listener/listener.ts'
import { ListenerPool } from '../listener/pool.ts'
import type { PublishedRoute } from '../model/delta.ts'
import type { Ip, ServicePortKey } from '../model/keys.ts'
import type { SessionRecord } from '../model/session.ts'
import type { SharedState } from '../model/shared-layout.ts'
import type { CompiledService, Route, Snapshot, SnapshotDiff } from '../model/snapshot.ts'
import type { Logger } from '../observe/logger.ts'
import { diff } from '../snapshot/diff.ts'
import { Publisher } from './publish.ts'
import { Removals } from './removals.ts'
import { SessionLog } from './session-log.ts'
import type { Vips } from './vips.ts'

const FIRST_RETRY_MS = 250
const LONGEST_RETRY_MS = 10_000
/** Routes that a thread with sessions takes in before it looks after them again: a millisecond or two. */
const MOST_PUBLISHED = 100

export interface DataPlaneOptions {
  readonly engine: Engine
  readonly shared: SharedState
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Undefined: the machine has the addresses that it has. */
  readonly vips?: Vips
  /** Undefined: nobody reads them. */
  readonly onSession: ((record: SessionRecord) => void) | undefined
}

/** Makes sockets, routes and slots follow snapshots. Order of a change: slots are reserved, routes published, sockets
 *  opened, parked and closed, and only then is what nobody needs any more given up. A VIP is an address of this machine before its
 *  first socket is opened and until after its last one is closed. However large a change is, neither this thread nor one with
 *  sessions works on it for more than a few milliseconds at a time. */
export class DataPlane implements AsyncDisposable {
  readonly ledger: Ledger
  readonly pool: ListenerPool
  readonly sessionLog: SessionLog
  readonly overlay: Overlay
  readonly #options: DataPlaneOptions
  readonly #publisher: Publisher
  readonly #affinity: AffinityTable
  #affinityEntries = 0
  readonly #removals: Removals
  #snapshot: Snapshot | undefined
  /** Snapshots since the last one that was put in force whole. */
  #attempts: Snapshot[] = []
  /** Listeners that are closed while the engine still has their routes. */
  readonly #closed: number[] = []
  /** The last revision that is in force in every thread. */
  #acknowledged = 0

  constructor(options: DataPlaneOptions) {
    const { engine, shared, clock, random, vips } = options
    this.#options = options
    this.#affinity = new AffinityTable(shared.affinity)
    this.ledger = new Ledger(shared, random, () => this.#sweepAffinity())
    this.overlay = new Overlay(this.ledger, clock)
    const instance = random.below(2 ** 32).toString(16)
    this.#publisher = new Publisher(this.ledger, engine.can.has('transparent-source'), instance.padStart(8, '0'))
    this.sessionLog = new SessionLog(shared, this.ledger, clock, options.onSession, () => this.ledger.reclaim(this.#acknowledged))
    this.pool = new ListenerPool({
      engine,
      clock,
      ...(vips && { freeBind: (ip: Ip) => vips.freeBind(ip) }),
      createBackoff: () => createBackoff({ firstMs: FIRST_RETRY_MS, longestMs: LONGEST_RETRY_MS, random }),
      onStatus: (route, status) => this.#report(route, status),
      onClosed: (id, route) => {
        this.sessionLog.closed(id)
        this.#closed.push(id)
        options.logger.info('listener.closed', 'closed', { key: route.key, kind: route.kind, service: route.service.key })
      },
    })
    this.#removals = new Removals(clock, (leases, revision) => void this.#cut(leases, revision))
  }

  get snapshot(): Snapshot | undefined {
    return this.#snapshot
  }

  /** Puts a snapshot in force; resolves when every socket it needs was tried. One call at a time. Where it rejects, it may
   *  have been put in force in part; the next call puts everything right. */
  async apply(next: Snapshot): Promise<SnapshotDiff> {
    const { engine, vips } = this.#options
    const previous = this.#snapshot
    const change = this.#attempts.length === 0 ? diff(previous, next) : this.#everything(next)
    this.#attempts.push(next)
    const slices = new Slices(this.#options.clock)
    for (const [key, compiled] of next.services) {
      const before = previous?.services.get(key)
      if (before === compiled) continue
      this.#reserve(compiled)
      this.overlay.update(compiled, before)
      if (slices.isOver()) await slices.next()
    }

    const routes = [...change.open, ...change.swap]
    for (let at = 0; at < routes.length; at += MOST_PUBLISHED) {
      const set = routes.slice(at, at + MOST_PUBLISHED).flatMap((route) => this.#claim(route) ?? [])
      await engine.publish({ revision: next.revision, set, remove: [] })
    }
    this.#snapshot = next
    for (const before of [previous, ...this.#attempts]) this.#release(before, next)
    await vips?.hold(next)
    await this.pool.apply(routes, change.close)
    vips?.release()
    const remove = [...this.#closed]
    if (remove.length > 0) await engine.publish({ revision: next.revision, set: [], remove })
    this.#closed.splice(0, remove.length)
    this.#acknowledged = next.revision
    this.#attempts = []
    return change
  }

  /** What the affinity table held when it was last swept, and what it gave up early since the start. */
  affinity(): { readonly entries: number; readonly evictions: number } {
    return { entries: this.#affinityEntries, evictions: this.#affinity.evictions() }
  }

  /** Service ports that have counters. */
  servicePorts(): Iterable<{ readonly slot: number; readonly key: ServicePortKey }> {
    return this.ledger.servicePorts()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.pool[Symbol.dispose]()
    this.#removals[Symbol.dispose]()
    this.overlay[Symbol.dispose]()
    await this.#options.engine[Symbol.asyncDispose]()
    this.sessionLog[Symbol.dispose]()
  }

  /** The route with the number of its listener, as the engine needs it; undefined when there is no room for it. */
  #claim(route: Route): PublishedRoute | undefined {
    const listener = this.pool.claim(route)
    const published = this.#publisher.publish(listener, route)
    if (published) this.sessionLog.opened(listener, route)
    return published
  }

  /** What to do when nobody knows how far the last attempt came: all of it. */
  #everything(next: Snapshot): SnapshotDiff {
    const close = [...this.pool.addresses()].map(({ route }) => route.key).filter((key) => !next.routes.has(key))
    return { ...diff(undefined, next), close }
  }

  #reserve(compiled: CompiledService): void {
    if (this.#publisher.reserve(compiled)) return
    const { key } = compiled.input.value
    this.#options.logger.error('ledger.full', 'no room to count more endpoints; those without a slot are left out', { key })
  }

  #release(previous: Snapshot | undefined, next: Snapshot): void {
    for (const [key, before] of previous?.services ?? []) {
      const after = next.services.get(key)
      if (after === before) continue
      if (!after) this.overlay.remove(before)
      const left = this.#publisher.release(before, after, next.revision)
      this.#removals.left(left, next.revision, (after ?? before).input.value.options.onEndpointRemoved)
    }
  }

  async #cut(leases: readonly number[], revision: number): Promise<void> {
    const gone = this.ledger.stillRetired(leases, revision)
    const count = gone.length === 0 ? 0 : await this.#options.engine.cut({ leases: gone }, 'endpoint-removed')
    if (count > 0)
      this.#options.logger.info('endpoint.removed', 'sessions of endpoints that left were ended', { sessions: count })
  }

  /** Frees affinity records that expired, or name an endpoint or Service port that is no more. */
  #sweepAffinity(): void {
    const timeouts = new Map<number, number>()
    for (const { input, ports } of this.#snapshot?.services.values() ?? []) {
      for (const key of ports.keys()) {
        const slot = this.ledger.knownServiceSlot(key)
        if (slot !== undefined) timeouts.set(slot, input.value.affinityTimeoutMs ?? 0)
      }
    }
    this.#affinityEntries = this.#affinity.sweep(this.#options.clock.now(), {
      timeoutOf: (service) => timeouts.get(service) ?? 0,
      isLive: (endpoint) => this.ledger.endpointName(endpoint) !== undefined,
    })
  }

  #report(route: Route, status: ListenerStatus): void {
    const { logger } = this.#options
    const fields = { key: route.key, kind: route.kind, service: route.service.key }
    if (status.state === 'listening') logger.info('listener.opened', 'listening', fields)
    else if (status.state === 'parked') logger.info('listener.parked', 'no endpoint: clients are refused', fields)
    else if (status.state === 'failed') logger.warn('listener.failed', status.message, { ...fields, code: status.code })
  }
}
