import { networkInterfaces } from 'node:os'
import { cidrContains, isLinkLocal, parseIp } from '../model/address.ts'
import { type Cidr, familyOf, type Ip } from '../model/keys.ts'
import type { NodeContext } from '../model/snapshot.ts'

export interface NodeContextOptions {
  readonly name: string
  /** Instead of the addresses found on interfaces; the first of each family is the primary one. */
  readonly nodeIps: readonly Ip[]
  /** Only addresses inside one of these answer on nodePorts; empty: all. */
  readonly nodeportAddresses: readonly Cidr[]
}

/** Addresses of interfaces that are up, loopback included, link-local left out. */
function interfaceAddresses(): readonly Ip[] {
  const found = new Set<Ip>()
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address } of addresses ?? []) {
      const ip = parseIp(address.split('%')[0] ?? '')
      if (ip && !isLinkLocal(ip)) found.add(ip)
    }
  }
  return [...found]
}

/** Whether an address may answer on nodePorts. A range of one family says nothing about the other, which stays open. */
function allowed(ip: Ip, ranges: readonly Cidr[]): boolean {
  const ofFamily = ranges.filter((range) => familyOf(range.split('/')[0] as Ip) === familyOf(ip))
  return ofFamily.length === 0 || ofFamily.some((range) => cidrContains(range, ip))
}

/** Where this process runs, read from the machine now. The same reference as `previous` when nothing changed. */
export function readNodeContext(options: NodeContextOptions, previous?: NodeContext): NodeContext {
  const addresses = options.nodeIps.length > 0 ? options.nodeIps : interfaceAddresses()
  const nodePortAddresses = addresses.filter((ip) => allowed(ip, options.nodeportAddresses))
  if (previous && previous.name === options.name && previous.nodePortAddresses.join() === nodePortAddresses.join())
    return previous
  return { name: options.name, nodePortAddresses }
}
