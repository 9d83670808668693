import { parseDuration } from '../lib/duration.ts'
import { nearest } from '../lib/nearest.ts'
import type { Findings } from './findings.ts'
import type { ServiceDefaults } from './parse-options.ts'
import type { RemovalPolicy, ServiceOptions } from './service.ts'

/** What begins the names of our annotations. */
export const ANNOTATION_PREFIX = 'portald.io/'

/** What the annotations say, before attempts and their timeouts are put together. */
interface Wishes extends ServiceOptions {
  readonly attempts: number | undefined
}

/** One annotation: this table is all there is to know about it, for the program and for its documentation. */
export interface AnnotationRule {
  readonly name: string
  /** The field of {@link ServiceOptions} that it has a say in. */
  readonly sets: keyof ServiceOptions
  /** What holds without it, as it would be written; empty: nothing is set. */
  readonly fallback: string
  /** What a value must look like. */
  readonly right: string
  readonly about: string
  readonly parse: (text: string) => Partial<Wishes> | undefined
}

const MOST_ATTEMPTS = 16
const MOST_RESPONSES = 1_000_000
/** Node's timers keep no longer ones. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1
const A_DURATION = 'a duration from 1ms to 596h, such as'

export const ANNOTATIONS: readonly AnnotationRule[] = [
  {
    name: 'portald.io/on-endpoint-removed',
    sets: 'onEndpointRemoved',
    fallback: 'keep',
    right: `must be keep, cut, or drain= and ${A_DURATION} drain=30s`,
    about: 'what becomes of live sessions when their endpoint leaves the Service',
    parse: (text) => {
      const policy = parseRemoval(text)
      return policy && { onEndpointRemoved: policy }
    },
  },
  {
    name: 'portald.io/connect-timeout',
    sets: 'connectMs',
    fallback: '250ms,500ms,1s,2s',
    right: `must be ${A_DURATION} 500ms, or up to ${MOST_ATTEMPTS} of them, such as 250ms,1s`,
    about: 'how long each attempt to reach an endpoint may take; a single duration holds for every attempt',
    parse: (text) => {
      const timeouts = text.split(',').map((part) => parseTimeout(part.trim()))
      return timeouts.length <= MOST_ATTEMPTS && !timeouts.includes(undefined) ? { connectMs: timeouts as number[] } : undefined
    },
  },
  {
    name: 'portald.io/attempts',
    sets: 'connectMs',
    fallback: '',
    right: `must be a whole number from 1 to ${MOST_ATTEMPTS}`,
    about: 'how many attempts there are; more than there are connect timeouts repeat the last one',
    parse: (text) => {
      const attempts = parseCount(text, MOST_ATTEMPTS)
      return attempts === undefined ? undefined : { attempts }
    },
  },
  {
    name: 'portald.io/idle-timeout',
    sets: 'idleMs',
    fallback: '1h',
    right: `must be ${A_DURATION} 1h`,
    about: 'ends a TCP session without a byte for this long; --idle-timeout sets it for Services that do not say',
    parse: timeout('idleMs'),
  },
  {
    name: 'portald.io/half-close-timeout',
    sets: 'halfCloseMs',
    fallback: '60s',
    right: `must be ${A_DURATION} 60s`,
    about:
      'how long one direction of a TCP session may stay open after the other was closed; --half-close-timeout sets it for Services that do not say',
    parse: timeout('halfCloseMs'),
  },
  {
    name: 'portald.io/udp-timeout',
    sets: 'udpIdleMs',
    fallback: '60s',
    right: `must be ${A_DURATION} 60s`,
    about: 'ends a UDP session without a datagram for this long; --udp-timeout sets it for Services that do not say',
    parse: timeout('udpIdleMs'),
  },
  {
    name: 'portald.io/udp-responses',
    sets: 'udpResponses',
    fallback: '',
    right: `must be a whole number from 1 to ${MOST_RESPONSES}`,
    about: 'ends a UDP session after this many replies',
    parse: (text) => {
      const udpResponses = parseCount(text, MOST_RESPONSES)
      return udpResponses === undefined ? undefined : { udpResponses }
    },
  },
]

const RULES = new Map(ANNOTATIONS.map((rule) => [rule.name, rule]))
const DEFAULTS = Object.assign({}, ...ANNOTATIONS.map((rule) => rule.parse(rule.fallback))) as Wishes
/** What one timeout is repeated to when nobody says how often. */
const DEFAULT_ATTEMPTS = DEFAULTS.connectMs.length

/** Reads a Service's annotations. One that is wrong is an error that leaves its default in force. */
export function parseAnnotations(
  annotations: Readonly<Record<string, unknown>>,
  { idleMs, halfCloseMs, udpIdleMs }: ServiceDefaults,
  findings: Findings,
): ServiceOptions {
  const wishes: Partial<Wishes> = {}
  for (const [name, value] of Object.entries(annotations)) {
    if (!name.startsWith(ANNOTATION_PREFIX)) continue
    const path = ['metadata', 'annotations', name]
    const rule = RULES.get(name)
    const wish = typeof value === 'string' ? rule?.parse(value.trim()) : undefined
    if (wish) Object.assign(wishes, wish)
    else if (!rule)
      findings.warn('annotation-unknown', path, value, `is not known; the nearest is ${nearest(name, [...RULES.keys()])}`)
    else if (typeof value === 'string') findings.complain('annotation', path, value, rule.right)
    else findings.complain('type', path, value, `must be text: put it in quotes; ${rule.right}`)
  }
  const { attempts, ...options } = { ...DEFAULTS, idleMs, halfCloseMs, udpIdleMs, udpResponses: undefined, ...wishes }
  return { ...options, connectMs: spread(options.connectMs, attempts, wishes.connectMs?.length === 1) }
}

/** As many timeouts as there are attempts. */
function spread(timeouts: readonly number[], attempts: number | undefined, forEach: boolean): readonly number[] {
  const wanted = attempts ?? (forEach ? DEFAULT_ATTEMPTS : timeouts.length)
  return Array.from({ length: wanted }, (_, attempt) => timeouts[Math.min(attempt, timeouts.length - 1)] as number)
}

function parseRemoval(text: string): RemovalPolicy | undefined {
  if (text === 'keep' || text === 'cut') return { do: text }
  const deadlineMs = text.startsWith('drain=') ? parseTimeout(text.slice('drain='.length).trim()) : undefined
  return deadlineMs === undefined ? undefined : { do: 'drain', deadlineMs }
}

function timeout(field: 'idleMs' | 'halfCloseMs' | 'udpIdleMs'): AnnotationRule['parse'] {
  return (text) => {
    const ms = parseTimeout(text)
    return ms === undefined ? undefined : { [field]: ms }
  }
}

function parseTimeout(text: string): number | undefined {
  const ms = parseDuration(text)
  return ms !== undefined && ms >= 1 && ms <= LONGEST_TIMEOUT_MS ? ms : undefined
}

function parseCount(text: string, most: number): number | undefined {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0
  return count >= 1 && count <= most ? count : undefined
}
