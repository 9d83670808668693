import type { EndpointOverride, EndpointWish } from '../balancer/overlay.ts'
import { type Clock, systemClock, type Timer } from '../lib/clock.ts'
import { trimHeap } from '../lib/heap.ts'
import { readPackageVersion } from '../lib/package-version.ts'
import { type Random, systemRandom } from '../lib/random.ts'
import type { ListenerStatus } from '../listener/listener.ts'
import type { Configuration } from '../model/config.ts'
import type { EndpointHealth, HealthTotals } from '../model/health.ts'
import type { EndpointKey, ListenerKey, ServiceKey, ServicePortKey } from '../model/keys.ts'
import { parseOptionsOf } from '../model/parse-options.ts'
import type { Problem } from '../model/problem.ts'
import type { SessionEnd, SessionRecord } from '../model/session.ts'
import type { LedgerViews } from '../model/shared-layout.ts'
import type { LineViews } from '../model/shared-lines.ts'
import type { FrontendKind, Snapshot } from '../model/snapshot.ts'
import type { WorkerPulse } from '../model/worker-pulse.ts'
import type { Logger } from '../observe/logger.ts'
import type { Source } from '../source/source.ts'
import { type PreparedEngine, prepareEngine } from './choose-engine.ts'
import { ControlPlane, type SourceReading } from './control-plane.ts'
import { type ClientReading, DataPlane } from './data-plane.ts'
import { createInspector, type Inspector } from './inspector.ts'
import type { NodeContextOptions } from './node-context.ts'
import { type Programmed, programmed } from './programmed.ts'
import { openVips, type Vips } from './vips.ts'

/** How often expired affinity records, and slots that are nobody's, are freed. */
const SWEEP_EVERY_MS = 60_000
/** A change of so many routes leaves memory behind that is worth giving back, once the thread that parsed it has ended, too. */
const TRIM_FROM_ROUTES = 1_000
const TRIM_AFTER_MS = 12_000
/** What the start left behind is given back when those who waited for it have been served. */
const TRIM_START_MS = 30_000

export interface ProxyOptions {
  readonly config: Configuration
  /** The proxy owns them. Earlier ones win where two define the same object. */
  readonly sources: readonly Source[]
  readonly logger: Logger
  readonly nodeName: string
  /** An engine opened ahead of time, which the proxy takes; left out: it opens the one that `config` names. */
  readonly prepared?: PreparedEngine
  readonly clock?: Clock
  readonly random?: Random
  /** Told of every session that ended, soon after. */
  readonly onSession?: (record: SessionRecord) => void
  /** Of which sessions it is told; of all when left out. */
  readonly tellsOf?: (id: number, end: SessionEnd) => boolean
  /** Told when a change was seen. */
  readonly onQueued?: () => void
  /** Told when everything seen so far begins to be put in force. */
  readonly onStarted?: () => void
  /** Told when a change is in force, how long that took since work on it began, and how old the changes in the cluster
   *  that led to it are. */
  readonly onApplied?: (durationMs: number, programmed: readonly Programmed[]) => void
}

/** One of the proxy's addresses. */
export interface ProxyAddress {
  readonly key: ListenerKey
  readonly kind: FrontendKind
  readonly service: ServiceKey
  readonly status: ListenerStatus
}

/** What the proxy knows of itself right now, for metrics and probes. */
export interface ProxyReading {
  readonly engine: 'node' | 'native'
  readonly engineReason: string
  readonly workers: number
  readonly draining: boolean
  readonly synced: boolean
  readonly snapshot: Snapshot | undefined
  readonly problems: readonly Problem[]
  readonly sources: readonly SourceReading[]
  readonly ledger: LedgerViews
  readonly lines: LineViews
  readonly servicePorts: Iterable<{ readonly slot: number; readonly key: ServicePortKey }>
  readonly endpoints: Iterable<{ readonly slot: number; readonly service: ServicePortKey; readonly key: EndpointKey }>
  readonly affinity: { readonly entries: number; readonly evictions: number }
  readonly clients: ClientReading
  readonly recordsDropped: number
  readonly sessions: number
  /** Addresses it made local. */
  readonly vips: number
}

/** What is known of the health of endpoints. */
export interface ProxyHealth {
  readonly endpoints: readonly EndpointHealth[]
  /** By Service port. */
  readonly totals: readonly HealthTotals[]
}

