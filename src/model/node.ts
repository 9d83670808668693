import type { Cidr, Ip } from './keys.ts'
import type { Labels } from './labels.ts'

/** A v1 Node, as far as it matters to Services. */
export interface Node {
  readonly name: string
  readonly labels: Labels
  /** Its own address of each family, where its status has one: the first InternalIP, else the first ExternalIP. */
  readonly addresses: readonly Ip[]
  /** Where the addresses of its pods come from. */
  readonly podCidrs: readonly Cidr[]
  /** Keys of its taints. */
  readonly taints: readonly string[]
  /** Whether it is being deleted. */
  readonly deleting: boolean
}
