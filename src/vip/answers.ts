import { cidrContains, parseCidr, parseIp } from '../model/address.ts'
import { type Cidr, familyOf, type Ip, type Protocol, type SocketAddress } from '../model/keys.ts'

/** Whose answers they are. */
export interface Answering {
  readonly address: SocketAddress
  readonly protocol: Protocol
}

/** How the kernel routes the packets of one family: its rules in their order, and the ranges that each table makes local, by the
 *  number of the table. */
export interface Routing {
  readonly rules: readonly RoutingRule[]
  readonly localRanges: ReadonlyMap<string, readonly string[]>
}

/** A rule as `ip -N -json rule` prints it: what is not there does not matter to it. */
export interface RoutingRule {
  readonly [key: string]: unknown
}

const LOCAL = '255'
const MAIN = '254'
const NUMBERS = { TCP: '6', UDP: '17', SCTP: '132' } as const
/** What we know how to compare, and what makes no difference to which packets a rule is for. */
const KNOWN = new Set([
  ...['priority', 'src', 'srclen', 'dst', 'dstlen', 'iif', 'iif_detached', 'ipproto', 'sport', 'sport_start', 'sport_end'],
  ...['fwmark', 'fwmask', 'table', 'protocol'],
])

/** What `ip -N -json rule` and `ip -N -json route show table all type local` printed. Throws what `JSON.parse` throws. */
export function readRouting(rules: string, localRoutes: string): Routing {
  const localRanges = new Map<string, string[]>()
  for (const { table, dst } of listOf(localRoutes)) {
    // A single address is a machine's own, or a VIP.
    if (typeof dst !== 'string' || parseIp(dst)) continue
    const name = String(table ?? MAIN)
    localRanges.set(name, [...(localRanges.get(name) ?? []), dst])
  }
  return { rules: listOf(rules), localRanges }
}

/** Which interface leads to each address: what `ip -N -json -batch` printed for `route get`, a line for each that has a route. */
export function readInterfaces(output: string): ReadonlyMap<Ip, string> {
  const found = new Map<Ip, string>()
  for (const { dst, dev } of output.split('\n').flatMap(listOf)) {
    const ip = typeof dst === 'string' ? parseIp(dst) : undefined
    if (ip && typeof dev === 'string') found.set(ip, dev)
  }
  return found
}

/** Without anything to print, `ip` prints nothing at all. */
function listOf(output: string): readonly RoutingRule[] {
  return output.trim() === '' ? [] : (JSON.parse(output) as readonly RoutingRule[])
}

/** Whether packets that an endpoint sends to clients elsewhere, and that come in by `device`, are delivered to a socket here:
 *  the conditions, '' for none; empty where they are forwarded. Rules that ask for what is not known of such a packet are passed
 *  over. */
export function deliveredIf(answer: Answering, device: string, routing: Routing): readonly string[] {
  const conditions: string[] = []
  for (const rule of routing.rules) {
    const table = String(rule['table'])
    // The machine's own addresses; no client's.
    if (table === LOCAL || !isFor(rule, answer, device)) continue
    const mark = 'fwmark' in rule ? `marked ${String(rule['fwmark'])}` : ''
    const to = rangeOf(rule, 'dst', answer.address.ip)
    for (const range of routing.localRanges.get(table) ?? []) {
      const clients = range === 'default' ? to : range
      const condition = [mark, clients === undefined ? '' : `to ${clients}`].filter(Boolean).join(' and ')
      if (condition === '') return ['']
      if (!conditions.includes(condition)) conditions.push(condition)
    }
    // It knows a way to every client.
    if (table === MAIN && mark === '' && to === undefined) break
  }
  return conditions
}

function isFor(rule: RoutingRule, { address, protocol }: Answering, device: string): boolean {
  if (!Object.keys(rule).every((key) => KNOWN.has(key))) return false
  const from = rangeOf(rule, 'src', address.ip)
  if (from !== undefined && !cidrContains(from, address.ip)) return false
  const { iif, ipproto, sport, sport_start: first = sport, sport_end: last = sport } = rule
  if (iif !== undefined && iif !== device) return false
  if (ipproto !== undefined && ![protocol.toLowerCase(), NUMBERS[protocol]].includes(String(ipproto).replace('ipproto-', '')))
    return false
  return first === undefined || (address.port >= Number(first) && address.port <= Number(last))
}

/** The range that a rule names as `src` or `dst`; undefined: all. */
function rangeOf(rule: RoutingRule, key: 'src' | 'dst', like: Ip): Cidr | undefined {
  const { [key]: ip, [`${key}len`]: bits = familyOf(like) === 4 ? 32 : 128 } = rule
  return ip === undefined || ip === 'all' ? undefined : parseCidr(`${String(ip)}/${String(bits)}`)
}
