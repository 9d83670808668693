import type { Cidr } from './keys.ts'
import type { Labels } from './labels.ts'

/** A v1 Node, as far as it matters to Services. */
export interface Node {
  readonly name: string
  readonly labels: Labels
  /** Where the addresses of its pods come from. */
  readonly podCidrs: readonly Cidr[]
  /** Keys of its taints. */
  readonly taints: readonly string[]
  /** Whether it is being deleted. */
  readonly deleting: boolean
}
