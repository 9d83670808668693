import type { ObjectKey, StoredObject, StoreView, Write } from '../../store/store.ts'
import { ownerOf } from '../object-owner.ts'
import { readObjectBody, readPatchBody } from './body.ts'
import { type KubeContext, keyOf, timestamp } from './context.ts'
import { fromStored } from './convert.ts'
import { decodeObject } from './decode.ts'
import type { Kind } from './kinds.ts'
import type { Writer } from './managed-fields.ts'
import { type Mapping, refused } from './outcome.ts'
import { type Patch, patchObject } from './patch.ts'
import { namespaceWrites, prepare, refuseForeign, refuseStale, type Writing } from './prepare.ts'
import { alreadyExists, badRequest, conflict, methodNotAllowed, notFound, type Refusal, tooLarge } from './refusal.ts'
import type { Options, Target } from './request.ts'
import { listAt, textAt, withMetadata } from './values.ts'

/** What a write came to. */
export interface Written {
  readonly object: StoredObject
  readonly created: boolean
  readonly warnings: readonly string[]
}

/** A body as it came. */
export interface Body {
  readonly contentType: string | undefined
  readonly bytes: Uint8Array
}

/** What is decided inside of a commit. */
type Decision = { readonly writes: readonly Write[]; readonly object: StoredObject } & Omit<Written, 'object'>

/** Kinds that a PUT may create. */
const CREATED_BY_PUT: readonly Kind['kind'][] = ['Service', 'Endpoints']
/** Patches could make an object larger than any body. */
const MOST_OBJECT_CHARS = 3 * 1024 * 1024
const SUFFIX_LETTERS = 'bcdfghjklmnpqrstvwxz2456789'

export async function createObject(
  context: KubeContext,
  target: Target,
  options: Options,
  body: Body,
): Promise<Written | Refusal> {
  const { kind } = target
  if (target.name !== undefined) return methodNotAllowed()
  const read = readObjectBody(body.contentType, body.bytes)
  if (refused(read)) return read
  const decoded = decodeObject(kind, read.value, options.fieldValidation)
  if (refused(decoded)) return decoded
  const placed = placeIn(target, decoded.object)
  if (refused(placed)) return placed
  const object = named(context, placed)
  if (textAt(object, 'metadata', 'resourceVersion') !== '') {
    return badRequest('resourceVersion should not be set on objects to be created')
  }
  const writing = writingOf(context, target, options)
  return await decideAndCommit(context, options, (view) => {
    const name = textAt(object, 'metadata', 'name')
    const key = keyOf(kind, target.namespace ?? '', name)
    const there = name === '' ? undefined : view.get(key)
    if (there) return alreadyThere(kind, there)
    return decide(context, view, writing, key, object, undefined, decoded.warnings)
  })
}

export async function replaceObject(
  context: KubeContext,
  target: Target,
  options: Options,
  body: Body,
): Promise<Written | Refusal> {
  const { kind, name = '' } = target
  const read = readObjectBody(body.contentType, body.bytes)
  if (refused(read)) return read
  const decoded = decodeObject(kind, read.value, options.fieldValidation)
  if (refused(decoded)) return decoded
  const object = placeIn(target, decoded.object)
  if (refused(object)) return object
  const writing = writingOf(context, target, options)
  return await decideAndCommit(context, options, (view) => {
    const key = keyOf(kind, target.namespace ?? '', name)
    const stored = view.get(key)
    if (!stored) {
      const mayCreate = CREATED_BY_PUT.includes(kind.kind) && target.subresource === ''
      if (!mayCreate || textAt(object, 'metadata', 'uid') !== '') return notFound(kind, name)
      return decide(
        context,
        view,
        writing,
        key,
        withMetadata(object, { resourceVersion: undefined }),
        undefined,
        decoded.warnings,
      )
    }
    const no = refuseForeign(kind, stored) ?? refuseStale(kind, object, stored)
    return no ?? decide(context, view, writing, key, object, stored, decoded.warnings)
  })
}

export async function patchOne(context: KubeContext, target: Target, options: Options, body: Body): Promise<Written | Refusal> {
  const { kind, name = '' } = target
  const read = readPatchBody(body.contentType, body.bytes)
  if (refused(read)) return read
  if (read.type === 'apply' && !options.fieldManager) return badRequest('fieldManager is required for apply patch')
  const patch: Patch = { ...read, force: options.force }
  const writing = { ...writingOf(context, target, options), tracked: read.type === 'apply' }
  return await decideAndCommit(context, options, (view) => {
    const key = keyOf(kind, target.namespace ?? '', name)
    const stored = view.get(key)
    if (!stored && (read.type !== 'apply' || target.subresource !== '')) return notFound(kind, name)
    const no = stored && refuseForeign(kind, stored)
    if (no) return no
    const live = stored ? fromStored(kind, stored.value) : emptyObject(target)
    const patched = patchObject(kind, live, patch, writing.writer, options.fieldValidation)
    if (refused(patched)) return patched
    const decoded = decodeObject(kind, patched.object, options.fieldValidation)
    if (refused(decoded)) return decoded
    const object = placeIn(target, decoded.object)
    if (refused(object)) return object
    const stale = stored && refuseStale(kind, object, stored)
    if (stale) return stale
    if (!stored && textAt(object, 'metadata', 'uid') !== '') {
      return conflict(kind, name, 'uid mismatch: the provided object specified a uid, and no object was found')
    }
    return decide(context, view, writing, key, object, stored, [...patched.warnings, ...decoded.warnings])
  })
}

