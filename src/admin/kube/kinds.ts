import type { z } from 'zod'
import { type Schema, schemaOf } from './schema.ts'
import { endpointsShape, namespaceShape, serviceShape, sliceV1Beta1Shape, sliceV1Shape } from './shapes.ts'

export type KindName = 'Service' | 'Endpoints' | 'EndpointSlice' | 'Namespace'
export type ResourceName = 'services' | 'endpoints' | 'endpointslices' | 'namespaces'

/** One kind in one version, as the API serves it. */
export interface Kind {
  readonly kind: KindName
  /** Empty: the core group. */
  readonly group: string
  readonly version: string
  /** `v1`, `discovery.k8s.io/v1`. */
  readonly apiVersion: string
  /** The last part of its paths. */
  readonly resource: ResourceName
  readonly singular: string
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  readonly namespaced: boolean
  readonly hasStatus: boolean
  readonly shape: z.ZodType
  readonly schema: Schema
  /** What clients are warned of who use it. */
  readonly deprecation: string | undefined
}

type Entry = Omit<Kind, 'apiVersion' | 'schema' | 'categories' | 'deprecation'> &
  Partial<Pick<Kind, 'categories' | 'deprecation'>>

const SLICE = {
  kind: 'EndpointSlice',
  group: 'discovery.k8s.io',
  resource: 'endpointslices',
  singular: 'endpointslice',
  shortNames: [],
  namespaced: true,
  hasStatus: false,
} as const

/** The first of a resource is the one it is stored as. */
export const KINDS: readonly Kind[] = (
  [
    {
      kind: 'Service',
      group: '',
      version: 'v1',
      resource: 'services',
      singular: 'service',
      shortNames: ['svc'],
      categories: ['all'],
      namespaced: true,
      hasStatus: true,
      shape: serviceShape,
    },
    {
      kind: 'Endpoints',
      group: '',
      version: 'v1',
      resource: 'endpoints',
      singular: 'endpoints',
      shortNames: ['ep'],
      namespaced: true,
      hasStatus: false,
      shape: endpointsShape,
    },
    {
      kind: 'Namespace',
      group: '',
      version: 'v1',
      resource: 'namespaces',
      singular: 'namespace',
      shortNames: ['ns'],
      namespaced: false,
      hasStatus: true,
      shape: namespaceShape,
    },
    { ...SLICE, version: 'v1', shape: sliceV1Shape },
    {
      ...SLICE,
      version: 'v1beta1',
      shape: sliceV1Beta1Shape,
      deprecation: 'discovery.k8s.io/v1beta1 EndpointSlice is deprecated; use discovery.k8s.io/v1 EndpointSlice',
    },
  ] satisfies readonly Entry[]
).map((entry: Entry) => ({
  categories: [],
  deprecation: undefined,
  ...entry,
  apiVersion: entry.group === '' ? entry.version : `${entry.group}/${entry.version}`,
  schema: schemaOf(entry.shape),
}))

/** The kind of a path: its group, version and resource. */
export function findKind(group: string, version: string, resource: string): Kind | undefined {
  return KINDS.find((kind) => kind.group === group && kind.version === version && kind.resource === resource)
}

/** The form in which a resource is stored. */
export function storedKind(resource: ResourceName): Kind {
  return KINDS.find((kind) => kind.resource === resource) as Kind
}

/** `services`, `endpointslices.discovery.k8s.io`: what messages call it. */
export function resourceTitle({ resource, group }: Kind): string {
  return group === '' ? resource : `${resource}.${group}`
}
