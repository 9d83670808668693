import type { AnnotationRule } from './annotation-rule.ts'
import { parseCount } from './parse-count.ts'
import { A_DURATION, parseTimeout } from './parse-timeout.ts'
import type { ServiceOptions } from './service.ts'

type QueueWishes = Pick<ServiceOptions, 'maxConnections' | 'maxPerEndpoint' | 'queueLength' | 'queueMs' | 'holdMs'>

const MOST_CONNECTIONS = 1_000_000
const MOST_WAITING = 65_536

/** What holds where annotations do not say. */
export const NO_QUEUE = { maxConnections: undefined, maxPerEndpoint: undefined, holdMs: undefined } as const

/** Annotations about how many sessions there may be, and how long clients wait. */
export const QUEUE_ANNOTATIONS: readonly AnnotationRule<QueueWishes>[] = [
  {
    name: 'portald.io/max-connections',
    sets: 'maxConnections',
    fallback: '',
    right: `must be a whole number from 1 to ${MOST_CONNECTIONS}`,
    about: 'how many sessions each port of the Service may have at once, see [queue.md](queue.md)',
    parse: (text) => {
      const maxConnections = parseCount(text, MOST_CONNECTIONS)
      return maxConnections === undefined ? undefined : { maxConnections }
    },
  },
  {
    name: 'portald.io/max-connections-per-endpoint',
    sets: 'maxPerEndpoint',
    fallback: '',
    right: `must be a whole number from 1 to ${MOST_CONNECTIONS}`,
    about: 'how many sessions each endpoint of a port may have at once',
    parse: (text) => {
      const maxPerEndpoint = parseCount(text, MOST_CONNECTIONS)
      return maxPerEndpoint === undefined ? undefined : { maxPerEndpoint }
    },
  },
  {
    name: 'portald.io/queue',
    sets: 'queueLength',
    fallback: '1024',
    right: `must be a whole number from 0 to ${MOST_WAITING}`,
    about: 'how many TCP clients of a port may wait while it is full, or has no endpoint; who comes above that is turned away',
    parse: (text) => {
      const queueLength = text === '0' ? 0 : parseCount(text, MOST_WAITING)
      return queueLength === undefined ? undefined : { queueLength }
    },
  },
  {
    name: 'portald.io/queue-timeout',
    sets: 'queueMs',
    fallback: '5s',
    right: `must be ${A_DURATION} 5s`,
    about: 'how long each of them may wait while it is full',
    parse: timeout('queueMs'),
  },
  {
    name: 'portald.io/hold',
    sets: 'holdMs',
    fallback: '',
    right: `must be ${A_DURATION} 30s`,
    about: 'lets TCP clients wait for so long while the Service has no endpoint, instead of refusing them',
    parse: timeout('holdMs'),
  },
]

function timeout(field: 'queueMs' | 'holdMs'): AnnotationRule<QueueWishes>['parse'] {
  return (text) => {
    const ms = parseTimeout(text)
    return ms === undefined ? undefined : { [field]: ms }
  }
}
