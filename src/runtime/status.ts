import type { Clock } from '../lib/clock.ts'
import type { ListenerStatus, WorkerReading } from '../listener/listener.ts'
import type { EndpointKey, ListenerKey, ServicePortKey } from '../model/keys.ts'
import { SESSION_ENDS } from '../model/session.ts'
import { CONNECT_BUCKETS_MS } from '../model/shared-layout.ts'
import type { FrontendKind, Route, Snapshot } from '../model/snapshot.ts'
import type { LimitStatus, ListenerStatusLine, ServiceStatus, SourceStatus, Status, WorkerStatus } from '../model/status.ts'
import { connectQuantileMs } from '../observe/connect-times.ts'
import { serviceTotals } from '../observe/ledger-totals.ts'
import type { SourceReading } from './control-plane.ts'
import { type EndpointReading, readEndpoints } from './endpoint-status.ts'
import { LiveCounts } from './live-counts.ts'
import { isOf } from './meant.ts'

/** What a {@link Status} is made of. */
export interface StatusReading extends EndpointReading {
  readonly clock: Clock
  readonly version: string
  readonly pid: number
  readonly startedMs: number
  readonly synced: boolean
  readonly draining: boolean
  readonly engine: Status['engine']
  readonly snapshot: Snapshot | undefined
  readonly sources: readonly SourceReading[]
  readonly addresses: Iterable<{ readonly route: Route; readonly status: ListenerStatus }>
  readonly servicePorts: Iterable<{ readonly slot: number; readonly key: ServicePortKey }>
  /** Endpoints that have a slot. */
  readonly slots: Iterable<{ readonly slot: number; readonly service: ServicePortKey; readonly key: EndpointKey }>
  /** Whose endpoint has a slot. */
  readonly serviceOf: (slot: number) => ServicePortKey | undefined
  readonly workers: readonly WorkerReading[]
  readonly limits: LimitStatus
}

/** Makes the one document that says how a proxy is. `only`: nothing but this Service (`default/web`) or Service port. */
export function readStatus(reading: StatusReading, only?: string): Status {
  const { clock, snapshot } = reading
  const listeners = [...reading.addresses].filter(({ route }) => isOf(route.port.key, only))
  return {
    time: iso(clock.wall()),
    version: reading.version,
    pid: reading.pid,
    startedAt: iso(reading.startedMs),
    state: reading.draining ? 'draining' : reading.synced ? 'serving' : 'loading',
    engine: reading.engine,
    revision: snapshot?.revision ?? 0,
    node: {
      name: snapshot?.node.name ?? '',
      state: snapshot?.nodeState ?? 'unknown',
      addresses: snapshot?.node.nodePortAddresses ?? [],
    },
    sources: reading.sources.map((source) => sourceStatus(source, clock.wall())),
    problems: snapshot?.problems.filter(({ object }) => only === undefined || isProblemOf(object, only)) ?? [],
    listeners: listeners.map(({ route, status }) => listenerLine(route.key, route.kind, route.port.key, status)),
    services: readServices(reading, listeners, only),
    workers: reading.workers.map(workerStatus),
    limits: reading.limits,
    connectBucketsMs: CONNECT_BUCKETS_MS,
  }
}

/** Problems name objects: `Service default/web`, `EndpointSlice default/web-abc12`. */
function isProblemOf(object: string, only: string): boolean {
  const [service = ''] = only.split(':', 1)
  const name = object.slice(object.indexOf(' ') + 1)
  return name === service || (!object.startsWith('Service ') && name.startsWith(`${service}-`))
}

function sourceStatus({ name, state, readAtMs }: SourceReading, nowMs: number): SourceStatus {
  // What is wrong with an object has the object in it.
  const failure = state?.problems.find(({ severity, object }) => severity === 'error' && object === '')
  return {
    name,
    state: failure ? 'failed' : state?.synced ? 'synced' : 'loading',
    objects: state?.objects.length ?? 0,
    readAt: readAtMs === undefined ? undefined : iso(readAtMs),
    ageMs: readAtMs === undefined ? undefined : Math.max(0, Math.round(nowMs - readAtMs)),
    error: failure && `${failure.place}: ${failure.message}`,
  }
}

