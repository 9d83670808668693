import { hash } from 'node:crypto'
import type { ApiKind } from './api-kinds.ts'

/** One object of the cluster, less what nobody here reads. */
export interface ApiItem {
  /** `EndpointSlice default/web-abc12`. */
  readonly key: string
  /** The Service that a slice or Endpoints belongs to, or that this is: `default/web`; empty for others. */
  readonly service: string
  /** Equal where the content is. */
  readonly digest: string
  /** JSON. */
  readonly text: string
}

type Mapping = Readonly<Record<string, unknown>>

/** Large, or changed all the time, or both. */
const UNREAD_METADATA = ['managedFields', 'selfLink', 'resourceVersion', 'generation', 'ownerReferences', 'finalizers']
const UNREAD_ANNOTATIONS = ['kubectl.kubernetes.io/last-applied-configuration', 'control-plane.alpha.kubernetes.io/leader']
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name'

/** Who an object is: the part of {@link ApiItem.key} that an event of any sort carries. Undefined: it does not say. */
export function keyOf(object: unknown, { kind }: ApiKind): string | undefined {
  const metadata = metadataOf(object)
  const { name, namespace } = metadata ?? {}
  if (typeof name !== 'string' || name === '') return undefined
  return typeof namespace === 'string' && namespace !== '' ? `${kind} ${namespace}/${name}` : `${kind} ${name}`
}

/** The object as an item; undefined where it does not say who it is. Items of lists do not name their kind, so it is
 *  put in. */
export function itemOf(object: unknown, form: ApiKind): ApiItem | undefined {
  const key = keyOf(object, form)
  const metadata = metadataOf(object)
  if (key === undefined || !metadata) return undefined
  const { kind, apiVersion } = form
  const rest = kind === 'Node' ? leanNode(object as Mapping) : (object as Mapping)
  const text = JSON.stringify({ ...rest, kind, apiVersion, metadata: leanMetadata(metadata, kind) })
  return { key, service: serviceOf(metadata, kind), digest: hash('sha256', text, 'base64'), text }
}

/** The resourceVersion of an object or list; empty where it has none. */
export function resourceVersionOf(object: unknown): string {
  const version = metadataOf(object)?.['resourceVersion']
  return typeof version === 'string' ? version : ''
}

/** Whether one resourceVersion is before another. They are opaque but for this: numbers grow. */
export function isOlder(one: string, other: string): boolean {
  if (!/^\d+$/.test(one) || !/^\d+$/.test(other)) return false
  return one.length === other.length ? one < other : one.length < other.length
}

/** An object's metadata, whatever the object is. */
export function metadataOf(object: unknown): Mapping | undefined {
  return isMapping(object) && isMapping(object['metadata']) ? object['metadata'] : undefined
}

export function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function leanMetadata(metadata: Mapping, kind: string): Mapping {
  const lean = Object.fromEntries(Object.entries(metadata).filter(([key]) => !UNREAD_METADATA.includes(key)))
  if (kind === 'Node') return pick(lean, ['name', 'uid', 'labels', 'creationTimestamp', 'deletionTimestamp'])
  if (!isMapping(lean['annotations'])) return lean
  const annotations = Object.entries(lean['annotations']).filter(([key]) => !UNREAD_ANNOTATIONS.includes(key))
  return { ...lean, annotations: Object.fromEntries(annotations) }
}

/** A kubelet writes its Node every few minutes; what is read of it hardly ever changes. */
function leanNode({ spec, status }: Mapping): Mapping {
  return { spec, ...(isMapping(status) ? { status: pick(status, ['addresses']) } : {}) }
}

function pick(object: Mapping, keys: readonly string[]): Mapping {
  return Object.fromEntries(keys.filter((key) => object[key] !== undefined).map((key) => [key, object[key]]))
}

function serviceOf({ namespace, name, labels }: Mapping, kind: string): string {
  if (kind === 'Service' || kind === 'Endpoints') return `${namespace}/${name}`
  return kind === 'EndpointSlice' && isMapping(labels) ? `${namespace}/${labels[SERVICE_NAME_LABEL]}` : ''
}
