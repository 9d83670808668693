import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Clock } from '../lib/clock.ts'
import { inSlices } from '../lib/steps.ts'
import type { HealthTotals } from '../model/health.ts'
import type { IpFamily } from '../model/keys.ts'
import type { LedgerViews } from '../model/shared-layout.ts'
import type { LineViews } from '../model/shared-lines.ts'
import type { WorkerPulse } from '../model/worker-pulse.ts'
import { type CountedEndpoint, endpointMetrics } from './endpoint-metrics.ts'
import { METRICS, type MetricDefinition, type MetricName } from './metric-table.ts'
import { type CountedService, serviceLabels, serviceMetrics } from './service-metrics.ts'

/** Changes of one kind of object. */
export interface ChangeCounts {
  /** Seen since the start. */
  readonly total: number
  /** Seen but not in force. */
  readonly pending: number
}

/** Everything that is read, not told, at the moment of a scrape. */
export interface MetricsReading {
  readonly build: { readonly version: string; readonly engine: string; readonly workers: number }
  readonly ledger: LedgerViews
  readonly lines: LineViews
  readonly services: Iterable<CountedService>
  /** Undefined: single endpoints are not told of. */
  readonly endpoints: Iterable<CountedEndpoint> | undefined
  readonly health: readonly HealthTotals[]
  readonly affinity: { readonly entries: number; readonly evictions: number }
  /** Clients that are counted one by one. */
  readonly clients: { readonly entries: number; readonly evictions: number; readonly uncounted: number }
  /** How many listeners are in each state. */
  readonly listeners: ReadonlyMap<string, number>
  readonly sources: readonly { readonly name: string; readonly synced: boolean; readonly readAtMs: number | undefined }[]
  readonly problems: { readonly error: number; readonly warning: number }
  readonly snapshotRevision: number
  readonly vips: number
  readonly recordsDropped: number
  readonly accessLogDropped: number
  /** Service ports by the policy that leaves them without an endpoint here, and by family. */
  readonly noLocalEndpoints: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly changes: { readonly services: ChangeCounts; readonly endpoints: ChangeCounts }
}

/** Where the values of a scrape come from. */
export interface MetricsSource {
  read(): MetricsReading
  /** How busy the threads with sessions are. */
  pulse(): Promise<readonly WorkerPulse[]>
}

/** All metrics of one proxy. */
export interface Metrics {
  /** What `scrape` returns is of this type. */
  readonly contentType: string
  /** Reads the source and returns the whole text. */
  scrape(): Promise<string>
  /** A change was seen that is not in force yet. */
  syncQueued(families: readonly IpFamily[]): void
  /** A change is in force, `durationMs` after work on it began. */
  syncFinished(durationMs: number, families: readonly IpFamily[]): void
  /** A change is in force, `latencyMs` after the cluster says it happened. */
  programmed(latencyMs: number, families: readonly IpFamily[]): void
  /** A health check was answered. */
  probed(path: '/healthz' | '/livez', code: number): void
}

export interface MetricsOptions {
  readonly source: MetricsSource
  readonly clock: Clock
  /** Also tell of the process: CPU, memory, descriptors, garbage collection, event-loop lag. They observe until the
   *  process ends, so there is one such set a process. */
  readonly processMetrics?: boolean
}

