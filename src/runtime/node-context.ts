import { hostname, networkInterfaces } from 'node:os'
import { defaultRouteInterface, readRouteTables } from '../lib/default-route.ts'
import { cidrContains, isLinkLocal, isLoopback, parseIp } from '../model/address.ts'
import type { Configuration } from '../model/config.ts'
import { PRIMARY } from '../model/config-value.ts'
import { type Cidr, familyOf, hostRange, type Ip } from '../model/keys.ts'
import type { NodeContext } from '../model/snapshot.ts'
import { sameNode } from '../snapshot/node-object.ts'

export interface NodeContextOptions extends Pick<Configuration, 'nodeLabels' | 'nodeIps' | 'clusterCidrs' | 'nodeportAddresses'> {
  readonly name: string
  /** Which addresses are ours because we added them for a Service, and not the node's. */
  readonly isVip?: (ip: Ip) => boolean
}

interface InterfaceAddress {
  readonly ip: Ip
  readonly name: string
}

/** Addresses of interfaces that are up. */
function interfaceAddresses(): readonly InterfaceAddress[] {
  const found = new Map<Ip, InterfaceAddress>()
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    for (const { address } of addresses ?? []) {
      const ip = parseIp(address.split('%')[0] ?? '')
      if (ip && !found.has(ip)) found.set(ip, { ip, name })
    }
  }
  return [...found.values()]
}

/** Whether an address may answer on nodePorts. A range of one family says nothing about the other, which stays open. */
function allowed(ip: Ip, ranges: readonly Cidr[]): boolean {
  const ofFamily = ranges.filter((range) => familyOf(range.split('/')[0] as Ip) === familyOf(ip))
  return ofFamily.length === 0 || ofFamily.some((range) => cidrContains(range, ip))
}

/** The address of each family by which others know this machine: the first one on the interface of the default route,
 *  else the first one that is not loopback. */
function primaryAddresses(onInterfaces: readonly InterfaceAddress[]): readonly Ip[] {
  const tables = readRouteTables()
  return ([4, 6] as const).flatMap((family) => {
    const candidates = onInterfaces.filter(({ ip }) => familyOf(ip) === family && !isLoopback(ip) && !isLinkLocal(ip))
    const outward = defaultRouteInterface(tables, family)
    const own = candidates.find(({ name }) => name === outward) ?? candidates[0]
    return own ? [own.ip] : []
  })
}

/** The address that programs on this machine use where nothing says otherwise: the first of the family that is given and on an
 *  interface, else the primary one; undefined: it has none but loopback and link-local ones. */
export function primaryAddress(family: 4 | 6, { nodeIps, isVip }: NodeContextOptions): Ip | undefined {
  const onInterfaces = interfaceAddresses().filter(({ ip }) => familyOf(ip) === family && !isVip?.(ip))
  const given = nodeIps.find((wanted) => onInterfaces.some(({ ip }) => ip === wanted) && !isLoopback(wanted))
  return given ?? primaryAddresses(onInterfaces)[0]
}

function firstOfEachFamily(ips: readonly Ip[]): readonly Ip[] {
  return ips.filter((ip, n) => ips.findIndex((other) => familyOf(other) === familyOf(ip)) === n)
}

/** The name of this node: names of nodes are lower case, and host names need not be. */
export function nodeNameOf({ hostnameOverride }: { readonly hostnameOverride: string | undefined }): string {
  return (hostnameOverride ?? hostname()).trim().toLowerCase()
}

const LOOPBACK = ['127.0.0.0/8', '::1/128'] as readonly string[] as readonly Cidr[]

/** Where this process runs, read from the machine now. The same reference as `previous` when nothing changed. Link-local
 *  addresses answer on no nodePort: nobody can be told of them without saying which link. */
export function readNodeContext(options: NodeContextOptions, previous?: NodeContext): NodeContext {
  const { nodeIps, nodeportAddresses: wanted } = options
  const onInterfaces = interfaceAddresses().filter(({ ip }) => !options.isVip?.(ip))
  const found = onInterfaces.map(({ ip }) => ip)
  const given = nodeIps.length > 0
  const own = [...found, ...nodeIps].filter((ip) => !isLoopback(ip))
  const all = given ? nodeIps : found.filter((ip) => !isLinkLocal(ip))
  const primary = () => (given ? firstOfEachFamily(nodeIps) : primaryAddresses(onInterfaces))
  const node: NodeContext = {
    name: options.name,
    labels: options.nodeLabels,
    addresses: given ? nodeIps : own,
    nodePortAddresses: wanted === PRIMARY ? primary() : all.filter((ip) => allowed(ip, wanted)),
    followsNodeObject: wanted === PRIMARY && !given,
    clients: [...LOOPBACK, ...new Set([...options.clusterCidrs, ...own.map(hostRange)])],
  }
  return previous && sameNode(previous, node) ? previous : node
}
