import { readFileSync } from 'node:fs'

/** What Linux says of its IPv4 and IPv6 routes, as text; empty where it does not. */
export interface RouteTables {
  readonly v4: string
  readonly v6: string
}

/** Reads them now; both empty on other systems. */
export function readRouteTables(): RouteTables {
  return { v4: readOrNothing('/proc/net/route'), v6: readOrNothing('/proc/net/ipv6_route') }
}

/** The interface that leads to everywhere else: that of the default route with the lowest metric. Undefined: there is no
 *  such route. */
export function defaultRouteInterface(tables: RouteTables, family: 4 | 6): string | undefined {
  const routes = family === 4 ? readV4(tables.v4) : readV6(tables.v6)
  return routes.toSorted((a, b) => a.metric - b.metric)[0]?.name
}

interface DefaultRoute {
  readonly name: string
  readonly metric: number
}

/** Route is usable. */
const RTF_UP = 0x1
/** Route refuses, as the one that every IPv6 table ends with. */
const RTF_REJECT = 0x200

/** Columns: interface, destination, gateway, flags, two counts, metric (decimal), mask. */
function readV4(table: string): DefaultRoute[] {
  return rowsOf(table).flatMap(([name = '', destination, , flags = '', , , metric, mask]) => {
    const leads = destination === '00000000' && mask === '00000000' && isUsable(flags)
    return leads ? [{ name, metric: Number(metric) }] : []
  })
}

/** Columns: destination and its prefix length, source and its prefix length, next hop, metric (hexadecimal), two counts,
 *  flags, interface. */
function readV6(table: string): DefaultRoute[] {
  return rowsOf(table).flatMap(([destination = '', length, , , , metric = '', , , flags = '', name = '']) => {
    const leads = /^0+$/.test(destination) && length === '00' && isUsable(flags)
    return leads ? [{ name, metric: Number.parseInt(metric, 16) }] : []
  })
}

function isUsable(flags: string): boolean {
  const bits = Number.parseInt(flags, 16)
  return (bits & RTF_UP) !== 0 && (bits & RTF_REJECT) === 0
}

function rowsOf(table: string): string[][] {
  return table.split('\n').map((line) => line.trim().split(/\s+/))
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
