import { cidrContains, parseCidr, parseIp } from '../model/address.ts'
import { type Cidr, familyOf, type Ip } from '../model/keys.ts'

/** The number that says who made a route: ours. The kernel's list and iproute2's know no other use of it. */
export const ROUTE_PROTOCOL = 112
/** Instances there may be in one network namespace. */
export const MOST_INSTANCES = 100
/** A route's metric is one of these and the number of the instance that made it, so that two instances which need the same
 *  address each have a route of their own, and the address stays until the last of them goes. */
const ROUTE_METRIC = 11_200
/** The same for a route beside which the address itself was added to `lo`. */
const ADDRESS_METRIC = 11_300

/** One thing that an instance of this program made, as the kernel's own table tells: there is no other record of it. */
export interface Mark {
  readonly ip: Ip
  readonly instance: number
  /** Whether the address was added, too: only so can a socket without `IPV6_FREEBIND` be bound to IPv6. */
  readonly address: boolean
}

/** Which addresses are local, and by whose hand. */
export interface LocalTable {
  readonly marks: readonly Mark[]
  /** Local although none of us made them so, with the interface: its addresses, and routes of others. */
  readonly hosts: ReadonlyMap<Ip, string>
  /** Whole ranges of that kind, but for loopback. */
  readonly ranges: readonly Cidr[]
  /** Marked as added to `lo`, and not there. */
  readonly incomplete: ReadonlySet<Ip>
}

const LOOPBACK = '127.0.0.0/8'

interface RouteEntry {
  readonly dst?: unknown
  readonly dev?: unknown
  readonly protocol?: unknown
  readonly metric?: unknown
}

/** Reads what `ip -N -json route show table local type local` printed for each family; entries of a form that is not known are
 *  passed over: they are not ours. Throws what `JSON.parse` throws. */
export function readLocalTable(outputs: readonly string[]): LocalTable {
  const marks: Mark[] = []
  const hosts = new Map<Ip, string>()
  const ranges: Cidr[] = []
  for (const output of outputs) {
    // Without any route it prints nothing at all.
    for (const entry of (output.trim() === '' ? [] : JSON.parse(output)) as readonly RouteEntry[]) {
      const { dst, dev } = entry
      if (typeof dst !== 'string') continue
      const ip = parseIp(dst)
      const mark = ip && markOf(ip, entry)
      if (mark) marks.push(mark)
      else if (ip) hosts.set(ip, String(dev))
      else if (dst !== LOOPBACK && parseCidr(dst)) ranges.push(dst as Cidr)
    }
  }
  // The kernel makes a route of its own for an address that we added.
  const added = new Set(marks.filter(({ address }) => address).map(({ ip }) => ip))
  const incomplete = new Set([...added].filter((ip) => hosts.get(ip) !== 'lo'))
  for (const ip of added) if (!incomplete.has(ip)) hosts.delete(ip)
  return { marks, hosts, ranges, incomplete }
}

function markOf(ip: Ip, { dev, protocol, metric }: RouteEntry): Mark | undefined {
  if (dev !== 'lo' || String(protocol) !== String(ROUTE_PROTOCOL) || typeof metric !== 'number') return undefined
  for (const [base, address] of [
    [ROUTE_METRIC, false],
    [ADDRESS_METRIC, true],
  ] as const) {
    const instance = metric - base
    if (instance >= 0 && instance < MOST_INSTANCES) return { ip, instance, address }
  }
  return undefined
}

/** Whether an address is local without us. */
export function isPresent({ hosts, ranges }: LocalTable, ip: Ip): boolean {
  return hosts.has(ip) || ranges.some((range) => cidrContains(range, ip))
}

/** The command that makes an address local, and says whose it is. `source` is what programs of this machine use as their own
 *  address when they go there. */
export function markingOf(mark: Mark, source: Ip | undefined): string {
  return `route add ${routeOf(mark)}${source === undefined ? '' : ` src ${source}`}`
}

/** The command that adds the address itself, after {@link markingOf}. Deprecated, so that nobody takes it as a source unasked. */
export function addingOf({ ip }: Mark): string {
  return `addr add ${ip}/128 dev lo nodad preferred_lft 0`
}

/** The commands that undo both, the mark last. `shared`: another instance still needs the address. */
export function unmakingOf(mark: Mark, shared: boolean): readonly string[] {
  const route = `route del ${routeOf(mark)}`
  return mark.address && !shared ? [`addr del ${mark.ip}/128 dev lo`, route] : [route]
}

function routeOf({ ip, instance, address }: Mark): string {
  const metric = (address ? ADDRESS_METRIC : ROUTE_METRIC) + instance
  return `local ${ip}/${familyOf(ip) === 4 ? 32 : 128} dev lo table local proto ${ROUTE_PROTOCOL} metric ${metric}`
}
