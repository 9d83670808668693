import type { Steps } from '../lib/steps.ts'
import { type EndpointCounter, endpointBase, endpointCell, type LedgerViews } from '../model/shared-layout.ts'
import type { MetricName } from './metric-table.ts'
import { escapeLabel, header, serviceLabels } from './service-metrics.ts'

/** An endpoint of a Service port that is counted, and where. */
export interface CountedEndpoint {
  readonly slot: number
  /** `namespace/name:port/PROTOCOL`. */
  readonly service: string
  /** `10.1.0.1:8080/TCP`. */
  readonly key: string
}

/** Which cell each metric is, and with which label besides the endpoint's. */
const COUNTERS: readonly (readonly [MetricName, readonly (readonly [label: string, EndpointCounter])[]])[] = [
  ['portald_endpoint_sessions_total', [['', 'sessions']]],
  [
    'portald_endpoint_bytes_total',
    [
      [',direction="from-client"', 'bytesFromClient'],
      [',direction="from-endpoint"', 'bytesFromEndpoint'],
    ],
  ],
  ['portald_endpoint_dial_attempts_total', [['', 'attempts']]],
  [
    'portald_endpoint_dial_failures_total',
    [
      [',reason="refused"', 'refused'],
      [',reason="timed-out"', 'timedOut'],
    ],
  ],
  ['portald_endpoint_resets_total', [['', 'resets']]],
]

/** The metrics of single endpoints, in Prometheus text format. */
export function* endpointMetrics(ledger: LedgerViews, endpoints: Iterable<CountedEndpoint>): Steps<string> {
  const all: { readonly slot: number; readonly labels: string }[] = []
  for (const { slot, service: key, key: endpoint } of endpoints) {
    const { service, protocol } = serviceLabels(key)
    const address = endpoint.slice(0, endpoint.lastIndexOf('/'))
    const labels = `service="${escapeLabel(service)}",protocol="${escapeLabel(protocol)}",endpoint="${escapeLabel(address)}"`
    all.push({ slot, labels })
    yield
  }
  let text = header('portald_endpoint_sessions_active')
  for (const { slot, labels } of all) {
    let active = 0
    for (const row of ledger.rows) active += row.active[slot] as number
    text += `portald_endpoint_sessions_active{${labels}} ${active}\n`
    yield
  }
  for (const [name, cells] of COUNTERS) {
    text += header(name)
    for (const { slot, labels } of all) {
      for (const [more, counter] of cells) {
        const cell = endpointBase(slot) + endpointCell(counter)
        let total = 0
        for (const row of ledger.rows) total += row.endpoints[cell] as number
        text += `${name}{${labels}${more}} ${total}\n`
      }
      yield
    }
  }
  return text
}
