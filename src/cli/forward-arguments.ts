import { parseDuration } from '../lib/duration.ts'
import { parseIp, parsePort } from '../model/address.ts'
import { parseSocketAddress } from '../model/config-value.ts'
import { familyOf } from '../model/keys.ts'
import { type Problem, showValue } from '../model/problem.ts'
import type { ForwardPlan } from '../source/forward-source.ts'

/** The words of a `forward` command line. */
export interface ForwardArguments {
  readonly listen: string
  readonly endpoints: readonly string[]
  readonly affinity: string | undefined
}

const PROTOCOLS: Readonly<Record<string, ForwardPlan['protocol']>> = { tcp: 'TCP', udp: 'UDP' }
const DEFAULT_AFFINITY_MS = 10_800_000
const LONGEST_AFFINITY_MS = 86_400_000
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/i
/** What looks like an IPv4 address but is none must not be asked for as a name. */
const LIKE_IPV4 = /^[\d.]+$/

/** Reads what to forward; every word that is wrong is a problem, and then there is no plan. */
export function parseForward(words: ForwardArguments, problems: Problem[]): ForwardPlan | undefined {
  const before = problems.length
  const wrong = (place: string, value: string, message: string): undefined => {
    problems.push({ severity: 'error', code: 'forward', place, object: '', field: '', value: showValue(value), message })
  }
  const listen = parseListen(words.listen) ?? wrong('LISTEN', words.listen, 'must be tcp://IP:PORT or udp://IP:PORT')
  const endpoints = words.endpoints.map((text) => {
    const endpoint = parseEndpoint(text)
    if (!endpoint) return wrong('ENDPOINT', text, 'must be HOST:PORT, an IPv6 address in brackets')
    const ip = parseIp(endpoint.host)
    if (ip === undefined || !listen || familyOf(ip) === familyOf(listen.listen.ip)) return endpoint
    return wrong(
      'ENDPOINT',
      text,
      `must be an IPv${familyOf(listen.listen.ip)} address or a name, as ${words.listen} is IPv${familyOf(listen.listen.ip)}`,
    )
  })
  const affinityTimeoutMs = words.affinity === undefined ? undefined : parseAffinity(words.affinity)
  if (words.affinity !== undefined && affinityTimeoutMs === undefined) {
    wrong('--affinity', words.affinity, 'must be client-ip, or client-ip= and 1 to 86400 seconds')
  }
  if (!listen || problems.length > before) return undefined
  return { ...listen, endpoints: endpoints.filter((endpoint) => endpoint !== undefined), affinityTimeoutMs }
}

function parseListen(text: string): Pick<ForwardPlan, 'protocol' | 'listen'> | undefined {
  const [, scheme = '', rest = ''] = /^([a-z]+):\/\/(.+?)\/?$/i.exec(text) ?? []
  const protocol = PROTOCOLS[scheme.toLowerCase()]
  const listen = parseSocketAddress(rest.replace(/^localhost:/i, '127.0.0.1:'))
  return protocol && listen ? { protocol, listen } : undefined
}

function parseEndpoint(text: string): ForwardPlan['endpoints'][number] | undefined {
  const address = parseSocketAddress(text)
  if (address) return { host: address.ip, port: address.port }
  const [, host = '', digits = ''] = /^([^:[\]]+):(\d+)$/.exec(text) ?? []
  const port = parsePort(Number(digits))
  return port !== undefined && HOST_NAME.test(host) && !LIKE_IPV4.test(host) ? { host: host.toLowerCase(), port } : undefined
}

function parseAffinity(text: string): number | undefined {
  if (text === 'client-ip') return DEFAULT_AFFINITY_MS
  const [, duration = ''] = /^client-ip=(.+)$/.exec(text) ?? []
  const ms = parseDuration(duration)
  return ms !== undefined && ms % 1000 === 0 && ms >= 1000 && ms <= LONGEST_AFFINITY_MS ? ms : undefined
}
