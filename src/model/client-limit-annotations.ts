import type { AnnotationRule } from './annotation-rule.ts'
import { type ClientLimits, type ClientPrefix, type ClientSessionLimit, type Rate, TURN_AWAY } from './client-limits.ts'
import { MOST_RANGES, parseRanges } from './parse-ranges.ts'

/** What annotations say about clients, before it is put together. */
export interface LimitWishes extends ClientLimits {
  readonly clientPrefix: ClientPrefix | undefined
  readonly affinityScope: 'service' | undefined
}

const MOST_SESSIONS = 1_000_000
const FASTEST_PER_SECOND = 100_000
const MOST_BURST = 100_000
/** What a bucket of tokens can count. */
const LONGEST_FILL_MS = 15 * 60_000
const UNIT_MS: { readonly [unit: string]: number } = { s: 1000, m: 60_000 }
const RATE = /^(\d{1,6})\/([sm])(?:\s*,\s*burst\s*=\s*(\d{1,6}))?$/
const A_RATE = `must be up to ${FASTEST_PER_SECOND} a second or minute, and a burst if wanted that comes again within 15 minutes, such as 20/s or 20/s,burst=100`
const RANGES = `must be up to ${MOST_RANGES} addresses and ranges, such as`

/** The annotations about single clients: who one is, and which are turned away. */
export const LIMIT_ANNOTATIONS: readonly AnnotationRule<LimitWishes>[] = [
  {
    name: 'portald.io/allow-from',
    sets: 'clientLimits',
    fallback: '',
    right: `${RANGES} 10.0.0.0/8,192.0.2.7`,
    about: 'turns away clients from anywhere else, on every address of the Service, see [client-limits.md](client-limits.md)',
    parse: (text) => {
      const allowFrom = parseRanges(text)
      return allowFrom && { allowFrom }
    },
  },
  {
    name: 'portald.io/deny-from',
    sets: 'clientLimits',
    fallback: '',
    right: `${RANGES} 203.0.113.0/24,2001:db8::/32`,
    about: 'turns away clients from here, whatever else permits them',
    parse: (text) => {
      const denyFrom = parseRanges(text)
      return denyFrom && { denyFrom }
    },
  },
  {
    name: 'portald.io/client-sessions',
    sets: 'clientLimits',
    fallback: '',
    right: `must be a whole number from 1 to ${MOST_SESSIONS}, or one a protocol, such as tcp=100,udp=1000`,
    about: 'how many sessions a client may have at once on each port of the Service',
    parse: (text) => {
      const clientSessions = parseSessions(text)
      return clientSessions && { clientSessions }
    },
  },
  {
    name: 'portald.io/client-rate',
    sets: 'clientLimits',
    fallback: '',
    right: A_RATE,
    about: 'how fast a client may begin sessions on each port of the Service; as many as come in a second may come at once',
    parse: (text) => {
      const clientRate = parseRate(text)
      return clientRate && { clientRate }
    },
  },
  {
    name: 'portald.io/service-rate',
    sets: 'clientLimits',
    fallback: '',
    right: A_RATE,
    about: 'the same for all clients of a port of the Service together',
    parse: (text) => {
      const serviceRate = parseRate(text)
      return serviceRate && { serviceRate }
    },
  },
  {
    name: 'portald.io/client-prefix',
    sets: 'clientPrefix',
    fallback: '',
    right: 'must be two numbers of bits, for IPv4 from 8 to 32 and for IPv6 from 16 to 128, such as 24,56',
    about:
      'takes clients whose addresses begin with the same bits for one, also for ClientIP affinity; without it limits go by 32,64',
    parse: (text) => {
      const clientPrefix = parsePrefix(text)
      return clientPrefix && { clientPrefix }
    },
  },
  {
    name: 'portald.io/affinity-scope',
    sets: 'affinityScope',
    fallback: 'port',
    right: 'must be port or service',
    about:
      'whether ClientIP affinity holds for each port by itself, or takes a client to the same address on all ports of the Service',
    parse: (text) => {
      if (text === 'port') return { affinityScope: undefined }
      return text === 'service' ? { affinityScope: text } : undefined
    },
  },
  {
    name: 'portald.io/turn-away',
    sets: 'clientLimits',
    fallback: 'refuse',
    right: 'must be refuse, drop or delay',
    about:
      'what becomes of TCP clients that are turned away: they are reset, get no answer for 10 s, or those over a rate wait up to 5 s',
    parse: (text) => {
      const turnAway = TURN_AWAY.find((name) => name === text)
      return turnAway && { turnAway }
    },
  },
]

/** What the annotations ask for together; undefined: nothing. Where all they say is `turn-away`, that holds for clients which are
 *  denied for other reasons. */
export function limitsAsked(limits: ClientLimits): ClientLimits | undefined {
  const { turnAway, ...others } = limits
  const asked = Object.values(others).some((wish) => wish !== undefined)
  return asked || turnAway !== 'refuse' ? limits : undefined
}

function parseRate(text: string): Rate | undefined {
  const [, countText, unit = '', burstText] = RATE.exec(text) ?? []
  const perMs = UNIT_MS[unit]
  if (countText === undefined || perMs === undefined) return undefined
  const count = Number(countText)
  const perSecond = (count * 1000) / perMs
  const burst = burstText === undefined ? Math.max(1, Math.floor(perSecond)) : Number(burstText)
  const right = count >= 1 && perSecond <= FASTEST_PER_SECOND && burst >= 1 && burst <= MOST_BURST
  return right && (burst * perMs) / count <= LONGEST_FILL_MS ? { count, perMs, burst } : undefined
}

/** `100`, or `tcp=100,udp=1000,sctp=10`, or some of these. */
function parseSessions(text: string): ClientSessionLimit | undefined {
  const all = parseNumber(text, 1, MOST_SESSIONS)
  const limit: { -readonly [Name in keyof ClientSessionLimit]: number | undefined } = { tcp: all, udp: all, sctp: all }
  if (all !== undefined) return limit
  for (const part of text.split(',')) {
    const [name = '', number = '', ...more] = part.split('=').map((word) => word.trim())
    const most = parseNumber(number, 1, MOST_SESSIONS)
    if (most === undefined || more.length > 0) return undefined
    if ((name !== 'tcp' && name !== 'udp' && name !== 'sctp') || limit[name] !== undefined) return undefined
    limit[name] = most
  }
  return limit
}

function parsePrefix(text: string): ClientPrefix | undefined {
  const [first = '', second = '', ...more] = text.split(',').map((word) => word.trim())
  const ipv4 = parseNumber(first, 8, 32)
  const ipv6 = parseNumber(second, 16, 128)
  return ipv4 === undefined || ipv6 === undefined || more.length > 0 ? undefined : { ipv4, ipv6 }
}

function parseNumber(text: string, least: number, most: number): number | undefined {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : -1
  return number >= least && number <= most ? number : undefined
}