/** Makes the metrics of one proxy; nothing is registered outside of it. */
export function createMetrics({ source, clock, processMetrics = true }: MetricsOptions): Metrics {
  const registry = new Registry()
  if (processMetrics) collectDefaultMetrics({ register: registry })

  const describe = (name: MetricName) => {
    const { help, labels }: MetricDefinition = METRICS[name]
    return { name, help, labelNames: [...labels], registers: [registry] }
  }
  const gauge = (name: MetricName) => new Gauge(describe(name))
  const counter = (name: MetricName) => new Counter(describe(name))
  const histogram = (name: MetricName) =>
    new Histogram({ ...describe(name), buckets: [...((METRICS[name] as MetricDefinition).buckets ?? [])] })

  const syncDuration = histogram('kubeproxy_sync_proxy_rules_duration_seconds')
  const syncedAt = gauge('kubeproxy_sync_proxy_rules_last_timestamp_seconds')
  const queuedAt = gauge('kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds')
  const programming = histogram('kubeproxy_network_programming_duration_seconds')
  const probes = {
    '/healthz': counter('kubeproxy_proxy_healthz_total'),
    '/livez': counter('kubeproxy_proxy_livez_total'),
  }
  const refreshers = [
    refresh(gauge('portald_build_info'), ({ build }, put) => put(1, { ...build, workers: String(build.workers) })),
    refresh(gauge('portald_endpoints'), ({ health }, put) => {
      for (const { service, states } of health) putStates(service, states, put)
    }),
    refresh(counter('portald_endpoint_changes_total'), ({ health }, put) => {
      for (const { service, changes } of health) putStates(service, changes, put)
    }),
    refresh(counter('portald_checks_total'), ({ health }, put) => {
      for (const { service, checks } of health) {
        put(checks.good, { ...serviceLabels(service), result: 'good' })
        put(checks.bad, { ...serviceLabels(service), result: 'bad' })
      }
    }),
    refresh(gauge('portald_affinity_entries'), ({ affinity }, put) => put(affinity.entries)),
    refresh(counter('portald_affinity_evictions_total'), ({ affinity }, put) => put(affinity.evictions)),
    refresh(gauge('portald_limited_clients'), ({ clients }, put) => put(clients.entries)),
    refresh(counter('portald_limited_client_evictions_total'), ({ clients }, put) => put(clients.evictions)),
    refresh(counter('portald_uncounted_sessions_total'), ({ clients }, put) => put(clients.uncounted)),
    refresh(gauge('portald_listeners'), ({ listeners }, put) => {
      for (const [state, count] of listeners) put(count, { state })
    }),
    refresh(gauge('portald_vips'), ({ vips }, put) => put(vips)),
    refresh(gauge('portald_source_synced'), ({ sources }, put) => {
      for (const { name, synced } of sources) put(synced ? 1 : 0, { source: name })
    }),
    refresh(gauge('portald_source_age_seconds'), ({ sources }, put) => {
      for (const { name, readAtMs } of sources) {
        if (readAtMs !== undefined) put(Math.max(clock.wall() - readAtMs, 0) / 1000, { source: name })
      }
    }),
    refresh(gauge('portald_problems'), ({ problems }, put) => {
      put(problems.error, { severity: 'error' })
      put(problems.warning, { severity: 'warning' })
    }),
    refresh(gauge('portald_snapshot_revision'), ({ snapshotRevision }, put) => put(snapshotRevision)),
    refresh(counter('portald_records_dropped_total'), ({ recordsDropped }, put) => put(recordsDropped)),
    refresh(counter('portald_access_log_dropped_total'), ({ accessLogDropped }, put) => put(accessLogDropped)),
    refresh(gauge('kubeproxy_sync_proxy_rules_no_local_endpoints_total'), ({ noLocalEndpoints }, put) => {
      for (const [policy, families] of Object.entries(noLocalEndpoints)) {
        for (const [family, count] of Object.entries(families)) put(count, { ip_family: family, traffic_policy: policy })
      }
    }),
    ...(['endpoint', 'service'] as const).flatMap((kind) => [
      refresh(gauge(`kubeproxy_sync_proxy_rules_${kind}_changes_pending`), ({ changes }, put) =>
        put(changes[`${kind}s`].pending),
      ),
      refresh(counter(`kubeproxy_sync_proxy_rules_${kind}_changes_total`), ({ changes }, put) => put(changes[`${kind}s`].total)),
    ]),
  ]

  const pulses = [
    refresh<readonly WorkerPulse[]>(counter('portald_worker_cpu_seconds_total'), (workers, put) => {
      for (const [worker, { cpuMs }] of workers.entries()) if (cpuMs !== undefined) put(cpuMs / 1000, { worker: `${worker}` })
    }),
    refresh<readonly WorkerPulse[]>(gauge('portald_worker_answer_seconds'), (workers, put) => {
      for (const [worker, { answerMs }] of workers.entries())
        if (answerMs !== undefined) put(answerMs / 1000, { worker: `${worker}` })
    }),
  ]

  return {
    contentType: registry.contentType,
    async scrape() {
      const pulse = await source.pulse()
      const reading = source.read()
      for (const update of refreshers) update(reading)
      for (const update of pulses) update(pulse)
      const own = await registry.metrics()
      // One after the other: both are of this moment, give or take some milliseconds.
      const services = await inSlices(serviceMetrics(reading.ledger, reading.lines, reading.services), clock)
      const { endpoints } = reading
      return `${own}\n${services}${endpoints ? await inSlices(endpointMetrics(reading.ledger, endpoints), clock) : ''}`
    },
    syncQueued(families) {
      for (const family of families) queuedAt.set({ ip_family: family }, clock.wall() / 1000)
    },
    syncFinished(durationMs, families) {
      for (const family of families) {
        syncDuration.observe({ ip_family: family }, durationMs / 1000)
        syncedAt.set({ ip_family: family }, clock.wall() / 1000)
      }
    },
    programmed(latencyMs, families) {
      for (const family of families) programming.observe({ ip_family: family }, latencyMs / 1000)
    },
    probed: (path, code) => probes[path].inc({ code: String(code) }),
  }
}

type Labels = Record<string, string>

function putStates(service: string, counts: HealthTotals['states'], put: (value: number, labels: Labels) => void): void {
  for (const [state, count] of Object.entries(counts)) put(count, { ...serviceLabels(service), state })
}

/** Replaces all values of a metric by those of a reading. */
function refresh<Reading = MetricsReading>(
  metric: Gauge | Counter,
  values: (reading: Reading, put: (value: number, labels?: Labels) => void) => void,
): (reading: Reading) => void {
  return (reading) => {
    metric.reset()
    values(reading, (value, labels = {}) => metric.inc(labels, value))
  }
}
