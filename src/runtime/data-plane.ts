import { AffinityTable } from '../affinity/affinity-table.ts'
import { ClientSessions } from '../affinity/client-sessions.ts'
import { Ledger } from '../balancer/ledger.ts'
import { Overlay } from '../balancer/overlay.ts'
import type { HealthChange, HealthKeeper } from '../health/keeper.ts'
import { createBackoff } from '../lib/backoff.ts'
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import { Slices } from '../lib/steps.ts'
import type { Engine, ListenerStatus } from '../listener/listener.ts'
import { ListenerPool } from '../listener/pool.ts'
import type { PublishedRoute } from '../model/delta.ts'
import type { Ip, ListenerKey, ServicePortKey } from '../model/keys.ts'
import type { SessionEnd, SessionRecord } from '../model/session.ts'
import type { SharedState } from '../model/shared-layout.ts'
import type { CompiledService, Route, Snapshot, SnapshotDiff } from '../model/snapshot.ts'
import type { Logger } from '../observe/logger.ts'
import { diff } from '../snapshot/diff.ts'
import { arrived, type ListedEndpoint, turnedReady, turnedUnready } from '../snapshot/endpoint-changes.ts'
import { hostsKeyOf, isHostsKey } from './affinity-hosts.ts'
import { type Departure, Departures } from './departures.ts'
import { type CheckSettings, createEndpointHealth } from './endpoint-health.ts'
import { EndpointHistory } from './endpoint-history.ts'
import { Needs } from './needs.ts'
import { Publisher } from './publish.ts'
import { SessionLog } from './session-log.ts'
import { SourceCheck } from './source-check.ts'
import type { Vips } from './vips.ts'

const FIRST_RETRY_MS = 250
const LONGEST_RETRY_MS = 10_000
/** Routes that a thread with sessions takes in before it looks after them again: a millisecond or two. */
const MOST_PUBLISHED = 100
const CUT_BECAUSE: { readonly [Why in Departure]: string } = {
  'endpoint-removed': 'sessions of endpoints that left were ended',
  'endpoint-unready': 'sessions of endpoints that are not ready were ended',
  'endpoint-down': 'sessions of endpoints that are down were ended',
  'service-removed': 'sessions of Services that left were ended',
}

export interface DataPlaneOptions {
  readonly engine: Engine
  readonly shared: SharedState
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Undefined: the machine has the addresses that it has. */
  readonly vips?: Vips
  readonly checks: CheckSettings
  /** Undefined: nobody reads them. */
  readonly onSession: ((record: SessionRecord) => void) | undefined
  /** Of which it is told; undefined: of all. */
  readonly tellsOf?: ((id: number, end: SessionEnd) => boolean) | undefined
}

