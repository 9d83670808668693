import { type LineViews, lineTotal, waitingNow } from '../model/shared-lines.ts'
import { METRICS, type MetricName } from './metric-table.ts'

/** A Service port by its labels, as text. */
export interface LabelledService {
  readonly slot: number
  readonly labels: string
}

/** The metrics of Service ports that clients had to wait for, in Prometheus text format. */
export function lineMetrics(lines: LineViews, services: readonly LabelledService[]): string {
  const waited = services.filter(({ slot }) => lineTotal(lines, slot, 'waits') > 0)
  const needed = services.filter(({ slot }) => lineTotal(lines, slot, 'needs') > 0)
  return [
    family('portald_queue_sessions', waited, (slot) => waitingNow(lines, slot)),
    family('portald_queue_waits_total', waited, (slot) => lineTotal(lines, slot, 'waits')),
    family('portald_queue_wait_seconds_total', waited, (slot) => lineTotal(lines, slot, 'waitedMs') / 1000),
    family('portald_need_endpoints_total', needed, (slot) => lineTotal(lines, slot, 'needs')),
  ].join('\n')
}

function family(name: MetricName, services: readonly LabelledService[], value: (slot: number) => number): string {
  const { help, type } = METRICS[name]
  const values = services.map(({ slot, labels }) => `${name}{${labels}} ${value(slot)}\n`)
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${values.join('')}`
}