/** A running proxy. Disposing it ends everything now; drain first to let sessions finish. */
export interface Proxy extends AsyncDisposable {
  /** Resolves when every source has loaded once and every listener was tried. */
  readonly ready: Promise<void>
  /** Reads every source again now. */
  refresh(): void
  /** Goes on accepting for `delayMs`, then takes nothing new and lets sessions finish, up to `deadlineMs`; what still
   *  runs then is cut, and counted. */
  drain(options: { readonly delayMs: number; readonly deadlineMs: number }): Promise<{ readonly cut: number }>
  /** Takes a wish for the endpoints of a Service (`namespace/name`) with this address (`10.1.0.1` or `10.1.0.1:8080`), in
   *  place of the one before; it stays, whatever is loaded, until an empty one takes it back or the process ends. Returns
   *  how many endpoints it is for.
   *  @throws ProxyError E_CONFIG when the weight is none. */
  setEndpoint(service: string, address: string, wish: EndpointWish): number
  /** How busy the threads with sessions are. */
  pulse(): Promise<readonly WorkerPulse[]>
  /** The wishes that are kept. */
  overrides(): readonly EndpointOverride[]
  /** The endpoints whose Services have their health watched, and what was counted of it. */
  health(): ProxyHealth
  addresses(): readonly ProxyAddress[]
  /** For people who look into it. */
  readonly inspect: Inspector
  read(): ProxyReading
}

/** Opens a proxy: returns at once, whatever state its sources are in, and serves as they allow.
 *  @throws ProxyError E_ENGINE when the engine that was asked for cannot run here, E_VIP_MODE when the VIP mode cannot be had. */