/** Runs `choose` where nothing comes between what it sees and what it writes. */
export async function decideAndCommit(
  { store }: KubeContext,
  { dryRun }: Pick<Options, 'dryRun'>,
  choose: (view: StoreView) => Decision | Refusal,
): Promise<Written | Refusal> {
  let outcome: Decision | Refusal | undefined
  const changes = await store.commit((view) => {
    outcome = choose(view)
    return refused(outcome) || dryRun ? [] : outcome.writes
  })
  const decision = outcome as Decision | Refusal
  if (refused(decision)) return decision
  const { key } = decision.object
  const change = changes.find(({ object }) => isSame(object.key, key))
  return { object: change?.object ?? decision.object, created: decision.created, warnings: decision.warnings }
}

function isSame(a: ObjectKey, b: ObjectKey): boolean {
  return a.kind === b.kind && a.namespace === b.namespace && a.name === b.name
}

function decide(
  context: KubeContext,
  view: StoreView,
  writing: Writing,
  key: ObjectKey,
  object: Mapping,
  stored: StoredObject | undefined,
  told: readonly string[],
): Decision | Refusal {
  const prepared = prepare(context, view, writing, object, stored?.value)
  if (refused(prepared)) return prepared
  if (JSON.stringify(prepared.object).length > MOST_OBJECT_CHARS) return tooLarge(MOST_OBJECT_CHARS)
  const warnings = [...told, ...prepared.warnings]
  const created = stored === undefined
  if (stored && prepared.unchanged) return { writes: [], object: stored, created, warnings }
  const resourceVersion = stored?.resourceVersion ?? 0
  const value = withMetadata(prepared.object, { resourceVersion: stored ? String(resourceVersion) : undefined })
  const next: StoredObject = { key, resourceVersion, value, aside: undefined, kept: true }
  // Whoever was only waiting for its last finalizer is gone with it.
  const finished = textAt(value, 'metadata', 'deletionTimestamp') !== '' && listAt(value, 'metadata', 'finalizers').length === 0
  if (finished) return { writes: [{ key, value: undefined }], object: next, created, warnings }
  return {
    writes: [...namespaceWrites(context, view, key.namespace), { key, value: prepared.object }],
    object: next,
    created,
    warnings,
  }
}

function alreadyThere(kind: Kind, stored: StoredObject): Refusal {
  const refusal = alreadyExists(kind, stored.key.name)
  const owner = ownerOf(stored)
  return owner === undefined ? refusal : refusal.with(`${refusal.message}: it comes from ${owner}`)
}

/** The object in the place that its path names; what it says itself must not be another one. */
function placeIn({ kind, namespace, name }: Target, object: Mapping): Mapping | Refusal {
  const ownName = textAt(object, 'metadata', 'name')
  const ownSpace = textAt(object, 'metadata', 'namespace')
  if (name !== undefined && ownName !== '' && ownName !== name) {
    return badRequest(`the name of the object (${ownName}) does not match the name on the URL (${name})`)
  }
  if (kind.namespaced && namespace === undefined) return methodNotAllowed()
  if (ownSpace !== '' && ownSpace !== (namespace ?? '')) {
    return badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
  return withMetadata(object, { name: name ?? (ownName || undefined), namespace: namespace || undefined })
}

/** `generateName` and five letters, where there is no name. */
function named({ random }: KubeContext, object: Mapping): Mapping {
  const prefix = textAt(object, 'metadata', 'generateName')
  if (prefix === '' || textAt(object, 'metadata', 'name') !== '') return object
  const letters = Array.from({ length: 5 }, () => SUFFIX_LETTERS[random.below(SUFFIX_LETTERS.length)])
  return withMetadata(object, { name: prefix.slice(0, 58) + letters.join('') })
}

function emptyObject({ kind, namespace, name }: Target): Mapping {
  return { apiVersion: kind.apiVersion, kind: kind.kind, metadata: { name, ...(namespace && { namespace }) } }
}

function writingOf({ clock }: KubeContext, { kind, subresource }: Target, options: Options): Writing {
  const writer: Writer = { manager: options.fieldManager, apiVersion: kind.apiVersion, subresource, time: timestamp(clock) }
  return { kind, subresource, writer, tracked: false }
}
