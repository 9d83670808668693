import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import type { Cidr } from '../../model/keys.ts'
import type { ParseOptions } from '../../model/parse-options.ts'
import type { ObjectKey, ObjectStore } from '../../store/store.ts'
import type { Insight } from './insight.ts'
import { type Kind, storedKind } from './kinds.ts'

/** What answering takes. */
export interface KubeContext {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly random: Random
  /** How objects are read. */
  readonly parse: ParseOptions
  /** Where clusterIPs lie; the first one is assigned from. Empty: none is assigned, and any is taken. */
  readonly clusterIpRanges: readonly Cidr[]
  /** Both ends belong to it. */
  readonly nodePortRange: readonly [from: number, to: number]
  /** What the proxy makes of Services. */
  readonly insight: Insight
}

/** What a kind is stored under. */
export function storeKind(kind: Kind): string {
  return storedKind(kind.resource).kind
}

export function keyOf(kind: Kind, namespace: string, name: string): ObjectKey {
  return { kind: storeKind(kind), namespace, name }
}

/** RFC 3339, in seconds. */
export function timestamp(clock: Clock): string {
  return `${new Date(clock.wall()).toISOString().slice(0, 19)}Z`
}
