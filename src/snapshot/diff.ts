import type { ListenerKey } from '../model/keys.ts'
import type { Route, Snapshot, SnapshotDiff } from '../model/snapshot.ts'

/** What changes between two snapshots. A route that is the same reference in both is not mentioned. */
export function diff(previous: Snapshot | undefined, next: Snapshot): SnapshotDiff {
  const open: Route[] = []
  const swap: Route[] = []
  const close: ListenerKey[] = []
  for (const [key, route] of next.routes) {
    const before = previous?.routes.get(key)
    if (before === route) continue
    if (before) swap.push(route)
    else open.push(route)
  }
  for (const key of previous?.routes.keys() ?? []) if (!next.routes.has(key)) close.push(key)
  return { open, swap, close }
}
