import { cidrContains } from '../model/address.ts'
import { type Cidr, familyOf, hostRange, type Ip } from '../model/keys.ts'
import type { Service } from '../model/service.ts'
import type { Frontend, NodeContext } from '../model/snapshot.ts'

const EVERYONE: readonly Cidr[] = []

/** Where clients of a frontend may come from; empty: from anywhere, undefined: from nowhere.
 *
 *  As in Kubernetes, ranges guard load balancer addresses only, and those of one family leave the other open; `strict`
 *  has them guard every address meant for clients outside the cluster, in every family. A client on this machine that
 *  is not bound to an address comes from the very address it goes to, so that one is permitted where this node is. */
export function sourceRangesOf(
  { kind, address }: Pick<Frontend, 'kind' | 'address'>,
  { sourceRanges }: Pick<Service, 'sourceRanges'>,
  node: NodeContext,
  strict: boolean,
): readonly Cidr[] | undefined {
  const guarded = kind === 'loadBalancer' || (strict && kind !== 'clusterIP')
  if (!guarded || sourceRanges.length === 0) return EVERYONE
  const family = familyOf(address.ip)
  const ranges = sourceRanges.filter((range) => familyOf(range.split('/')[0] as Ip) === family)
  if (ranges.length === 0) return strict ? undefined : EVERYONE
  const permitsNode = node.addresses.some((ip) => ranges.some((range) => cidrContains(range, ip)))
  return permitsNode ? [...ranges, hostRange(address.ip)] : ranges
}
