import { nearest } from '../lib/nearest.ts'
import { parseIp, unusableAs } from './address.ts'
import { ANNOTATION_PREFIX, type AnnotationRule } from './annotation-rule.ts'
import { LIMIT_ANNOTATIONS, type LimitWishes, limitsAsked } from './client-limit-annotations.ts'
import { DEPARTURE_ANNOTATIONS } from './departure-annotations.ts'
import type { Findings } from './findings.ts'
import { HEALTH_ANNOTATIONS, type HealthWishes, healthOf } from './health-annotations.ts'
import type { Cidr, Ip } from './keys.ts'
import { parseCount } from './parse-count.ts'
import type { ServiceDefaults } from './parse-options.ts'
import { MOST_RANGES, parseRanges } from './parse-ranges.ts'
import { parseSendProxy } from './parse-send-proxy.ts'
import { A_DURATION, parseTimeout } from './parse-timeout.ts'
import { A_WEIGHT, parseWeight } from './preference.ts'
import { NO_QUEUE, QUEUE_ANNOTATIONS } from './queue-annotations.ts'
import { SCHEDULER_NAMES, type SchedulerName, type ServiceOptions } from './service.ts'

/** What the annotations say, before what belongs together is put together. */
interface Wishes
  extends Omit<ServiceOptions, 'acceptProxy' | 'health' | 'clientLimits' | 'clientPrefix' | 'affinityScope'>,
    LimitWishes {
  readonly attempts: number | undefined
  readonly acceptProxyFrom: readonly Cidr[] | undefined
  readonly acceptProxyMs: number
}

const MOST_ATTEMPTS = 16
const MOST_RESPONSES = 1_000_000
const MOST_SOURCES = 64
/** Schedulers that do not look at weights, or by which a client must stay where it is. */
const WITHOUT_SLOW_START: readonly SchedulerName[] = ['rr', 'sh', 'dh', 'mh']

