import { hostname, networkInterfaces } from 'node:os'
import { cidrContains, isLinkLocal, isLoopback, parseIp } from '../model/address.ts'
import { type Cidr, familyOf, type Ip } from '../model/keys.ts'
import type { Labels } from '../model/labels.ts'
import type { NodeContext } from '../model/snapshot.ts'
import { sameNode } from '../snapshot/node-object.ts'

export interface NodeContextOptions {
  readonly name: string
  readonly nodeLabels: Labels
  /** Instead of the addresses found on interfaces; the first of each family is the primary one. */
  readonly nodeIps: readonly Ip[]
  /** Clients from here are on this node, beside its own addresses. */
  readonly clusterCidrs: readonly Cidr[]
  /** Only addresses inside one of these answer on nodePorts; empty: all. */
  readonly nodeportAddresses: readonly Cidr[]
}

/** Addresses of interfaces that are up. */
function interfaceAddresses(): readonly Ip[] {
  const found = new Set<Ip>()
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address } of addresses ?? []) {
      const ip = parseIp(address.split('%')[0] ?? '')
      if (ip) found.add(ip)
    }
  }
  return [...found]
}

/** Whether an address may answer on nodePorts. A range of one family says nothing about the other, which stays open. */
function allowed(ip: Ip, ranges: readonly Cidr[]): boolean {
  const ofFamily = ranges.filter((range) => familyOf(range.split('/')[0] as Ip) === familyOf(ip))
  return ofFamily.length === 0 || ofFamily.some((range) => cidrContains(range, ip))
}

function rangeOf(ip: Ip): Cidr {
  return `${ip}/${familyOf(ip) === 4 ? 32 : 128}` as Cidr
}

/** The name of this node: names of nodes are lower case, and host names need not be. */
export function nodeNameOf({ hostnameOverride }: { readonly hostnameOverride: string | undefined }): string {
  return (hostnameOverride ?? hostname()).trim().toLowerCase()
}

const LOOPBACK = ['127.0.0.0/8', '::1/128'] as readonly string[] as readonly Cidr[]

/** Where this process runs, read from the machine now. The same reference as `previous` when nothing changed. Link-local
 *  addresses answer on no nodePort: nobody can be told of them without saying which link. */
export function readNodeContext(options: NodeContextOptions, previous?: NodeContext): NodeContext {
  const onInterfaces = interfaceAddresses()
  const addresses = options.nodeIps.length > 0 ? options.nodeIps : onInterfaces.filter((ip) => !isLinkLocal(ip))
  const own = [...onInterfaces, ...options.nodeIps].filter((ip) => !isLoopback(ip))
  const node: NodeContext = {
    name: options.name,
    labels: options.nodeLabels,
    nodePortAddresses: addresses.filter((ip) => allowed(ip, options.nodeportAddresses)),
    clients: [...LOOPBACK, ...new Set([...options.clusterCidrs, ...own.map(rangeOf)])],
  }
  return previous && sameNode(previous, node) ? previous : node
}
