import type { Steps } from '../lib/steps.ts'
import { SESSION_ENDS } from '../model/session.ts'
import { CONNECT_BUCKETS_MS, type LedgerViews } from '../model/shared-layout.ts'
import type { LineViews } from '../model/shared-lines.ts'
import { type ServiceTotals, serviceTotals } from './ledger-totals.ts'
import { type LabelledService, lineMetrics } from './line-metrics.ts'
import { METRICS, type MetricName } from './metric-table.ts'

/** A Service port that is counted, and where. */
export interface CountedService {
  readonly slot: number
  /** `namespace/name:port/PROTOCOL`. */
  readonly key: string
}

/** The metrics that every Service port has, in Prometheus text format.
 *
 *  Written by hand: 1,000 Service ports are 27,000 lines, which take prom-client 75 ms and this 15 ms, on the thread
 *  that with the node engine relays sessions; therefore in steps, too. */
export function* serviceMetrics(ledger: LedgerViews, lines: LineViews, services: Iterable<CountedService>): Steps<string> {
  const all: Counted[] = []
  for (const { slot, key } of services) {
    const { service, protocol } = serviceLabels(key)
    all.push({
      slot,
      labels: `service="${escapeLabel(service)}",protocol="${escapeLabel(protocol)}"`,
      totals: serviceTotals(ledger, slot),
      datagrams: protocol !== 'TCP',
    })
    yield
  }
  const udp = all.filter((service) => service.datagrams)
  const families = [
    family('portald_sessions_active', all, ({ counters }, put) => put('', counters.active)),
    family('portald_sessions_total', all, ({ counters }, put) => put('', counters.sessions)),
    family('portald_session_ends_total', all, ({ ends }, put) => {
      for (let end = 0; end < ends.length; end++) if (ends[end]) put(`,end="${SESSION_ENDS[end]}"`, ends[end] as number)
    }),
    family('portald_bytes_total', all, ({ counters }, put) => {
      put(FROM_CLIENT, counters.bytesFromClient)
      put(FROM_ENDPOINT, counters.bytesFromEndpoint)
    }),
    family('portald_datagrams_total', udp, ({ counters }, put) => {
      put(FROM_CLIENT, counters.datagramsFromClient)
      put(FROM_ENDPOINT, counters.datagramsFromEndpoint)
    }),
    family('portald_dial_attempts_total', all, ({ counters }, put) => put('', counters.attempts)),
    family('portald_dial_failures_total', all, ({ counters }, put) => put('', counters.attemptFailures)),
    family('portald_dial_retries_total', all, ({ counters }, put) => put('', counters.retries)),
    connectTimes(all),
    family('portald_affinity_hits_total', all, ({ counters }, put) => put('', counters.affinityHits)),
    family('portald_affinity_misses_total', all, ({ counters }, put) => put('', counters.affinityMisses)),
    family('portald_udp_evictions_total', udp, ({ counters }, put) => put('', counters.udpEvictions)),
  ]
  let text = ''
  for (const steps of families) text += `${yield* steps}\n`
  return `${text}${lineMetrics(lines, all)}\n`
}

/** What `namespace/name:port/PROTOCOL` is in labels. */
export function serviceLabels(key: string): { readonly service: string; readonly protocol: string } {
  const protocolAt = key.lastIndexOf('/')
  return { service: key.slice(0, protocolAt), protocol: key.slice(protocolAt + 1) }
}

interface Counted extends LabelledService {
  readonly totals: ServiceTotals
  readonly datagrams: boolean
}

const FROM_CLIENT = ',direction="from-client"'
const FROM_ENDPOINT = ',direction="from-endpoint"'

export function header(name: MetricName): string {
  return `# HELP ${name} ${METRICS[name].help}\n# TYPE ${name} ${METRICS[name].type}\n`
}

/** One metric: `values` puts each value with the labels it has besides the Service's. */
function* family(
  name: MetricName,
  services: readonly Counted[],
  values: (totals: ServiceTotals, put: (labels: string, value: number) => void) => void,
): Steps<string> {
  let text = header(name)
  for (const { labels, totals } of services) {
    yield
    values(totals, (more, value) => {
      text += `${name}{${labels}${more}} ${value}\n`
    })
  }
  return text
}

function* connectTimes(services: readonly Counted[]): Steps<string> {
  const name = 'portald_connect_seconds'
  let text = header(name)
  for (const { labels, totals } of services) {
    yield
    const count = totals.connectTimes.reduce((sum, value) => sum + value, 0)
    if (count === 0) continue
    let below = 0
    for (const [bucket, limitMs] of CONNECT_BUCKETS_MS.entries()) {
      below += totals.connectTimes[bucket] as number
      text += `${name}_bucket{${labels},le="${limitMs / 1000}"} ${below}\n`
    }
    text += `${name}_bucket{${labels},le="+Inf"} ${count}\n`
    text += `${name}_sum{${labels}} ${totals.counters.connectMsSum / 1000}\n${name}_count{${labels}} ${count}\n`
  }
  return text
}

export const escapeLabel = (value: string) => value.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`))
