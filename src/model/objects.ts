import type { EndpointGroup } from './endpoint.ts'
import type { ServiceKey } from './keys.ts'
import type { Node } from './node.ts'
import type { Problem } from './problem.ts'
import type { Service } from './service.ts'
import type { Origin } from './source-object.ts'

/** A value and where it stands. */
export interface Located<T> {
  readonly value: T
  readonly origin: Origin
}

/** Everything parsed from all sources. An unchanged object yields the same reference as last time. */
export interface ObjectSet {
  readonly services: ReadonlyMap<ServiceKey, Located<Service>>
  /** Slices where there are any, else the subsets of the v1 Endpoints; in a stable order. */
  readonly endpoints: ReadonlyMap<ServiceKey, readonly Located<EndpointGroup>[]>
  /** By name. */
  readonly nodes: ReadonlyMap<string, Node>
  readonly problems: readonly Problem[]
  /** Things to say once, not wrong: kinds that are ignored, Endpoints that slices override. */
  readonly notes: readonly string[]
}
