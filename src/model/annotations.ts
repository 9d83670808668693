import { parseDuration } from '../lib/duration.ts'
import { nearest } from '../lib/nearest.ts'
import { parseCidr, parseIp } from './address.ts'
import type { Findings } from './findings.ts'
import { type Cidr, hostRange, type Ip } from './keys.ts'
import type { ServiceDefaults } from './parse-options.ts'
import { parseSendProxy } from './parse-send-proxy.ts'
import { A_WEIGHT, parseWeight } from './preference.ts'
import { type RemovalPolicy, SCHEDULER_NAMES, type SchedulerName, type ServiceOptions } from './service.ts'

/** What begins the names of our annotations. */
export const ANNOTATION_PREFIX = 'portald.io/'

/** What the annotations say, before what belongs together is put together. */
interface Wishes extends Omit<ServiceOptions, 'acceptProxy'> {
  readonly attempts: number | undefined
  readonly acceptProxyFrom: readonly Cidr[] | undefined
  readonly acceptProxyMs: number
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
const MOST_TRUSTED = 256
const MOST_CONNECTIONS = 1_000_000
const MOST_WAITING = 65_536
/** Node's timers keep no longer ones. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1
const A_DURATION = 'a duration from 1ms to 596h, such as'
/** Schedulers that do not look at weights, or by which a client must stay where it is. */
const WITHOUT_SLOW_START: readonly SchedulerName[] = ['rr', 'sh', 'dh', 'mh']

export const ANNOTATIONS: readonly AnnotationRule[] = [
  {
    name: 'portald.io/scheduler',
    sets: 'scheduler',
    fallback: 'rr',
    right: `must be ${SCHEDULER_NAMES.slice(0, -1).join(', ')} or ${SCHEDULER_NAMES.at(-1)}`,
    about: 'how an endpoint is chosen, see [schedulers.md](schedulers.md); --scheduler sets it for Services that do not say',
    parse: (text) => {
      const scheduler = SCHEDULER_NAMES.find((name) => name === text)
      return scheduler && { scheduler }
    },
  },
  {
    name: 'portald.io/weights',
    sets: 'weights',
    fallback: '',
    right: `must be addresses, each with = and ${A_WEIGHT}, such as 10.1.0.1=3,10.1.0.2=0`,
    about: 'what endpoints weigh beside each other, by address; 1 without it, and 0 takes no new sessions',
    parse: (text) => {
      const weights = text.split(',').map(parseWeightOf)
      return weights.includes(undefined) ? undefined : { weights: Object.fromEntries(weights as [Ip, number][]) }
    },
  },
  {
    name: 'portald.io/backup',
    sets: 'backups',
    fallback: '',
    right: 'must be addresses, such as 10.1.0.8,10.1.0.9',
    about: 'endpoints that serve only where no other can, by address',
    parse: (text) => {
      const backups = text.split(',').map((part) => parseIp(part.trim()))
      return backups.includes(undefined) ? undefined : { backups: backups as Ip[] }
    },
  },
  {
    name: 'portald.io/slow-start',
    sets: 'slowStartMs',
    fallback: '',
    right: `must be ${A_DURATION} 30s`,
    about: 'how long the weight of an endpoint that is new or came back grows from a twentieth to its full',
    parse: timeout('slowStartMs'),
  },
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
    name: 'portald.io/source-address',
    sets: 'sourceAddress',
    fallback: 'proxy',
    right: 'must be proxy or transparent',
    about: "whose address endpoints see: this machine's, or the client's own, for which replies must be routed back here",
    parse: (text) => (text === 'proxy' || text === 'transparent' ? { sourceAddress: text } : undefined),
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
  {
    name: 'portald.io/tcp-user-timeout',
    sets: 'userTimeoutMs',
    fallback: '',
    right: `must be ${A_DURATION} 30s`,
    about:
      'ends a TCP session when a side has not acknowledged for this long what was sent to it, slow readers included; native engine only',
    parse: timeout('userTimeoutMs'),
  },
  {
    name: 'portald.io/send-proxy',
    sets: 'sendProxy',
    fallback: '',
    right:
      'must be v1, or v2 and any of unique-id, crc32c, received-tlvs and values from 0xe0 to 0xef, such as v2,unique-id,0xe0={service}',
    about: 'tells endpoints of TCP ports who the client is, by a PROXY header ahead of everything else',
    parse: (text) => {
      const sendProxy = parseSendProxy(text)
      return sendProxy && { sendProxy }
    },
  },
  {
    name: 'portald.io/accept-proxy',
    sets: 'acceptProxy',
    fallback: '',
    right: `must be up to ${MOST_TRUSTED} addresses and ranges of load balancers, such as 10.0.0.0/8,192.0.2.7`,
    about: 'lets TCP ports take clients from here only, and only those that begin with a PROXY header, which says who they are',
    parse: (text) => {
      const acceptProxyFrom = parseRanges(text)
      return acceptProxyFrom && { acceptProxyFrom }
    },
  },
  {
    name: 'portald.io/accept-proxy-timeout',
    sets: 'acceptProxy',
    fallback: '3s',
    right: `must be ${A_DURATION} 3s`,
    about: 'how long the PROXY header of a client may take to come',
    parse: timeout('acceptProxyMs'),
  },
]

const RULES = new Map(ANNOTATIONS.map((rule) => [rule.name, rule]))
const NOTHING: Partial<Wishes> = {
  weights: {},
  backups: [],
  slowStartMs: undefined,
  udpResponses: undefined,
  maxConnections: undefined,
  maxPerEndpoint: undefined,
  holdMs: undefined,
  userTimeoutMs: undefined,
  sendProxy: undefined,
  acceptProxyFrom: undefined,
}
const DEFAULTS = Object.assign({}, NOTHING, ...ANNOTATIONS.map((rule) => rule.parse(rule.fallback))) as Wishes
/** What one timeout is repeated to when nobody says how often. */
const DEFAULT_ATTEMPTS = DEFAULTS.connectMs.length

/** Reads a Service's annotations. One that is wrong is an error that leaves its default in force. */
export function parseAnnotations(
  annotations: Readonly<Record<string, unknown>>,
  defaults: ServiceDefaults,
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
  const { attempts, acceptProxyFrom: from, acceptProxyMs: withinMs, ...options } = { ...DEFAULTS, ...defaults, ...wishes }
  if (options.slowStartMs !== undefined && WITHOUT_SLOW_START.includes(options.scheduler)) {
    const path = ['metadata', 'annotations', 'portald.io/slow-start']
    const message = `means nothing to scheduler ${options.scheduler}; wrr, wlc or p2c would heed it`
    findings.warn('slow-start', path, annotations['portald.io/slow-start'], message)
  }
  return {
    ...options,
    connectMs: spread(options.connectMs, attempts, wishes.connectMs?.length === 1),
    acceptProxy: from && { from, withinMs },
  }
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

/** Single addresses stand for themselves. */
function parseRanges(text: string): readonly Cidr[] | undefined {
  const ranges = text.split(',').map((part) => {
    const ip = parseIp(part.trim())
    return ip === undefined ? parseCidr(part.trim()) : hostRange(ip)
  })
  return ranges.length <= MOST_TRUSTED && !ranges.includes(undefined) ? [...new Set(ranges as Cidr[])] : undefined
}

/** `10.1.0.1=3`. */
function parseWeightOf(text: string): [Ip, number] | undefined {
  const [address = '', weightText = '', ...more] = text.split('=')
  const ip = parseIp(address.trim())
  const weight = parseWeight(weightText.trim())
  return ip === undefined || weight === undefined || more.length > 0 ? undefined : [ip, weight]
}

function timeout(
  field: 'idleMs' | 'halfCloseMs' | 'udpIdleMs' | 'userTimeoutMs' | 'slowStartMs' | 'acceptProxyMs' | 'queueMs' | 'holdMs',
): AnnotationRule['parse'] {
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
