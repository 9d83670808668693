import type { Endpoint, EndpointGroup } from '../model/endpoint.ts'
import type { Port, ServicePortKey } from '../model/keys.ts'
import type { Located } from '../model/objects.ts'
import type { EndpointSets } from '../model/snapshot.ts'
import type { Origin } from '../model/source-object.ts'

/** The sets, with each list of last time that says the same. */
export function keepSets(before: EndpointSets | undefined, now: EndpointSets): EndpointSets {
  return { cluster: keep(before?.cluster, now.cluster), local: keep(before?.local, now.local), hasAny: now.hasAny }
}

/** The list of last time if it says the same, so that nothing downstream takes it for news. */
function keep(before: readonly Endpoint[] | undefined, now: readonly Endpoint[] | undefined): readonly Endpoint[] | undefined {
  if (!before || before.length !== now?.length) return now
  return now.every((endpoint, n) => saysTheSame(endpoint, before[n] as Endpoint)) ? before : now
}

function saysTheSame(a: Endpoint, b: Endpoint): boolean {
  return a.key === b.key && a.weight === b.weight && a.backup === b.backup
}

export function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, n) => item === b[n])
}

export function samePorts(a: ReadonlyMap<ServicePortKey, Port>, b: ReadonlyMap<ServicePortKey, Port>): boolean {
  if (a.size !== b.size) return false
  for (const [key, port] of b) if (a.get(key) !== port) return false
  return true
}

/** Whether they are the same groups, wherever they stand now. */
export function sameGroups(a: readonly Located<EndpointGroup>[], b: readonly Located<EndpointGroup>[]): boolean {
  return a.length === b.length && a.every((group, n) => group.value === b[n]?.value)
}

/** Whether an object begins at the same place. */
export function sameOrigin(a: Origin, b: Origin): boolean {
  return a.place === b.place && a.line === b.line
}
