import { isMapping } from '../../model/findings.ts'
import { type FieldSet, fromFieldsV1, isBelow, leavesOf, splitPath, toFieldsV1 } from './field-set.ts'
import type { Mapping } from './outcome.ts'
import type { Schema } from './schema.ts'
import { isEqual, listAt, withMetadata } from './values.ts'

/** The fields that one program manages, in one way. */
export interface Manager {
  readonly manager: string
  readonly operation: 'Apply' | 'Update'
  readonly apiVersion: string
  readonly subresource: string
  readonly time: string
  readonly fields: FieldSet
}

/** Who writes: part of every change. */
export interface Writer {
  readonly manager: string
  readonly apiVersion: string
  /** Empty: the object itself. */
  readonly subresource: string
  /** RFC 3339, in seconds. */
  readonly time: string
}

const UNMANAGED = new Set(
  ['name', 'generateName', 'namespace', 'uid', 'resourceVersion', 'generation', 'creationTimestamp', 'managedFields', 'selfLink']
    .map((name) => `f:metadata\u0000f:${name}`)
    .concat(['f:apiVersion', 'f:kind']),
)

/** The fields of an object that somebody can manage, with their values; of its status, if `subresource` says so. */
export function managedLeaves(object: Mapping, schema: Schema, subresource: string): ReadonlyMap<string, unknown> {
  const leaves = new Map(leavesOf(object, schema))
  for (const path of leaves.keys()) {
    const elements = splitPath(path)
    if (elements[0] === 'f:status' && subresource !== 'status') leaves.delete(path)
    else if (UNMANAGED.has(elements.slice(0, elements[0] === 'f:metadata' ? 2 : 1).join('\u0000'))) leaves.delete(path)
  }
  return leaves
}

/** Who manages what, as the object says; undefined where that cannot be read. */
export function managersOf(object: Mapping): readonly Manager[] | undefined {
  const managers: Manager[] = []
  for (const entry of listAt(object, 'metadata', 'managedFields')) {
    if (!isMapping(entry)) return undefined
    const { manager = '', operation, apiVersion = '', subresource = '', time = '' } = entry
    const fields = fromFieldsV1(entry['fieldsV1'] ?? {})
    if (!fields || (operation !== 'Apply' && operation !== 'Update')) return undefined
    managers.push({
      manager: String(manager),
      operation,
      apiVersion: String(apiVersion),
      subresource: String(subresource),
      time: String(time),
      fields,
    })
  }
  return managers
}

/** The object with these managers; those without a field are left out. */
export function withManagers(object: Mapping, managers: readonly Manager[]): Mapping {
  const entries = managers
    .filter(({ fields }) => fields.size > 0)
    .map(({ manager, operation, apiVersion, subresource, time, fields }) => ({
      manager,
      operation,
      apiVersion,
      time,
      fieldsType: 'FieldsV1',
      fieldsV1: toFieldsV1(fields),
      ...(subresource && { subresource }),
    }))
  return withMetadata(object, { managedFields: entries.length > 0 ? entries : undefined })
}

/** Where a manager stands in the list; -1: nowhere. */
export function placeOf(managers: readonly Manager[], writer: Writer, operation: Manager['operation']): number {
  return managers.findIndex(
    (one) =>
      one.manager === writer.manager &&
      one.operation === operation &&
      one.subresource === writer.subresource &&
      (operation === 'Apply' || one.apiVersion === writer.apiVersion),
  )
}

/** Notes an update: what the writer changed is its own from now on, and nobody else's. */
export function trackUpdate(before: Mapping | undefined, after: Mapping, writer: Writer, schema: Schema): Mapping {
  // Whoever clears the list starts it anew; a list that cannot be read is as good as the one that was there.
  const given = managersOf(after)
  const known = (given && (given.length > 0 || !before) ? given : before && !mentions(after) ? managersOf(before) : given) ?? []
  const old = before ? managedLeaves(before, schema, writer.subresource) : new Map<string, unknown>()
  const leaves = managedLeaves(after, schema, writer.subresource)
  const changed = new Set<string>()
  for (const [path, value] of leaves) if (!old.has(path) || !isEqual(old.get(path), value)) changed.add(path)
  const gone = new Set([...old.keys()].filter((path) => !leaves.has(path)))
  const at = placeOf(known, writer, 'Update')
  const managers = known.map((manager, n) => {
    if (n !== at && changed.size + gone.size === 0) return manager
    const fields = new Set([...manager.fields].filter((path) => !gone.has(path) && (n === at || !changed.has(path))))
    return { ...manager, fields }
  })
  if (changed.size === 0) return withManagers(after, managers)
  const mine = at < 0 ? undefined : managers[at]
  const fields = new Set([...(mine?.fields ?? []), ...changed])
  const entry: Manager = { ...writer, operation: 'Update', fields, time: writer.time }
  return withManagers(after, mine ? managers.with(at, entry) : [...managers, entry])
}

function mentions(object: Mapping): boolean {
  const metadata = object['metadata']
  return isMapping(metadata) && Array.isArray(metadata['managedFields'])
}

/** Whether anyone manages a field or something in it. */
export function isManaged(path: string, managers: readonly Manager[]): boolean {
  return managers.some(({ fields }) => fields.has(path) || [...fields].some((one) => isBelow(one, path)))
}
