import type { Clock } from '../lib/clock.ts'
import type { Endpoint } from '../model/endpoint.ts'
import type { EndpointHealth } from '../model/health.ts'
import { type EndpointKey, endpointAddress, type ServicePortKey, showAddress } from '../model/keys.ts'
import {
  ENDPOINT_COUNTERS,
  ENDPOINT_TIMES,
  type EndpointCounter,
  type EndpointTime,
  endpointBase,
  endpointCell,
  endpointTimeCell,
  endpointWord,
  IN_MAINTENANCE,
  type LedgerViews,
  RAMP_STEPS,
} from '../model/shared-layout.ts'
import type { ServicePortEndpoints } from '../model/snapshot.ts'
import type { EndpointPart, EndpointStatus, HealthStatus } from '../model/status.ts'
import { usableEndpoints } from '../model/usable-endpoints.ts'
import type { LiveByLease } from './live-counts.ts'

/** What is known of an endpoint's health; undefined: nobody watches it. */
export type ReadHealth = (service: ServicePortKey, endpoint: EndpointKey) => EndpointHealth | undefined

export interface EndpointReading {
  readonly ledger: LedgerViews
  readonly clock: Clock
  readonly slotOf: (service: ServicePortKey, endpoint: EndpointKey) => number | undefined
  readonly sinceMs: (service: ServicePortKey, endpoint: EndpointKey) => number | undefined
  readonly health: ReadHealth
  /** Running sessions; undefined where what they moved so far does not matter. */
  readonly live?: LiveByLease
}

const FAILURES = { refusedMs: 'refused', timedOutMs: 'timed-out', resetMs: 'reset' } as const satisfies Record<
  EndpointTime,
  string
>

/** The endpoints of a Service port as they are now: those that objects list, then those that left while sessions run to
 *  them (`removed`, by slot). */
export function readEndpoints(
  service: ServicePortKey,
  port: ServicePortEndpoints | undefined,
  removed: readonly { readonly slot: number; readonly key: EndpointKey }[],
  reading: EndpointReading,
): readonly EndpointStatus[] {
  const usable = port ? usableEndpoints(port) : new Set<EndpointKey>()
  const listed = port?.all.map((endpoint) => readListed(service, endpoint, usable.has(endpoint.key), reading)) ?? []
  const gone = removed.map(({ slot, key }) => ({
    endpoint: endpointAddress(key),
    state: 'removed' as const,
    weight: { given: 0, now: 0 },
    backup: false,
    ...readCounts(slot, reading),
  }))
  return [...listed, ...gone]
}

function readListed(service: ServicePortKey, endpoint: Endpoint, usable: boolean, reading: EndpointReading): EndpointStatus {
  const slot = reading.slotOf(service, endpoint.key)
  const override = slot === undefined ? 0 : Atomics.load(reading.ledger.endpointWords, endpointWord(slot, 'override'))
  const ramp = slot === undefined ? 0 : Atomics.load(reading.ledger.endpointWords, endpointWord(slot, 'ramp'))
  const set = override > 0 ? override - 1 : undefined
  const maintenance = override === IN_MAINTENANCE
  const full = maintenance ? 0 : (set ?? endpoint.weight)
  const slowStart = ramp > 0 ? ramp / RAMP_STEPS : undefined
  const counts = readCounts(slot, reading)
  const health = reading.health(service, endpoint.key)
  const sinceMs = reading.sinceMs(service, endpoint.key)
  return {
    endpoint: showAddress(endpoint.address),
    state: stateOf(endpoint, {
      usable,
      maintenance,
      weight: full,
      busy: counts.sessions.active > 0,
      healthy: (health?.state ?? 'up') === 'up',
    }),
    node: endpoint.nodeName,
    zone: endpoint.zone,
    since: sinceMs === undefined ? undefined : new Date(sinceMs).toISOString(),
    health: health && healthStatus(health),
    weight: { given: endpoint.weight, now: full * (slowStart ?? 1) * ((health?.agentPercent ?? 100) / 100), set },
    backup: endpoint.backup,
    slowStart,
    ...counts,
  }
}

function healthStatus({ state, sinceMs, lastFailure, agentPercent, ejectedUntilMs }: EndpointHealth): HealthStatus {
  return {
    state,
    since: iso(sinceMs),
    reason: lastFailure?.reason,
    failedAt: lastFailure && iso(lastFailure.atMs),
    agentPercent,
    until: ejectedUntilMs === undefined ? undefined : iso(ejectedUntilMs),
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}

interface Circumstances {
  readonly usable: boolean
  readonly maintenance: boolean
  readonly weight: number
  readonly busy: boolean
  readonly healthy: boolean
}

function stateOf(endpoint: Endpoint, { usable, maintenance, weight, busy, healthy }: Circumstances): EndpointPart {
  if (!usable) {
    if (endpoint.terminating) return 'terminating'
    return endpoint.ready ? 'elsewhere' : 'not-ready'
  }
  if (maintenance) return busy ? 'draining' : 'drained'
  if (!healthy) return 'unhealthy'
  if (weight === 0) return 'no-weight'
  return endpoint.backup ? 'backup' : 'serving'
}

function readCounts(
  slot: number | undefined,
  { ledger, clock, live }: EndpointReading,
): Pick<EndpointStatus, 'sessions' | 'bytes' | 'attempts' | 'failures' | 'lastFailure'> {
  const count = (counter: EndpointCounter) => (slot === undefined ? 0 : sum(ledger, endpointBase(slot) + endpointCell(counter)))
  const { sessions, bytesFromClient, bytesFromEndpoint, attempts, refused, timedOut, resets } = Object.fromEntries(
    ENDPOINT_COUNTERS.map((counter) => [counter, count(counter)]),
  ) as Record<EndpointCounter, number>
  const active = slot === undefined ? 0 : ledger.rows.reduce((total, row) => total + (row.active[slot] as number), 0)
  const running = slot === undefined ? undefined : live?.get(slot)
  return {
    // What ended, and what still runs.
    sessions: { active, total: sessions + active },
    bytes: {
      fromClient: bytesFromClient + (running?.bytesFromClient ?? 0),
      fromEndpoint: bytesFromEndpoint + (running?.bytesFromEndpoint ?? 0),
    },
    attempts,
    failures: { refused, timedOut, resets },
    lastFailure: slot === undefined ? undefined : lastFailure(slot, ledger, clock),
  }
}

function lastFailure(slot: number, ledger: LedgerViews, clock: Clock): EndpointStatus['lastFailure'] {
  let last: { readonly what: EndpointTime; readonly atMs: number } | undefined
  for (const what of ENDPOINT_TIMES) {
    const cell = endpointBase(slot) + endpointTimeCell(what)
    const atMs = ledger.rows.reduce((latest, row) => Math.max(latest, row.endpoints[cell] as number), 0)
    if (atMs > (last?.atMs ?? 0)) last = { what, atMs }
  }
  return last && { at: new Date(clock.wall() - (clock.now() - last.atMs)).toISOString(), what: FAILURES[last.what] }
}

function sum(ledger: LedgerViews, cell: number): number {
  return ledger.rows.reduce((total, row) => total + (row.endpoints[cell] as number), 0)
}
