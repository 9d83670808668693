import { cidrAddress, cidrSize } from '../model/address.ts'
import type { Cidr, Ip, Port } from '../model/keys.ts'
import type { Places } from '../model/snapshot.ts'

/** FNV-1a, 32 bits: spreads names over a range the same way on every machine and after every restart. */
function hashName(name: string): number {
  let hash = 0x811c9dc5
  for (let n = 0; n < name.length; n++) hash = Math.imul(hash ^ name.charCodeAt(n), 0x01000193)
  return hash >>> 0
}

/** Gives a place in `size` places to each name that has none: the place its hash points to, or the next free one. A
 *  name that `previous` gave a place keeps it, so newcomers never move anyone. Names are served in order. Undefined for
 *  a name that found no free place. */
function assign(
  names: readonly string[],
  size: number,
  taken: (place: number) => boolean,
  previous: ReadonlyMap<string, number>,
): Map<string, number> {
  const places = new Map<string, number>()
  const used = new Set<number>()
  const claim = (name: string, place: number) => {
    if (place >= size || used.has(place) || taken(place)) return false
    used.add(place)
    places.set(name, place)
    return true
  }
  for (const name of names) {
    const place = previous.get(name)
    if (place !== undefined) claim(name, place)
  }
  for (const name of [...names].sort()) {
    if (places.has(name)) continue
    const start = hashName(name) % size
    for (let step = 0; step < size; step++) if (claim(name, (start + step) % size)) break
  }
  return places
}

/** The longest walk through an IPv6 range: 2^20 addresses are plenty. */
const MOST_ADDRESSES = 2 ** 20

/** Addresses of `range` for Services that were given none. The first address, and the last of an IPv4 range, stay free.
 *  `taken`: addresses that some Service was given. */
export function assignAddresses(
  services: readonly string[],
  range: Cidr,
  taken: Pick<ReadonlySet<Ip>, 'has'>,
  previous: Places,
): { readonly places: Places; addressOf(service: string): Ip | undefined } {
  const total = cidrSize(range)
  const usable = total > 2n ? total - 2n : 0n
  const size = Number(usable < BigInt(MOST_ADDRESSES) ? usable : BigInt(MOST_ADDRESSES))
  const at = (place: number) => cidrAddress(range, BigInt(place + 1))
  const isTaken = (place: number) => {
    const ip = at(place)
    return ip === undefined || taken.has(ip)
  }
  const places = size > 0 ? assign(services, size, isTaken, previous) : new Map<string, number>()
  return {
    places,
    addressOf(service) {
      const place = places.get(service)
      return place === undefined ? undefined : at(place)
    },
  }
}

/** Ports of `range` (inclusive) for Service ports that want a nodePort and were given none. */
export function assignPorts(
  ports: readonly string[],
  range: readonly [number, number],
  taken: Pick<ReadonlySet<number>, 'has'>,
  previous: Places,
): { readonly places: Places; portOf(port: string): Port | undefined } {
  const size = range[1] - range[0] + 1
  const places = assign(ports, size, (place) => taken.has(range[0] + place), previous)
  return {
    places,
    portOf(port) {
      const place = places.get(port)
      return place === undefined ? undefined : ((range[0] + place) as Port)
    },
  }
}
