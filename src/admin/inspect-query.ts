import { parseDuration } from '../lib/duration.ts'
import { parseCidr, parseIp } from '../model/address.ts'
import { parseSocketAddress } from '../model/config-value.ts'
import type { DrainTarget } from '../model/drain.ts'
import { type Cidr, hostRange, type Ip, type Protocol, type SocketAddress, showAddress } from '../model/keys.ts'
import type { SessionSelection } from '../model/session-view.ts'
import type { TraceSelection } from '../model/trace.ts'

/** What stands behind the `?` of a request, as it came. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>

/** What was asked for, or what is wrong with it: what to say to whoever asked. */
export type Asked<T> = { readonly value: T } | { readonly wrong: string }

/** The most sessions in one answer, and how many there are when nobody says. */
export const MOST_LISTED = 100_000
export const USUALLY_LISTED = 1_000
/** Numbers of sessions in one request. */
const MOST_IDS = 1_000

const SESSION_KEYS = ['id', 'service', 'endpoint', 'client', 'olderThan', 'idleLongerThan', 'bytesOver', 'limit'] as const
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 }

/** Which running sessions, and how many of them at most. A name that is not known is wrong: who mistypes a filter must not
 *  end sessions that were not meant. */
export function parseSessionQuery(query: Query): Asked<{ readonly selection: SessionSelection; readonly limit: number }> {
  const wrong: string[] = unknownKeys(query, SESSION_KEYS)
  const text = (key: (typeof SESSION_KEYS)[number]) => lastOf(query[key])
  const read = <T>(key: (typeof SESSION_KEYS)[number], parse: (text: string) => T | undefined, expected: string) => {
    const given = text(key)
    const value = given === undefined ? undefined : parse(given)
    if (given !== undefined && value === undefined) wrong.push(`${key}: "${given}": must be ${expected}`)
    return value
  }
  const ids = allOf(query['id']).flatMap((value) => value.split(','))
  const numbers = ids.map(Number)
  if (ids.length > MOST_IDS) wrong.push(`id: no more than ${MOST_IDS} at once`)
  for (const [n, id] of numbers.entries()) {
    if (!Number.isSafeInteger(id) || id <= 0)
      wrong.push(`id: "${ids[n]}": must be the number of a session, as "portald sessions" shows it`)
  }
  const selection: SessionSelection = {
    ids: ids.length > 0 ? numbers : undefined,
    service: text('service'),
    endpoint: read('endpoint', parseEndpoint, 'an address such as 10.1.2.3 or 10.1.2.3:8080'),
    client: read('client', parseClients, 'an address or range such as 192.0.2.1 or 192.0.2.0/24'),
    olderThanMs: read('olderThan', parseDuration, 'a duration such as 30s or 1h30m'),
    idleLongerThanMs: read('idleLongerThan', parseDuration, 'a duration such as 30s or 1h30m'),
    bytesOver: read('bytesOver', parseBytes, 'a number of bytes such as 4096, 10M or 1Gi'),
  }
  const limit = read('limit', parseLimit, `a whole number from 0 to ${MOST_LISTED}`) ?? USUALLY_LISTED
  return wrong.length > 0 ? { wrong: wrong.join('; ') } : { value: { selection, limit } }
}

/** Whether anything at all is asked for. */
export function isEmpty(selection: object): boolean {
  return Object.values(selection).every((value) => value === undefined)
}

/** Which endpoints. */
export function parseDrainQuery(query: Query): Asked<DrainTarget> {
  const wrong = unknownKeys(query, ['service', 'endpoint', 'node'])
  const given = lastOf(query['endpoint'])
  const endpoint = given === undefined ? undefined : parseEndpoint(given)
  if (given !== undefined && endpoint === undefined)
    wrong.push(`endpoint: "${given}": must be an address such as 10.1.2.3 or 10.1.2.3:8080`)
  const target = { service: lastOf(query['service']), endpoint, node: lastOf(query['node']) }
  if (isEmpty(target) && given === undefined) wrong.push('give a service, an endpoint or a node')
  return wrong.length > 0 ? { wrong: wrong.join('; ') } : { value: target }
}

/** Which client, and where it connects to: `10.96.0.10:80`, `udp://10.96.0.10:53` or `UDP/10.96.0.10:53`. */
export function parseExplainQuery(
  query: Query,
): Asked<{ readonly client: Ip; readonly protocol: Protocol | undefined; readonly destination: SocketAddress }> {
  const wrong = unknownKeys(query, ['client', 'destination'])
  const [clientText, text] = [lastOf(query['client']) ?? '', lastOf(query['destination']) ?? '']
  const client = parseIp(clientText) ?? parseSocketAddress(clientText)?.ip
  if (client === undefined) wrong.push(`client: "${clientText}": must be an address such as 192.0.2.1`)
  const [, scheme, rest = ''] = /^(?:(tcp|udp|sctp)(?:\/|:\/\/))?(.*)$/i.exec(text) ?? []
  const destination = parseSocketAddress(rest)
  if (!destination) wrong.push(`destination: "${text}": must be an address and port such as 10.96.0.10:80 or udp://10.96.0.10:53`)
  if (client === undefined || !destination || wrong.length > 0) return { wrong: wrong.join('; ') }
  return { value: { client, protocol: scheme?.toUpperCase() as Protocol | undefined, destination } }
}

/** Whose new sessions are to be followed. */
export function parseTraceQuery(query: Query): Asked<TraceSelection> {
  const wrong = unknownKeys(query, ['service', 'client'])
  const [service, text] = [lastOf(query['service']), lastOf(query['client'])]
  const client = text === undefined ? undefined : parseClients(text)
  if (service === undefined) wrong.push('service: must be given, such as default/web')
  if (text !== undefined && client === undefined) {
    wrong.push(`client: "${text}": must be an address or range such as 192.0.2.1 or 192.0.2.0/24`)
  }
  return service === undefined || wrong.length > 0 ? { wrong: wrong.join('; ') } : { value: { service, client } }
}

export function lastOf(value: string | readonly string[] | undefined): string | undefined {
  return allOf(value).at(-1)
}

function allOf(value: string | readonly string[] | undefined): readonly string[] {
  return (typeof value === 'string' ? [value] : (value ?? [])).filter((one) => one !== '')
}

function unknownKeys(query: Query, known: readonly string[]): string[] {
  const unknown = Object.keys(query).filter((key) => !known.includes(key))
  return unknown.map((key) => `${key}: is not known; there is ${known.join(', ')}`)
}

/** In canonical form. */
function parseEndpoint(text: string): string | undefined {
  const address = parseSocketAddress(text)
  return address ? showAddress(address) : parseIp(text.replace(/^\[(.*)\]$/, '$1'))
}

function parseClients(text: string): Cidr | undefined {
  const ip = parseIp(text)
  return ip === undefined ? parseCidr(text) : hostRange(ip)
}

function parseBytes(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,15})(k|M|G|Ki|Mi|Gi)?$/.exec(text) ?? []
  return digits === undefined ? undefined : Number(digits) * (UNITS[unit] as number)
}

function parseLimit(text: string): number | undefined {
  const limit = /^\d+$/.test(text) ? Number(text) : Number.NaN
  return limit <= MOST_LISTED ? limit : undefined
}
