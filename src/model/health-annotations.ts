import { parseDuration } from '../lib/duration.ts'
import { ANNOTATION_PREFIX, type AnnotationRule } from './annotation-rule.ts'
import { parseCheckText, parseStatuses } from './check-text.ts'
import type { Findings } from './findings.ts'
import type { CheckQuestion, HealthOptions } from './health.ts'
import type { Port } from './keys.ts'

/** What annotations say about health, before it is put together. */
export interface HealthWishes {
  readonly how: CheckQuestion['how'] | undefined
  /** The path of http, the program of exec. */
  readonly what: string
  readonly send: string | undefined
  /** As written: what it means depends on the check. */
  readonly expect: string | undefined
  readonly port: Port | undefined
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly rise: number
  readonly fall: number
  readonly agentPort: Port | undefined
  readonly after: number | undefined
  readonly baseMs: number
  readonly mostPercent: number
  readonly panicPercent: number
}

const MOST_IN_A_ROW = 100
const MOST_FAILURES = 1_000
const LEAST_INTERVAL_MS = 50
const LONGEST_MS = 3_600_000
const MOST_PATH = 1_024
const ANY_GOOD_STATUS = '200-399'
const A_SHARE = 'a share from 0% to 100%, such as'

/** Annotations about the health of endpoints. */
export const HEALTH_ANNOTATIONS: readonly AnnotationRule<HealthWishes>[] = [
  {
    name: 'portald.io/check',
    sets: 'health',
    fallback: '',
    right: 'must be tcp, udp, http:/path or exec:NAME',
    about: 'asks endpoints whether they work, see [health.md](health.md); those that do not get no new sessions',
    parse: parseCheck,
  },
  {
    name: 'portald.io/check-send',
    sets: 'health',
    fallback: '',
    right: 'must be up to 1024 bytes of text, with \\r, \\n, \\t, \\\\ and \\x00 to \\xff for single bytes, such as PING\\r\\n',
    about: 'what a check of tcp or udp sends',
    parse: (text) => {
      const send = parseCheckText(text)
      return send === undefined || send === '' ? undefined : { send }
    },
  },
  {
    name: 'portald.io/check-expect',
    sets: 'health',
    fallback: '',
    right: 'must be text as for check-send, or for http statuses such as 200-299,404',
    about: 'what an answer must hold; for http its status, 200-399 without it',
    parse: (expect) => (expect === '' ? undefined : { expect }),
  },
  {
    name: 'portald.io/check-port',
    sets: 'health',
    fallback: '',
    right: 'must be a port from 1 to 65535',
    about: 'where a check asks, if not at the port of the endpoint',
    parse: (text) => {
      const port = parsePortText(text)
      return port && { port }
    },
  },
  {
    name: 'portald.io/check-interval',
    sets: 'health',
    fallback: '2s',
    right: 'must be a duration from 50ms to 1h, such as 2s',
    about: 'how often an endpoint is asked, give or take a tenth; ten times as often while it is in doubt',
    parse: duration('intervalMs', LEAST_INTERVAL_MS),
  },
  {
    name: 'portald.io/check-timeout',
    sets: 'health',
    fallback: '1s',
    right: 'must be a duration from 1ms to 1h, such as 1s',
    about: 'how long an answer may take',
    parse: duration('timeoutMs', 1),
  },
  {
    name: 'portald.io/check-rise',
    sets: 'health',
    fallback: '2',
    right: `must be a whole number from 1 to ${MOST_IN_A_ROW}`,
    about: 'good answers in a row that bring an endpoint back',
    parse: count('rise', MOST_IN_A_ROW),
  },
  {
    name: 'portald.io/check-fall',
    sets: 'health',
    fallback: '3',
    right: `must be a whole number from 1 to ${MOST_IN_A_ROW}`,
    about: 'bad answers in a row that take an endpoint out; its very first answer counts at once',
    parse: count('fall', MOST_IN_A_ROW),
  },
  {
    name: 'portald.io/agent-check',
    sets: 'health',
    fallback: '',
    right: 'must be a port from 1 to 65535',
    about: 'where every endpoint has an agent that says what share of its weight it wants, or that it is down',
    parse: (text) => {
      const agentPort = parsePortText(text)
      return agentPort && { agentPort }
    },
  },
  {
    name: 'portald.io/eject-after',
    sets: 'health',
    fallback: '',
    right: `must be a whole number from 1 to ${MOST_FAILURES}`,
    about: 'takes an endpoint out for a while after so many failures in a row: connections refused, timed out or reset at once',
    parse: count('after', MOST_FAILURES),
  },
  {
    name: 'portald.io/eject-time',
    sets: 'health',
    fallback: '10s',
    right: 'must be a duration from 50ms to 1h, such as 10s',
    about: 'for how long the first time; the second time twice as long, and so on up to 5 minutes',
    parse: duration('baseMs', LEAST_INTERVAL_MS),
  },
  {
    name: 'portald.io/eject-most',
    sets: 'health',
    fallback: '50%',
    right: `must be ${A_SHARE} 50%`,
    about: 'how many of the endpoints of a Service port may be out before no more are ejected',
    parse: share('mostPercent'),
  },
  {
    name: 'portald.io/panic-threshold',
    sets: 'health',
    fallback: '0%',
    right: `must be ${A_SHARE} 30%`,
    about: 'where less than this share of the endpoints is up, or none is, all of them are used',
    parse: share('panicPercent'),
  },
]