/** What is known of clients that are counted one by one. */
export interface ClientReading {
  readonly entries: number
  readonly evictions: number
  readonly uncounted: number
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
  readonly history = new EndpointHistory()
  readonly health: HealthKeeper
  readonly #options: DataPlaneOptions
  readonly #publisher: Publisher
  readonly #affinity: AffinityTable
  #affinityEntries = 0
  readonly #needs: Needs
  /** Routes as the engine has them. */
  readonly #published = new Map<ListenerKey, PublishedRoute>()
  readonly #departures: Departures
  readonly #clients: ClientSessions
  readonly #sourceCheck: SourceCheck
  #clientEntries = 0
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
    this.#clients = new ClientSessions(shared)
    this.#sourceCheck = new SourceCheck(options.logger)
    this.ledger = new Ledger(shared, random, () => this.#sweep())
    this.overlay = new Overlay(this.ledger, clock)
    this.health = createEndpointHealth({
      ledger: this.ledger,
      clock,
      random,
      checks: options.checks,
      logger: options.logger,
      onChange: (change) => this.#healthChanged(change),
    })
    const instance = random.below(2 ** 32).toString(16)
    this.#publisher = new Publisher(this.ledger, engine.can.has('transparent-source'), instance.padStart(8, '0'))
    this.#needs = new Needs(this.ledger, clock, options.logger)
    const { onSession, tellsOf } = options
    this.sessionLog = new SessionLog(shared, this.ledger, clock, { take: onSession, tellsOf }, () => this.#drained())
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
    this.#departures = new Departures(clock, (slots, end, why) => void this.#cut(slots, end, why))
  }

  get snapshot(): Snapshot | undefined {
    return this.#snapshot
  }

  /** Puts a snapshot in force; resolves when every socket it needs was tried. One call at a time. Where it rejects, it may
   *  have been put in force in part; the next call puts everything right. */
  async apply(next: Snapshot): Promise<SnapshotDiff> {
    const { engine, vips, clock } = this.#options
    const previous = this.#snapshot
    const change = this.#attempts.length === 0 ? diff(previous, next) : this.#everything(next)
    this.#attempts.push(next)
    const slices = new Slices(clock)
    for (const [key, compiled] of next.services) {
      const before = previous?.services.get(key)
      if (before === compiled) continue
      this.#reserve(compiled)
      this.#welcome(compiled, before)
      this.overlay.update(compiled, before)
      this.history.update(compiled, before, clock.wall())
      this.health.update(compiled, before)
      if (compiled.input.value.options.sourceAddresses) void this.#sourceCheck.look(compiled.input.value)
      if (slices.isOver()) await slices.next()
    }

    this.#needs.follow(next)
    const routes = [...change.open, ...change.swap]
    for (let at = 0; at < routes.length; at += MOST_PUBLISHED) {
      const set = routes.slice(at, at + MOST_PUBLISHED).flatMap((route) => this.#claim(route) ?? [])
      await engine.publish({ revision: next.revision, set, remove: [] })
    }
    for (const key of change.close) this.#published.delete(key)
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

  /** The route of an address as the engine has it. */
  published(listener: ListenerKey): PublishedRoute | undefined {
    return this.#published.get(listener)
  }

  /** Where clients went last. */
  get remembered(): Pick<AffinityTable, 'peek'> {
    return this.#affinity
  }

  /** What the affinity table held when it was last swept, and what it gave up early since the start. */
  affinity(): { readonly entries: number; readonly evictions: number } {
    return { entries: this.#affinityEntries, evictions: this.#affinity.evictions() }
  }

  /** Clients that were counted when the table was last swept, and what it had no room for since the start. */
  clients(): ClientReading {
    return { entries: this.#clientEntries, evictions: this.#clients.evictions(), uncounted: this.#clients.uncounted() }
  }

  /** Service ports that have counters. */
  *servicePorts(): Iterable<{ readonly slot: number; readonly key: ServicePortKey }> {
    for (const port of this.ledger.servicePorts()) if (!isHostsKey(port.key)) yield port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.pool[Symbol.dispose]()
    this.#departures[Symbol.dispose]()
    this.health[Symbol.dispose]()
    this.overlay[Symbol.dispose]()
    await this.#options.engine[Symbol.asyncDispose]()
    this.sessionLog[Symbol.dispose]()
  }

  /** Sessions that wait for a place at these routes are asked for again: an endpoint of theirs may be had again. */
  offer(isMeant: (route: PublishedRoute) => boolean): void {
    const set = [...this.#published.values()].filter((route) => route.limits !== undefined && isMeant(route))
    if (set.length > 0) void this.#options.engine.publish({ revision: this.#acknowledged, set, remove: [] })
  }

  /** The rings of ended sessions are empty. */
  #drained(): void {
    this.ledger.reclaim(this.#acknowledged)
    this.#needs.look()
  }

  /** The route with the number of its listener, as the engine needs it; undefined when there is no room for it. */
  #claim(route: Route): PublishedRoute | undefined {
    const listener = this.pool.claim(route)
    const published = this.#publisher.publish(listener, route)
    if (!published) return undefined
    this.sessionLog.opened(listener, route)
    this.#published.set(route.key, published)
    return published
  }

  /** What to do when nobody knows how far the last attempt came: all of it. */
  #everything(next: Snapshot): SnapshotDiff {
    const close = [...this.pool.addresses()].map(({ route }) => route.key).filter((key) => !next.routes.has(key))
    return { ...diff(undefined, next), close }
  }

  /** Whoever works again starts slowly, where others are there to carry the rest. Where so few work that all are used, nobody
   *  believes that they are down, and no session ends for it. */
  #healthChanged({ owner, service, endpoint, slot, state, up, allUsed }: HealthChange): void {
    if (state === 'up' && up > 1) this.overlay.returned(owner, service, endpoint)
    if (state === 'up') this.offer((route) => route.service === service)
    const options = this.#snapshot?.services.get(owner)?.input.value.options
    if (state !== 'down') this.#departures.back(slot, 'endpoint-down')
    else if (options && !allUsed) this.#departures.left([slot], 'endpoint-down', options.onEndpointDown)
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
      if (!after) {
        this.overlay.remove(before)
        this.history.remove(before)
        this.health.remove(before)
      }
      const { left, orphaned } = this.#publisher.release(before, after, next.revision)
      const { options } = (after ?? before).input.value
      this.#departures.left(left, 'endpoint-removed', options.onEndpointRemoved)
      this.#departures.left(orphaned, 'service-removed', options.onServiceRemoved ?? options.onEndpointRemoved)
      if (after && options.onEndpointUnready.do !== 'keep') {
        this.#departures.left(this.#slotsOf(turnedUnready(before, after)), 'endpoint-unready', options.onEndpointUnready)
      }
    }
  }

  /** Endpoints that came, came back or are ready again: their sessions are not to end. */
  #welcome(compiled: CompiledService, before: CompiledService | undefined): void {
    if (!this.#departures.waiting) return
    for (const slot of this.#slotsOf(arrived(before, compiled))) this.#departures.back(slot)
    const ready = before ? turnedReady(before, compiled) : []
    for (const slot of this.#slotsOf(ready)) this.#departures.back(slot, 'endpoint-unready')
    const { check, agent } = compiled.input.value.options.health
    // Nobody will say that it is up again.
    if (!check && !agent)
      for (const slot of this.#slotsOf(arrived(undefined, compiled))) this.#departures.back(slot, 'endpoint-down')
  }

  #slotsOf(endpoints: readonly ListedEndpoint[]): number[] {
    const slots = endpoints.map(({ service, endpoint }) => this.ledger.knownEndpointSlot(service, endpoint))
    return slots.filter((slot) => slot !== undefined)
  }

  async #cut(leases: readonly number[], end: SessionEnd, why: Departure): Promise<void> {
    const count = await this.#options.engine.cut({ leases }, end)
    if (count > 0) this.#options.logger.info('sessions.cut', CUT_BECAUSE[why], { sessions: count, end })
  }

  /** Frees affinity records that expired, or name an endpoint or Service port that is no more, and clients that have no
   *  session and could begin as many as any other. */
  #sweep(): void {
    const nowMs = this.#options.clock.now()
    const timeouts = new Map<number, number>()
    for (const { input, ports } of this.#snapshot?.services.values() ?? []) {
      for (const key of ports.keys()) {
        const slot = this.ledger.knownServiceSlot(key)
        if (slot !== undefined) timeouts.set(slot, input.value.affinityTimeoutMs ?? 0)
      }
      const hosts = hostsKeyOf(input.value)
      const slot = hosts && this.ledger.knownServiceSlot(hosts)
      if (slot !== undefined) timeouts.set(slot, input.value.affinityTimeoutMs ?? 0)
    }
    this.#affinityEntries = this.#affinity.sweep(nowMs, {
      timeoutOf: (service) => timeouts.get(service) ?? 0,
      isLive: (endpoint) => this.ledger.endpointName(endpoint) !== undefined,
    })
    this.#clientEntries = this.#clients.sweep(nowMs, (service) => this.ledger.serviceName(service) !== undefined)
  }

  #report(route: Route, status: ListenerStatus): void {
    const { logger } = this.#options
    const fields = { key: route.key, kind: route.kind, service: route.service.key }
    if (status.state === 'listening') logger.info('listener.opened', 'listening', fields)
    else if (status.state === 'parked') logger.info('listener.parked', 'no endpoint: clients are refused', fields)
    else if (status.state === 'failed') logger.warn('listener.failed', status.message, { ...fields, code: status.code })
  }
}
