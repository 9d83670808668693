import { randomUUID } from 'node:crypto'
import type { StoredObject, StoreView, Write } from '../../store/store.ts'
import { ownerOf } from '../object-owner.ts'
import { allocate } from './allocate.ts'
import { type KubeContext, keyOf, timestamp } from './context.ts'
import { toStored } from './convert.ts'
import { withDefaults } from './defaults.ts'
import { type Kind, storedKind } from './kinds.ts'
import { trackUpdate, type Writer } from './managed-fields.ts'
import type { Mapping } from './outcome.ts'
import { conflict, forbidden, invalid, type Refusal } from './refusal.ts'
import { settleService } from './service-update.ts'
import { validate } from './validate.ts'
import { isEqual, listAt, mappingAt, textAt, withMetadata } from './values.ts'

/** An object as it is about to be stored. */
export interface Prepared {
  readonly object: Mapping
  readonly warnings: readonly string[]
  /** Nothing but the record of who wrote what would change. */
  readonly unchanged: boolean
}

/** How an object is written. */
export interface Writing {
  readonly kind: Kind
  readonly subresource: '' | 'status'
  readonly writer: Writer
  /** Whether the object's `managedFields` are right already. */
  readonly tracked: boolean
}

/** Everything between what a client sends and what is stored: what the server fills in, what it does not let go, and whether
 *  the result is right. `before`: undefined when the object is new. */
export function prepare(
  context: KubeContext,
  view: StoreView,
  writing: Writing,
  given: Mapping,
  before: Mapping | undefined,
): Prepared | Refusal {
  const { kind } = writing
  const stored = storedKind(kind.resource)
  const name = textAt(given, 'metadata', 'name')
  let object = withDefaults(stored, onlyWritable(writing, toStored(kind, given), before))
  object = withSystemMetadata(context, object, before)
  if (kind.kind === 'Service') object = withIngress(settleService(before, object))
  const verdict = validate(stored, object, before, context.parse)
  if (verdict.causes.length > 0) return invalid(kind, name, verdict.causes)
  // Nobody manages what the server assigns.
  const tracked = writing.tracked ? object : trackUpdate(before, object, writing.writer, stored.schema)
  const { managedFields } = mappingAt(tracked, 'metadata')
  if (kind.kind === 'Service') {
    const allocation = allocate(context, view, object, before)
    if (allocation.causes.length > 0) return invalid(kind, name, allocation.causes)
    object = allocation.object
  }
  object = withMetadata(object, { generation: generationOf(object, before), managedFields })
  const unchanged = before !== undefined && isEqual(comparable(before), comparable(object))
  return { object, warnings: verdict.warnings, unchanged }
}

/** A write of the object does not write its status, nor the other way round. */
function onlyWritable({ kind, subresource }: Writing, object: Mapping, before: Mapping | undefined): Mapping {
  if (!kind.hasStatus) return object
  if (subresource === '') {
    const { status: _, ...rest } = object
    return before?.['status'] === undefined ? rest : { ...rest, status: before['status'] }
  }
  return { ...before, status: object['status'] ?? {}, metadata: { ...mappingAt(before, 'metadata'), ...fieldsOnly(object) } }
}

function fieldsOnly(object: Mapping): Mapping {
  const { managedFields } = mappingAt(object, 'metadata')
  return managedFields === undefined ? {} : { managedFields }
}

function withSystemMetadata({ clock }: KubeContext, object: Mapping, before: Mapping | undefined): Mapping {
  const old = mappingAt(before, 'metadata')
  return withMetadata(object, {
    uid: before ? old['uid'] : randomUUID(),
    creationTimestamp: before ? old['creationTimestamp'] : timestamp(clock),
    deletionTimestamp: old['deletionTimestamp'],
    deletionGracePeriodSeconds: old['deletionGracePeriodSeconds'],
    resourceVersion: undefined,
    selfLink: undefined,
  })
}

/** This program is the load balancer: the address that is asked of it is the one it has. */
function withIngress(object: Mapping): Mapping {
  const spec = mappingAt(object, 'spec')
  const status = mappingAt(object, 'status')
  const balancer = mappingAt(status, 'loadBalancer')
  const asked = textAt(spec, 'loadBalancerIP')
  if (spec['type'] !== 'LoadBalancer') return { ...object, status: { ...status, loadBalancer: {} } }
  if (asked === '' || listAt(balancer, 'ingress').length > 0) return object
  return { ...object, status: { ...status, loadBalancer: { ...balancer, ingress: [{ ip: asked, ipMode: 'VIP' }] } } }
}

/** Counts changes of what is asked for. */
function generationOf(object: Mapping, before: Mapping | undefined): number {
  const old = mappingAt(before, 'metadata')['generation']
  if (!before || typeof old !== 'number') return 1
  return isEqual(asked(before), asked(object)) ? old : old + 1
}

function asked(object: Mapping): Mapping {
  const { metadata: _metadata, status: _status, ...rest } = object
  return rest
}

/** Without what changes with every write. */
function comparable(object: Mapping): Mapping {
  const { metadata, ...rest } = object
  const { resourceVersion: _, managedFields, ...others } = mappingAt({ metadata }, 'metadata')
  const managers = Array.isArray(managedFields) ? managedFields.map((one) => ({ ...one, time: '' })) : []
  return { ...rest, metadata: { ...others, managers } }
}

/** Refuses to touch what belongs to a file or a cluster. */
export function refuseForeign(kind: Kind, stored: StoredObject): Refusal | undefined {
  const owner = ownerOf(stored)
  return owner === undefined ? undefined : forbidden(kind, stored.key.name, `it comes from ${owner}; change it there`)
}

/** Refuses a write that was made for another version of the object, or for another object of its name. */
export function refuseStale(kind: Kind, given: Mapping, stored: StoredObject): Refusal | undefined {
  const version = textAt(given, 'metadata', 'resourceVersion')
  const uid = textAt(given, 'metadata', 'uid')
  const own = textAt(stored.value, 'metadata', 'uid')
  const { name } = stored.key
  if (uid !== '' && uid !== own)
    return conflict(kind, name, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${own}`)
  if (version === '' || version === '0' || version === String(stored.resourceVersion)) return undefined
  return conflict(kind, name, 'the object has been modified; please apply your changes to the latest version and try again')
}

/** A namespace is there as soon as something is in it. */
export function namespaceWrites(context: KubeContext, view: StoreView, namespace: string): Write[] {
  const kind = storedKind('namespaces')
  const key = keyOf(kind, '', namespace)
  if (namespace === '' || view.get(key)) return []
  const object = withDefaults(kind, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  return [{ key, value: withMetadata(withSystemMetadata(context, object, undefined), { generation: 1 }) }]
}

/** Makes a namespace that nothing is in yet.
 *  @throws ProxyError E_STORE when it could not be persisted. */
export async function ensureNamespace(context: KubeContext, namespace: string): Promise<void> {
  await context.store.commit((view) => namespaceWrites(context, view, namespace))
}