const OWN_ANNOTATIONS: readonly AnnotationRule<Wishes>[] = [
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
  ...DEPARTURE_ANNOTATIONS,
  {
    name: 'portald.io/max-session-duration',
    sets: 'maxSessionMs',
    fallback: '',
    right: `must be ${A_DURATION} 8h`,
    about:
      'ends a session this long after it began, or up to a tenth earlier, so that those that began together do not end together',
    parse: timeout('maxSessionMs'),
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
    name: 'portald.io/source-addresses',
    sets: 'sourceAddresses',
    fallback: '',
    right: `must be up to ${MOST_SOURCES} addresses of this machine, such as 10.0.0.5,10.0.0.6`,
    about: 'connects to endpoints from these addresses in turn: each has ports of its own to every endpoint',
    parse: (text) => {
      const ips = text.split(',').map((part) => parseIp(part.trim()))
      const right = ips.length <= MOST_SOURCES && ips.every((ip) => ip !== undefined && unusableAs(ip) === undefined)
      return right ? { sourceAddresses: [...new Set(ips as Ip[])] } : undefined
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
    right: `must be up to ${MOST_RANGES} addresses and ranges of load balancers, such as 10.0.0.0/8,192.0.2.7`,
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
  ...LIMIT_ANNOTATIONS,
  ...QUEUE_ANNOTATIONS,
]

/** Every annotation: these tables are all there is to know about them, for the program and for its documentation. */
export const ANNOTATIONS: readonly (AnnotationRule<Wishes> | AnnotationRule<HealthWishes>)[] = [
  ...OWN_ANNOTATIONS,
  ...HEALTH_ANNOTATIONS,
]

const NAMES = ANNOTATIONS.map(({ name }) => name)
const RULES = new Map(OWN_ANNOTATIONS.map((rule) => [rule.name, rule]))
const HEALTH_RULES = new Map(HEALTH_ANNOTATIONS.map((rule) => [rule.name, rule]))
const NOTHING: Partial<Wishes> = {
  weights: {},
  backups: [],
  slowStartMs: undefined,
  udpResponses: undefined,
  ...NO_QUEUE,
  onServiceRemoved: undefined,
  maxSessionMs: undefined,
  userTimeoutMs: undefined,
  sendProxy: undefined,
  acceptProxyFrom: undefined,
  allowFrom: undefined,
  denyFrom: undefined,
  clientSessions: undefined,
  clientRate: undefined,
  serviceRate: undefined,
  clientPrefix: undefined,
  sourceAddresses: undefined,
}
const DEFAULTS = Object.assign({}, NOTHING, ...OWN_ANNOTATIONS.map((rule) => rule.parse(rule.fallback))) as Wishes
/** What one timeout is repeated to when nobody says how often. */
const DEFAULT_ATTEMPTS = DEFAULTS.connectMs.length

/** Reads a Service's annotations. One that is wrong is an error that leaves its default in force. */
export function parseAnnotations(
  annotations: Readonly<Record<string, unknown>>,
  defaults: ServiceDefaults,
  findings: Findings,
): ServiceOptions {
  const wishes: Partial<Wishes> = {}
  const health: Partial<HealthWishes> = {}
  for (const [name, value] of Object.entries(annotations)) {
    if (!name.startsWith(ANNOTATION_PREFIX)) continue
    const path = ['metadata', 'annotations', name]
    const rule = RULES.get(name) ?? HEALTH_RULES.get(name)
    const wish = typeof value === 'string' ? rule?.parse(value.trim()) : undefined
    if (wish) Object.assign(RULES.has(name) ? wishes : health, wish)
    else if (!rule) findings.warn('annotation-unknown', path, value, `is not known; the nearest is ${nearest(name, NAMES)}`)
    else if (typeof value === 'string') findings.complain('annotation', path, value, rule.right)
    else findings.complain('type', path, value, `must be text: put it in quotes; ${rule.right}`)
  }
  const { checkPrograms, ...ownDefaults } = defaults
  const all = { ...DEFAULTS, ...ownDefaults, ...wishes }
  const { allowFrom, denyFrom, clientSessions, clientRate, serviceRate, turnAway, ...others } = all
  const { attempts, acceptProxyFrom: from, acceptProxyMs: withinMs, ...options } = others
  if (options.slowStartMs !== undefined && WITHOUT_SLOW_START.includes(options.scheduler)) {
    const path = ['metadata', 'annotations', 'portald.io/slow-start']
    const message = `means nothing to scheduler ${options.scheduler}; wrr, wlc or p2c would heed it`
    findings.warn('slow-start', path, annotations['portald.io/slow-start'], message)
  }
  if (options.sourceAddresses && options.sourceAddress === 'transparent') {
    const path = ['metadata', 'annotations', 'portald.io/source-addresses']
    const message = 'mean nothing with source-address transparent, by which endpoints see the client itself'
    findings.warn('source-addresses', path, annotations['portald.io/source-addresses'], message)
  }
  return {
    ...options,
    connectMs: spread(options.connectMs, attempts, wishes.connectMs?.length === 1),
    acceptProxy: from && { from, withinMs },
    clientLimits: limitsAsked({ allowFrom, denyFrom, clientSessions, clientRate, serviceRate, turnAway }),
    health: healthOf(health, checkPrograms, findings),
  }
}

/** As many timeouts as there are attempts. */
function spread(timeouts: readonly number[], attempts: number | undefined, forEach: boolean): readonly number[] {
  const wanted = attempts ?? (forEach ? DEFAULT_ATTEMPTS : timeouts.length)
  return Array.from({ length: wanted }, (_, attempt) => timeouts[Math.min(attempt, timeouts.length - 1)] as number)
}

/** `10.1.0.1=3`. */
function parseWeightOf(text: string): [Ip, number] | undefined {
  const [address = '', weightText = '', ...more] = text.split('=')
  const ip = parseIp(address.trim())
  const weight = parseWeight(weightText.trim())
  return ip === undefined || weight === undefined || more.length > 0 ? undefined : [ip, weight]
}

function timeout(
  field: 'idleMs' | 'halfCloseMs' | 'udpIdleMs' | 'userTimeoutMs' | 'slowStartMs' | 'acceptProxyMs' | 'maxSessionMs',
): AnnotationRule<Wishes>['parse'] {
  return (text) => {
    const ms = parseTimeout(text)
    return ms === undefined ? undefined : { [field]: ms }
  }
}