/** What is set by nothing. */
const NOTHING: Partial<HealthWishes> = {
  how: undefined,
  what: '',
  send: undefined,
  expect: undefined,
  port: undefined,
  agentPort: undefined,
  after: undefined,
}
const DEFAULTS = Object.assign(
  {},
  NOTHING,
  ...HEALTH_ANNOTATIONS.map((rule) => (rule.fallback === '' ? {} : rule.parse(rule.fallback))),
) as HealthWishes

/** Puts together what annotations said. What does not go together is an error that leaves the check out. `programs`: those
 *  that the process knows. */
export function healthOf(given: Partial<HealthWishes>, programs: readonly string[], findings: Findings): HealthOptions {
  const wishes = { ...DEFAULTS, ...given }
  const { intervalMs, timeoutMs, port, rise, fall, agentPort, after, baseMs, mostPercent, panicPercent } = wishes
  const question = questionOf(wishes, programs, findings)
  return {
    check: question && { question, port, intervalMs, timeoutMs, rise, fall },
    agent: agentPort && { port: agentPort, intervalMs, timeoutMs },
    ejection: after === undefined ? undefined : { after, baseMs, mostPercent },
    panicPercent,
  }
}

function questionOf(wishes: HealthWishes, programs: readonly string[], findings: Findings): CheckQuestion | undefined {
  const { how, what, send, expect } = wishes
  const complain = (name: string, value: unknown, right: string) => findings.complain('check', pathOf(name), value, right)
  if (how === undefined) {
    if (send !== undefined) findings.warn('check', pathOf('check-send'), send, 'means nothing without portald.io/check')
    if (expect !== undefined) findings.warn('check', pathOf('check-expect'), expect, 'means nothing without portald.io/check')
    return undefined
  }
  if (how === 'exec') {
    if (programs.includes(what)) return { how, program: what }
    const known = programs.length === 0 ? 'there is none' : `there is ${programs.join(', ')}`
    return complain('check', `exec:${what}`, `must name a program of --check-program: ${known}`)
  }
  if (how === 'http') {
    const statuses = parseStatuses(expect ?? ANY_GOOD_STATUS)
    return statuses ? { how, path: what, statuses } : complain('check-expect', expect, 'must be statuses such as 200-299,404')
  }
  const bytes = parseCheckText(expect ?? '')
  if (bytes === undefined) return complain('check-expect', expect, 'must be text as for portald.io/check-send')
  if (how === 'udp' && send === undefined)
    return complain('check', how, 'needs portald.io/check-send: whoever is not asked does not answer')
  return { how, send: send ?? '', expect: bytes }
}

function pathOf(name: string): readonly string[] {
  return ['metadata', 'annotations', `${ANNOTATION_PREFIX}${name}`]
}

function parseCheck(text: string): Partial<HealthWishes> | undefined {
  const [, how, what = ''] = /^(tcp|udp|http|exec)(?::(.+))?$/s.exec(text) ?? []
  if (how === 'tcp' || how === 'udp') return what === '' && !text.includes(':') ? { how, what } : undefined
  if (how === 'exec') return /^[\w.-]{1,63}$/.test(what) ? { how, what } : undefined
  if (how !== 'http') return undefined
  const path = what === '' ? '/' : what
  return /^\/[\x21-\x7e]*$/.test(path) && path.length <= MOST_PATH ? { how, what: path } : undefined
}

function parsePortText(text: string): Port | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65_535 ? (port as Port) : undefined
}

function duration(field: 'intervalMs' | 'timeoutMs' | 'baseMs', least: number): AnnotationRule<HealthWishes>['parse'] {
  return (text) => {
    const ms = parseDuration(text)
    return ms !== undefined && ms >= least && ms <= LONGEST_MS ? { [field]: ms } : undefined
  }
}

function count(field: 'rise' | 'fall' | 'after', most: number): AnnotationRule<HealthWishes>['parse'] {
  return (text) => {
    const number = /^\d{1,4}$/.test(text) ? Number(text) : 0
    return number >= 1 && number <= most ? { [field]: number } : undefined
  }
}

function share(field: 'mostPercent' | 'panicPercent'): AnnotationRule<HealthWishes>['parse'] {
  return (text) => {
    const percent = /^\d{1,3}%$/.test(text) ? Number(text.slice(0, -1)) : 101
    return percent <= 100 ? { [field]: percent } : undefined
  }
}