function listenerLine(
  listener: ListenerKey,
  kind: FrontendKind,
  service: ServicePortKey,
  status: ListenerStatus,
): ListenerStatusLine {
  const line = { listener, kind, service, state: status.state }
  if (status.state === 'parked') return { ...line, reason: 'no endpoint: clients are refused' }
  if (status.state !== 'failed') return line
  return { ...line, reason: status.message, code: status.code, retryAt: iso(status.retryAtMs) }
}

function workerStatus({ sessions, running }: WorkerReading, worker: number): WorkerStatus {
  return { worker, state: running ? 'running' : 'ended', sessions }
}

function readServices(
  reading: StatusReading,
  listeners: readonly { readonly route: Route }[],
  only: string | undefined,
): readonly ServiceStatus[] {
  const at = new Map<ServicePortKey, ListenerKey[]>()
  for (const { route } of listeners) at.set(route.port.key, [...(at.get(route.port.key) ?? []), route.key])
  const removed = removedEndpoints(reading)
  const live = liveByService(reading)
  const found: ServiceStatus[] = []
  for (const { slot, key } of reading.servicePorts) {
    if (!isOf(key, only)) continue
    const compiled = reading.snapshot?.services.get(key.slice(0, key.indexOf(':')) as never)
    const options = compiled?.input.value.options
    const { counters, ends, connectTimes: ended } = serviceTotals(reading.ledger, slot)
    const running = live.get(key) ?? new LiveCounts()
    const connectTimes = ended.map((value, bucket) => value + (running.connectTimes[bucket] as number))
    const connected = counters.connected + running.connected
    found.push({
      service: key,
      scheduler: options?.scheduler ?? 'rr',
      affinityTimeoutMs: compiled?.input.value.affinityTimeoutMs,
      listeners: at.get(key) ?? [],
      sessions: { active: counters.active, total: counters.sessions },
      bytes: {
        fromClient: counters.bytesFromClient + running.bytesFromClient,
        fromEndpoint: counters.bytesFromEndpoint + running.bytesFromEndpoint,
      },
      datagrams: {
        fromClient: counters.datagramsFromClient + running.datagramsFromClient,
        fromEndpoint: counters.datagramsFromEndpoint + running.datagramsFromEndpoint,
      },
      attempts: counters.attempts,
      attemptFailures: counters.attemptFailures,
      retries: counters.retries,
      affinity: { hits: counters.affinityHits, misses: counters.affinityMisses },
      connect: {
        count: connected,
        meanMs: connected === 0 ? undefined : (counters.connectMsSum + running.connectMsSum) / connected,
        p50Ms: connectQuantileMs(connectTimes, 0.5),
        p99Ms: connectQuantileMs(connectTimes, 0.99),
        buckets: connectTimes,
      },
      ends: Object.fromEntries(SESSION_ENDS.map((end, n) => [end, ends[n] as number]).filter(([, count]) => count)),
      endpoints: readEndpoints(key, compiled?.ports.get(key), removed.get(key) ?? [], reading),
    })
  }
  return found
}

/** What running sessions have moved so far, by the Service port of their endpoint. */
function liveByService({ live, serviceOf }: StatusReading): ReadonlyMap<ServicePortKey, LiveCounts> {
  const services = new Map<ServicePortKey, LiveCounts>()
  for (const [slot, counts] of live ?? []) {
    const service = serviceOf(slot)
    if (service === undefined) continue
    const here = services.get(service) ?? new LiveCounts()
    here.merge(counts)
    services.set(service, here)
  }
  return services
}

/** Endpoints that left while sessions run to them. */
function removedEndpoints(reading: StatusReading): ReadonlyMap<ServicePortKey, { slot: number; key: EndpointKey }[]> {
  const removed = new Map<ServicePortKey, { slot: number; key: EndpointKey }[]>()
  for (const { slot, service, key } of reading.slots) {
    if (reading.slotOf(service, key) !== undefined) continue
    if (reading.ledger.rows.reduce((sum, { active }) => sum + (active[slot] as number), 0) === 0) continue
    const list = removed.get(service) ?? []
    list.push({ slot, key })
    removed.set(service, list)
  }
  return removed
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
