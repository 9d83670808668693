import type { EndpointView, Explanation, Outcome } from '../../model/explanation.ts'
import type { EndpointPart } from '../../model/status.ts'
import { showAgo, showSize, showSpan } from './numbers.ts'
import { type Column, showTable } from './table.ts'

const BY: Readonly<Record<(Outcome & { readonly do: 'forward' })['by'], string>> = {
  affinity: 'and again as long as it is remembered',
  hash: 'and again while the endpoints stay as they are',
  turn: 'unless another session begins first',
  load: 'unless another session begins or ends first',
  chance: 'this time; the next look may say another',
}

/** What is worth knowing of an endpoint that may be chosen. */
const NOTES: Readonly<Partial<Record<EndpointPart, string>>> = {
  backup: 'a backup',
  unhealthy: 'unhealthy, but too few are not',
}

/** The steps, the endpoints, and at last what would happen. */
export function showExplanation(explanation: Explanation, width: number): string {
  const { steps, endpoints, client, destination, outcome, time } = explanation
  return [
    `${client} to ${destination}`,
    ...steps.map(({ step, passed, says }) => `${passed ? 'ok  ' : 'no  '} ${step.padEnd(13)} ${says}`),
    ...(endpoints.length > 0 ? ['', ...showTable(columns(time), endpoints, width)] : []),
    '',
    showOutcome(outcome),
  ].join('\n')
}

function showOutcome(outcome: Outcome): string {
  if (outcome.do === 'refuse') return `refused: ${outcome.end}`
  if (outcome.do === 'wait') return `waits, up to ${showSpan(outcome.withinMs)}, and then ends: ${outcome.end}`
  if (outcome.do === 'nothing') return `nothing: ${outcome.why}`
  const next = outcome.next.length > 0 ? `; if that fails ${outcome.next.join(', ')}` : ''
  return `goes to ${outcome.endpoint}, ${BY[outcome.by]}${next}`
}

function columns(now: string): readonly Column<EndpointView>[] {
  return [
    { title: '', of: (endpoint) => (endpoint.in ? 'in' : 'out') },
    { title: 'ENDPOINT', of: ({ endpoint }) => endpoint },
    { title: 'WEIGHT', of: ({ weight }) => String(Math.round(weight.now * 100) / 100), align: 'right' },
    { title: 'ACTIVE', of: ({ active }) => showSize(active), align: 'right' },
    {
      title: 'WHY',
      of: ({ why, state, lastFailure }) =>
        [why ?? NOTES[state] ?? '', lastFailure ? `${lastFailure.what} ${showAgo(lastFailure.at, now)} ago` : '']
          .filter((part) => part !== '')
          .join('; '),
    },
  ]
}
