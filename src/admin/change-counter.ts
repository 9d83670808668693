import type { Snapshot } from '../model/snapshot.ts'
import type { MetricsReading } from '../observe/metrics.ts'

/** Counts Services, and Services whose endpoints, differ between the snapshots it is shown; several changes of one object
 *  between two looks count once. A snapshot in force has nothing pending. */
export function createChangeCounter(): (snapshot: Snapshot | undefined) => MetricsReading['changes'] {
  let previous: Snapshot | undefined
  let services = 0
  let endpoints = 0
  return (snapshot) => {
    if (snapshot !== previous && snapshot) {
      for (const key of new Set([...(previous?.services.keys() ?? []), ...snapshot.services.keys()])) {
        const before = previous?.services.get(key)
        const after = snapshot.services.get(key)
        if (before === after) continue
        if (before?.input.value !== after?.input.value) services++
        if (before?.groups !== after?.groups && (before?.groups.length ?? 0) + (after?.groups.length ?? 0) > 0) endpoints++
      }
      previous = snapshot
    }
    return { services: { total: services, pending: 0 }, endpoints: { total: endpoints, pending: 0 } }
  }
}
