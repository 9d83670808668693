import type { IpFamily } from '../model/keys.ts'
import type { Snapshot } from '../model/snapshot.ts'

/** A change of endpoints in the cluster that came into force. */
export interface Programmed {
  /** From the change in the cluster to now. */
  readonly latencyMs: number
  readonly family: IpFamily
}

/** The changes between two snapshots that say when they happened, one for each EndpointSlice (or subset of `Endpoints`). As
 *  with kube-proxy, what happened before this proxy began is not counted: it says nothing about the proxy. */
export function programmed(
  previous: Snapshot | undefined,
  next: Snapshot,
  { openedMs, nowMs }: { readonly openedMs: number; readonly nowMs: number },
): readonly Programmed[] {
  const found: Programmed[] = []
  for (const [key, after] of next.services) {
    const before = previous?.services.get(key)
    if (before?.groups === after.groups) continue
    const known = new Set(before?.groups.map(({ value }) => value))
    for (const { value: group } of after.groups) {
      if (known.has(group) || group.triggeredMs === undefined || group.triggeredMs < openedMs) continue
      // Clocks of two machines: a change cannot have come into force before it happened.
      found.push({ latencyMs: Math.max(nowMs - group.triggeredMs, 0), family: `IPv${group.family}` })
    }
  }
  return found
}
