import { isMapping } from '../../model/findings.ts'
import { type FieldSet, isGranular, isOpen, itemElement, joinPath, showFieldPath } from './field-set.ts'
import { isManaged, type Manager, managedLeaves, managersOf, placeOf, type Writer, withManagers } from './managed-fields.ts'
import type { Mapping } from './outcome.ts'
import { Refusal } from './refusal.ts'
import { fieldOf, type Schema } from './schema.ts'
import { isEqual, withKey } from './values.ts'

/** Server-side apply: what the writer sends is all that it wants to manage. Its values are merged in; what it had sent
 *  before and does not send any more goes, unless another one manages it too; a value that another one manages is a
 *  conflict, unless `force` says that it changes hands.
 *  `live` is the object as it is now, `applied` what was sent; `complete` fills in what the server would: a value that comes
 *  out as it was is no conflict. */
export function applyServerSide(
  live: Mapping,
  applied: Mapping,
  writer: Writer,
  force: boolean,
  schema: Schema,
  complete: (object: Mapping) => Mapping,
): Mapping | Refusal {
  const managers = managersOf(live) ?? []
  const at = placeOf(managers, writer, 'Apply')
  const wanted = managedLeaves(applied, schema, writer.subresource)
  const held = managedLeaves(live, schema, writer.subresource)
  const others = managers.filter((_, n) => n !== at)
  const merged = merge(live, applied, schema) as Mapping
  const outcome = managedLeaves(complete(merged), schema, writer.subresource)
  const changed = [...wanted.keys()].filter((path) => !held.has(path) || !isEqual(held.get(path), outcome.get(path)))
  const conflicts = others.flatMap((manager) =>
    changed.filter((path) => manager.fields.has(path)).map((path) => ({ manager, path })),
  )
  if (conflicts.length > 0 && !force) return refuse(conflicts)

  const lost = new Set(conflicts.map(({ path }) => path))
  const rest = others.map((one) => ({ ...one, fields: new Set([...one.fields].filter((path) => !lost.has(path))) as FieldSet }))
  const fields: FieldSet = new Set(wanted.keys())
  const dropped = [...(managers[at]?.fields ?? [])].filter((path) => !fields.has(path))
  const isGone = (path: string) => dropped.includes(path) && !isManaged(path, rest) && !isManagedHere(path, fields)
  const pruned = dropped.length === 0 ? merged : (prune(merged, schema, [], isGone) as Mapping)
  const present = managedLeaves(pruned, schema, 'status')
  const before = managers[at]
  const mine: Manager = {
    ...writer,
    operation: 'Apply',
    fields,
    // Kubernetes moves the time only where the set of fields changed, so that applying the same again changes nothing.
    time: before && before.fields.size === fields.size && dropped.length === 0 ? before.time : writer.time,
  }
  const still = rest.map((one) => ({ ...one, fields: new Set([...one.fields].filter((path) => present.has(path))) as FieldSet }))
  return withManagers(pruned, at < 0 ? [...still, mine] : still.toSpliced(at, 0, mine))
}

function isManagedHere(path: string, fields: FieldSet): boolean {
  return isManaged(path, [{ fields } as Manager])
}

/** The applied values laid over the live ones. */
function merge(live: unknown, applied: unknown, schema: Schema | undefined): unknown {
  if (isMapping(live) && isMapping(applied) && isOpen(schema)) {
    let merged: Mapping = live
    for (const [key, value] of Object.entries(applied))
      merged = withKey(merged, key, merge(live[key], value, fieldOf(schema, key)))
    return merged
  }
  if (Array.isArray(live) && Array.isArray(applied) && isGranular(schema)) {
    const wanted = new Map(applied.map((item) => [itemElement(item, schema), item]))
    const kept = live.map((item) => {
      const name = itemElement(item, schema)
      if (!wanted.has(name)) return item
      const merged = merge(item, wanted.get(name), schema?.items)
      wanted.delete(name)
      return merged
    })
    return [...kept, ...wanted.values()]
  }
  return applied
}

/** Takes out the fields that are gone, and what is empty after that. */
function prune(value: unknown, schema: Schema | undefined, path: readonly string[], isGone: (path: string) => boolean): unknown {
  if (path.length > 0 && isGone(joinPath(path))) return undefined
  if (isMapping(value) && isOpen(schema)) {
    let kept: Mapping = value
    for (const [key, inner] of Object.entries(value)) {
      const left = prune(inner, fieldOf(schema, key), [...path, `f:${key}`], isGone)
      if (left !== inner) kept = withKey(kept, key, left)
    }
    return kept !== value && path.length > 0 && Object.keys(kept).length === 0 ? undefined : kept
  }
  if (Array.isArray(value) && isGranular(schema)) {
    const kept = value
      .map((item) => prune(item, schema?.items, [...path, itemElement(item, schema)], isGone))
      .filter((item) => item !== undefined)
    if (kept.length === value.length && kept.every((item, n) => item === value[n])) return value
    return kept.length === 0 ? undefined : kept
  }
  return value
}

function refuse(conflicts: readonly { readonly manager: Manager; readonly path: string }[]): Refusal {
  const nameOf = ({ manager, apiVersion, subresource, operation }: Manager) =>
    `"${manager}"${subresource && ` with subresource "${subresource}"`}${operation === 'Update' ? ` using ${apiVersion}` : ''}`
  const causes = conflicts.map(({ manager, path }) => ({
    reason: 'FieldManagerConflict' as const,
    message: `conflict with ${nameOf(manager)}`,
    field: showFieldPath(path),
  }))
  const said = causes.map(({ message, field }) => `${message}: ${field}`).join(', ')
  const message = `Apply failed with ${causes.length} conflict${causes.length === 1 ? '' : 's'}: ${said}`
  return new Refusal(409, 'Conflict', message, { causes })
}
