import type { SessionEnd } from '../model/session.ts'
import type { EndpointStatus, ServiceStatus, Status } from '../model/status.ts'
import { connectQuantileMs } from './connect-times.ts'

/** Ends that somebody should know of. */
const ERRORS: readonly SessionEnd[] = [
  'endpoint-reset',
  'connect-refused',
  'connect-timeout',
  'no-endpoint',
  'denied',
  'over-limit',
  'queue-timeout',
  'bad-header',
  'internal',
]

/** What happened between two looks, each second. */
export interface Rates {
  readonly active: number
  readonly begun: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Sessions that were turned away or lost. */
  readonly errors: number
  /** Attempts to reach an endpoint that failed; another one may have been reached. */
  readonly failures: number
}

/** With how long endpoints took to answer, of the sessions that were connected meanwhile. */
export interface TimedRates extends Rates {
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
}

export interface ServiceRates extends TimedRates {
  readonly service: string
  readonly up: number
  readonly endpoints: number
}

export interface EndpointRates extends Rates {
  readonly service: string
  readonly endpoint: string
  readonly state: EndpointStatus['state']
  readonly lastFailure: EndpointStatus['lastFailure']
}

/** Everything that happened between two looks. */
export interface TopRates {
  readonly now: Status
  readonly all: TimedRates
  readonly services: readonly ServiceRates[]
  readonly endpoints: readonly EndpointRates[]
}

/** Compares two looks at one process. What was counted less than before began anew. */
export function ratesBetween(before: Status, now: Status): TopRates {
  const seconds = Math.max(0.001, (Date.parse(now.time) - Date.parse(before.time)) / 1000)
  const per = (later: number, earlier: number) => Math.max(0, later - earlier) / seconds
  const known = new Map(before.services.map((service) => [service.service, service]))
  const together: number[] = now.connectBucketsMs.map(() => 0).concat(0)
  const services = now.services.map((service) => {
    const earlier = known.get(service.service) ?? service
    const buckets = service.connect.buckets.map((count, n) => Math.max(0, count - (earlier.connect.buckets[n] ?? 0)))
    for (const [n, count] of buckets.entries()) together[n] = (together[n] ?? 0) + count
    return serviceRates(service, earlier, buckets, per)
  })
  const endpoints = now.services.flatMap((service) => {
    const earlier = new Map(known.get(service.service)?.endpoints.map((endpoint) => [endpoint.endpoint, endpoint]))
    return service.endpoints.map((endpoint) =>
      endpointRates(service.service, endpoint, earlier.get(endpoint.endpoint) ?? endpoint, per),
    )
  })
  const sum = (of: (rates: Rates) => number) => services.reduce((total, rates) => total + of(rates), 0)
  const all = {
    active: now.limits.sessions.active,
    begun: sum(({ begun }) => begun),
    bytesIn: sum(({ bytesIn }) => bytesIn),
    bytesOut: sum(({ bytesOut }) => bytesOut),
    errors: sum(({ errors }) => errors),
    failures: sum(({ failures }) => failures),
    ...quantilesOf(together),
  }
  return { now, all, services, endpoints }
}

type Per = (later: number, earlier: number) => number

function serviceRates(now: ServiceStatus, before: ServiceStatus, buckets: readonly number[], per: Per): ServiceRates {
  return {
    service: now.service,
    up: now.endpoints.filter(({ state }) => state === 'serving' || state === 'backup').length,
    endpoints: now.endpoints.length,
    active: now.sessions.active,
    begun: per(now.sessions.total, before.sessions.total),
    bytesIn: per(now.bytes.fromClient, before.bytes.fromClient),
    bytesOut: per(now.bytes.fromEndpoint, before.bytes.fromEndpoint),
    errors: per(errorsOf(now), errorsOf(before)),
    failures: per(now.attemptFailures, before.attemptFailures),
    ...quantilesOf(buckets),
  }
}

function quantilesOf(buckets: readonly number[]): Pick<TimedRates, 'p50Ms' | 'p99Ms'> {
  return { p50Ms: connectQuantileMs(buckets, 0.5), p99Ms: connectQuantileMs(buckets, 0.99) }
}

function endpointRates(service: string, now: EndpointStatus, before: EndpointStatus, per: Per): EndpointRates {
  return {
    service,
    endpoint: now.endpoint,
    state: now.state,
    lastFailure: now.lastFailure,
    active: now.sessions.active,
    begun: per(now.sessions.total, before.sessions.total),
    bytesIn: per(now.bytes.fromClient, before.bytes.fromClient),
    bytesOut: per(now.bytes.fromEndpoint, before.bytes.fromEndpoint),
    errors: per(now.failures.resets, before.failures.resets),
    failures: per(attemptsFailed(now), attemptsFailed(before)),
  }
}

function errorsOf({ ends }: ServiceStatus): number {
  return ERRORS.reduce((sum, end) => sum + (ends[end] ?? 0), 0)
}

function attemptsFailed({ failures }: EndpointStatus): number {
  return failures.refused + failures.timedOut
}
