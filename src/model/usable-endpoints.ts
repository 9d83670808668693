import type { EndpointKey } from './keys.ts'
import type { ServicePortEndpoints } from './snapshot.ts'

/** Who may get new sessions of a Service port under some policy, as far as the objects say. */
export function usableEndpoints({ usable: { 4: four, 6: six } }: ServicePortEndpoints): ReadonlySet<EndpointKey> {
  const lists = [four.cluster, four.local, six.cluster, six.local]
  return new Set(lists.flatMap((list) => list?.map(({ key }) => key) ?? []))
}