export async function openProxy(options: ProxyOptions): Promise<Proxy> {
  const { config, logger } = options
  const clock = options.clock ?? systemClock
  const prepared = options.prepared ?? (await prepareOr(options, clock))
  const { plan, engine, shared, descriptors } = prepared
  logger.info('engine.chosen', `engine ${plan.name}: ${plan.reason}`, { engine: plan.name, workers: plan.workers, descriptors })
  prepared.onDeath((row, reason) =>
    logger.error('worker.died', 'a worker died; its sessions are lost, another takes its place', {
      key: `worker ${row}`,
      reason,
    }),
  )
  prepared.onFault((row, reason) =>
    logger.error('session.failed', 'an error of ours ended a session; please report it', { key: `worker ${row}`, reason }),
  )

  const openedMs = clock.wall()
  let trimming: Timer | undefined
  let vips: Vips | undefined
  const node: NodeContextOptions = { ...config, name: options.nodeName, isVip: (ip) => vips?.isMade(ip) ?? false }
  vips = await openVipsOr(options, prepared, node, clock, () => controlPlane.recompile())
  const dataPlane = new DataPlane({
    engine,
    shared,
    vips,
    clock,
    random: options.random ?? systemRandom,
    logger: logger.child({ component: 'listener' }),
    checks: { programs: config.checkPrograms, atOnce: config.checksAtOnce },
    onSession: options.onSession,
    tellsOf: options.tellsOf,
  })
  const controlPlane = new ControlPlane({
    sources: options.sources,
    parse: parseOptionsOf(config),
    compile: {
      clusterIpRange: config.serviceClusterIpRange,
      nodePortRange: config.serviceNodePortRange,
      strictSourceRanges: config.strictSourceRanges,
      transparentSource: engine.can.has('transparent-source'),
      sctpRefusal: engine.sctpRefusal,
    },
    node,
    inspect: (snapshot) => vips.inspect(snapshot),
    onNode: () => vips.refresh(),
    clock,
    logger: logger.child({ component: 'objects' }),
    onQueued: options.onQueued ?? (() => {}),
    async apply(snapshot, startedMs) {
      const previous = dataPlane.snapshot
      options.onStarted?.()
      const { open, swap, close } = await dataPlane.apply(snapshot)
      const durationMs = Math.round((clock.now() - startedMs) * 10) / 10
      options.onApplied?.(durationMs, programmed(previous, snapshot, { openedMs, nowMs: clock.wall() }))
      const changed = open.length + swap.length + close.length
      // On the node engine sessions would have to wait for it.
      if ((!previous || changed >= TRIM_FROM_ROUTES) && engine.name === 'native') {
        trimming?.[Symbol.dispose]()
        trimming = clock.after(changed >= TRIM_FROM_ROUTES ? TRIM_AFTER_MS : TRIM_START_MS, trimHeap)
      }
      if (changed === 0) return
      const fields = { revision: snapshot.revision, opened: open.length, changed: swap.length, closed: close.length, durationMs }
      logger.info('snapshot.applied', 'in force', fields)
    },
  })

  let sweeping = clock.after(SWEEP_EVERY_MS, sweep)
  function sweep(): void {
    dataPlane.ledger.reuse()
    sweeping = clock.after(SWEEP_EVERY_MS, sweep)
  }

  let draining = false
  const inspect = createInspector({
    prepared,
    dataPlane,
    controlPlane,
    clock,
    random: options.random ?? systemRandom,
    version: readPackageVersion(),
    draining: () => draining,
  })
  return {
    inspect,
    ready: controlPlane.ready,
    refresh() {
      vips.refresh()
      controlPlane.refresh()
    },
    async drain({ delayMs, deadlineMs }) {
      draining = true
      if (delayMs > 0) await new Promise<void>((resolve) => clock.after(delayMs, resolve))
      await controlPlane[Symbol.asyncDispose]()
      dataPlane.pool[Symbol.dispose]()
      let cut = Promise.resolve(0)
      const deadline = clock.after(deadlineMs, () => {
        cut = engine.cut({}, 'drained')
      })
      await engine.drain()
      deadline[Symbol.dispose]()
      return { cut: await cut }
    },
    setEndpoint(service, address, wish) {
      const count = dataPlane.overlay.set(service as ServiceKey, address, wish)
      dataPlane.offer((route) => route.service.startsWith(`${service}:`))
      return count
    },
    pulse: () => engine.pulse(),
    overrides: () => dataPlane.overlay.list(),
    health: () => ({ endpoints: dataPlane.health.read(), totals: dataPlane.health.totals() }),
    addresses: () =>
      [...dataPlane.pool.addresses()].map(({ route, status }) => ({
        key: route.key,
        kind: route.kind,
        service: route.service.key,
        status,
      })),
    read: () => ({
      engine: engine.name,
      engineReason: plan.reason,
      workers: plan.workers,
      draining,
      synced: controlPlane.synced,
      snapshot: dataPlane.snapshot,
      problems: dataPlane.snapshot?.problems ?? [],
      sources: controlPlane.states(),
      ledger: dataPlane.ledger.views,
      lines: dataPlane.ledger.lines,
      servicePorts: dataPlane.servicePorts(),
      endpoints: dataPlane.ledger.endpoints(),
      affinity: dataPlane.affinity(),
      clients: dataPlane.clients(),
      recordsDropped: dataPlane.sessionLog.dropped(),
      sessions: engine.sessions(),
      vips: vips.held,
    }),
    async [Symbol.asyncDispose]() {
      sweeping[Symbol.dispose]()
      trimming?.[Symbol.dispose]()
      await controlPlane[Symbol.asyncDispose]()
      await dataPlane[Symbol.asyncDispose]()
      await vips[Symbol.asyncDispose]()
    },
  }
}

/** Opens what makes VIPs local; where it cannot be had, engine and sources go too. */
async function openVipsOr(
  { config, logger, sources }: ProxyOptions,
  prepared: PreparedEngine,
  node: NodeContextOptions,
  clock: Clock,
  onElsewhere: () => void,
): Promise<Vips> {
  try {
    return await openVips({
      config,
      engine: prepared.engine,
      node,
      clock,
      logger: logger.child({ component: 'vips' }),
      onElsewhere,
    })
  } catch (error) {
    await Promise.all([...sources, prepared].map((owned) => owned[Symbol.asyncDispose]()))
    throw error
  }
}

/** Opens the engine; where it cannot be had, the sources go too. */
async function prepareOr({ config, sources }: ProxyOptions, clock: Clock): Promise<PreparedEngine> {
  try {
    return prepareEngine(config, clock)
  } catch (error) {
    await Promise.all(sources.map((source) => source[Symbol.asyncDispose]()))
    throw error
  }
}
