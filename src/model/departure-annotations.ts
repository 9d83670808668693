import type { AnnotationRule } from './annotation-rule.ts'
import { A_DURATION, parseTimeout } from './parse-timeout.ts'
import type { DeparturePolicy, ServiceOptions } from './service.ts'

/** What annotations say about sessions that cannot go on as they did. */
export type DepartureWishes = Pick<
  ServiceOptions,
  'onEndpointRemoved' | 'onEndpointUnready' | 'onEndpointDown' | 'onServiceRemoved'
>

/** Annotations about what becomes of live sessions. */
export const DEPARTURE_ANNOTATIONS: readonly AnnotationRule<DepartureWishes>[] = [
  departure('portald.io/on-endpoint-removed', 'onEndpointRemoved', 'keep', 'when their endpoint leaves the Service'),
  departure('portald.io/on-endpoint-unready', 'onEndpointUnready', 'keep', 'when their endpoint is not ready any more'),
  departure('portald.io/on-endpoint-down', 'onEndpointDown', 'keep', 'when checks or its agent find their endpoint down'),
  departure(
    'portald.io/on-service-removed',
    'onServiceRemoved',
    '',
    'when the Service goes, or their port of it; without it, what on-endpoint-removed says',
  ),
]

function departure(name: string, sets: keyof DepartureWishes, fallback: string, when: string): AnnotationRule<DepartureWishes> {
  return {
    name,
    sets,
    fallback,
    right: `must be keep, cut, or drain= and ${A_DURATION} drain=30s`,
    about: `what becomes of live sessions ${when}`,
    parse: (text) => {
      const policy = parseDeparture(text)
      return policy && { [sets]: policy }
    },
  }
}

function parseDeparture(text: string): DeparturePolicy | undefined {
  if (text === 'keep' || text === 'cut') return { do: text }
  const deadlineMs = text.startsWith('drain=') ? parseTimeout(text.slice('drain='.length).trim()) : undefined
  return deadlineMs === undefined ? undefined : { do: 'drain', deadlineMs }
}
