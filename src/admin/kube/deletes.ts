import { isMapping } from '../../model/findings.ts'
import { SERVICE_NAME_LABEL } from '../../model/parse-endpoints.ts'
import type { StoredObject, StoreView, Write } from '../../store/store.ts'
import { ownerOf } from '../object-owner.ts'
import { readObjectBody } from './body.ts'
import { type KubeContext, keyOf, storeKind, timestamp } from './context.ts'
import { KINDS, type Kind, storedKind } from './kinds.ts'
import { refused } from './outcome.ts'
import { refuseForeign } from './prepare.ts'
import { conflict, forbidden, notFound, type Refusal } from './refusal.ts'
import type { Options, Target } from './request.ts'
import { parseSelectors } from './selectors.ts'
import { listAt, mappingAt, textAt, withMetadata } from './values.ts'
import { type Body, decideAndCommit } from './writes.ts'

/** Deletes one object, and what goes with it. Resolves with the Status that says so. */
export async function deleteObject(
  context: KubeContext,
  target: Target,
  options: Options,
  body: Body,
): Promise<object | Refusal> {
  const { kind, namespace = '', name = '' } = target
  const wishes = readDeleteOptions(body)
  if (refused(wishes)) return wishes
  const dryRun = options.dryRun || listAt(wishes, 'dryRun').includes('All')
  const outcome = await decideAndCommit(context, { dryRun }, (view) => {
    const stored = view.get(keyOf(kind, namespace, name))
    if (!stored) return notFound(kind, name)
    const no = refuseForeign(kind, stored) ?? refusePreconditions(kind, stored, wishes)
    if (no) return no
    if (kind.kind === 'Namespace' && name === 'default') return forbidden(kind, name, 'this namespace may not be deleted')
    return { writes: withDependents(context, view, kind, stored), object: stored, created: false, warnings: [] }
  })
  if (refused(outcome)) return outcome
  const { resource, group } = kind
  const uid = textAt(outcome.object.value, 'metadata', 'uid')
  const details = { name, ...(group && { group }), kind: resource, uid }
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details }
}

/** Deletes all objects of a collection that are meant and are this API's. Resolves with those that were deleted. */
export async function deleteCollection(
  context: KubeContext,
  target: Target,
  options: Options,
  body: Body,
): Promise<readonly StoredObject[] | Refusal> {
  const { kind } = target
  const wishes = readDeleteOptions(body)
  if (refused(wishes)) return wishes
  const selector = parseSelectors(options.labelSelector, options.fieldSelector, kind.resource)
  if (refused(selector)) return selector
  const dryRun = options.dryRun || listAt(wishes, 'dryRun').includes('All')
  let gone: readonly StoredObject[] = []
  await context.store.commit((view) => {
    const all = view.list(storeKind(kind), kind.namespaced ? target.namespace : undefined)
    gone = all.filter(
      (object) => selector(object.value) && ownerOf(object) === undefined && object.key.name !== UNDELETABLE[kind.kind],
    )
    const writes = gone.flatMap((object) => withDependents(context, view, kind, object))
    // One object can go with several.
    const distinct = new Map(writes.map((write) => [`${write.key.kind}/${write.key.namespace}/${write.key.name}`, write]))
    return dryRun ? [] : [...distinct.values()]
  })
  return gone
}

const UNDELETABLE: Readonly<Partial<Record<Kind['kind'], string>>> = { Namespace: 'default' }

/** What the body says, which may be nothing at all. */
function readDeleteOptions({ contentType, bytes }: Body) {
  if (bytes.length === 0) return {}
  const read = readObjectBody(contentType, bytes)
  if (refused(read)) return read
  return isMapping(read.value) ? read.value : {}
}

function refusePreconditions(kind: Kind, stored: StoredObject, wishes: Readonly<Record<string, unknown>>): Refusal | undefined {
  const { uid, resourceVersion } = mappingAt(wishes, 'preconditions')
  const own = textAt(stored.value, 'metadata', 'uid')
  const { name } = stored.key
  if (uid && uid !== own)
    return conflict(kind, name, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${own}`)
  if (!resourceVersion || resourceVersion === String(stored.resourceVersion)) return undefined
  const why = `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${stored.resourceVersion}`
  return conflict(kind, name, why)
}

/** With a Service go the Endpoints of its name and the slices that name it; with a namespace everything in it. Objects of
 *  files and clusters stay. */
function withDependents(context: KubeContext, view: StoreView, kind: Kind, stored: StoredObject): Write[] {
  const { namespace, name } = stored.key
  const also: StoredObject[] = []
  if (kind.kind === 'Service') {
    const endpoints = view.get(keyOf(storedKind('endpoints'), namespace, name))
    if (endpoints) also.push(endpoints)
    const slices = view.list('EndpointSlice', namespace)
    also.push(...slices.filter(({ value }) => textAt(value, 'metadata', 'labels', SERVICE_NAME_LABEL) === name))
  } else if (kind.kind === 'Namespace') {
    for (const one of new Set(KINDS.filter(({ namespaced }) => namespaced).map(storeKind))) also.push(...view.list(one, name))
  }
  return [stored, ...also].filter((object) => ownerOf(object) === undefined).map((object) => deletion(context, object))
}

/** An object with finalizers waits for whoever put them there. */
function deletion({ clock }: KubeContext, { key, value }: StoredObject): Write {
  if (listAt(value, 'metadata', 'finalizers').length === 0) return { key, value: undefined }
  const { deletionTimestamp = timestamp(clock) } = mappingAt(value, 'metadata')
  return { key, value: withMetadata(value, { deletionTimestamp, deletionGracePeriodSeconds: 0 }) }
}
