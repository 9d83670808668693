import { isMapping } from '../../model/findings.ts'
import { type Mapping, refused } from './outcome.ts'
import { badRequest, type Refusal } from './refusal.ts'
import { fieldOf, type Schema } from './schema.ts'
import { isEqual } from './values.ts'

const PATCH = '$patch'
const RETAIN = '$retainKeys'
const ORDER = '$setElementOrder/'
const TAKE_OUT = '$deleteFromPrimitiveList/'

/** Kubernetes' strategic merge patch: like a merge patch, but lists whose schema says so are merged item by item, by a key.
 *  `schema` is that of the document. What `$patch`, `$retainKeys`, `$setElementOrder` and `$deleteFromPrimitiveList` ask for
 *  is done as upstream does it, including that ports are told apart by their number alone, not by their protocol. */
export function applyStrategicMerge(document: Mapping, patch: unknown, schema: Schema): Mapping | Refusal {
  if (!isMapping(patch)) return badRequest('a strategic merge patch must be a mapping')
  return mergeMapping(document, patch, schema)
}

function mergeMapping(document: Mapping, patch: Mapping, schema: Schema | undefined): Mapping | Refusal {
  const directive = patch[PATCH]
  if (directive === 'replace') return withoutDirectives(patch)
  if (directive === 'delete') return {}
  if (directive !== undefined && directive !== 'merge') {
    return badRequest(`Unknown patch type found: ${JSON.stringify(directive)}`)
  }
  const merged = new Map(Object.entries(retained(document, patch[RETAIN])))
  for (const [key, value] of Object.entries(patch)) {
    if (key === PATCH || key === RETAIN || key.startsWith(ORDER)) continue
    if (key.startsWith(TAKE_OUT)) {
      const name = key.slice(TAKE_OUT.length)
      const gone = Array.isArray(value) ? value : []
      const list = merged.get(name)
      if (Array.isArray(list))
        merged.set(
          name,
          list.filter((item) => !gone.some((one) => isEqual(one, item))),
        )
    } else if (value === null) {
      merged.delete(key)
    } else {
      const outcome = mergeField(merged.get(key), value, patch[ORDER + key], fieldOf(schema, key))
      if (refused(outcome)) return outcome
      merged.set(key, outcome)
    }
  }
  // An order may stand alone: nothing was added, something was moved.
  for (const [key, order] of Object.entries(patch)) {
    const name = key.slice(ORDER.length)
    if (!key.startsWith(ORDER) || Object.hasOwn(patch, name)) continue
    const list = merged.get(name)
    if (Array.isArray(list)) merged.set(name, inOrder(list, [], order, list, keyOf(fieldOf(schema, name))))
  }
  return Object.fromEntries(merged)
}

function retained(document: Mapping, keys: unknown): Mapping {
  if (!Array.isArray(keys)) return document
  return Object.fromEntries(Object.entries(document).filter(([key]) => keys.includes(key)))
}

/** Undefined: not merged by key. Empty: the items are their own keys. */
function keyOf(schema: Schema | undefined): string | undefined {
  if (schema?.['x-kubernetes-patch-strategy'] !== 'merge') return undefined
  return schema['x-kubernetes-patch-merge-key'] ?? ''
}

function mergeField(before: unknown, value: unknown, order: unknown, schema: Schema | undefined): unknown {
  if (isMapping(value)) return mergeMapping(isMapping(before) ? before : {}, value, schema)
  if (!Array.isArray(value)) return value
  const key = keyOf(schema)
  if (key === undefined) return value.filter((item) => !isReplace(item))
  const known = Array.isArray(before) ? before : []
  if (value.some(isReplace)) return value.filter((item) => !isReplace(item))
  return key === '' ? mergeSet(known, value, order) : mergeItems(known, value, order, key, schema)
}

const isReplace = (item: unknown) => isMapping(item) && item[PATCH] === 'replace'

function mergeSet(before: readonly unknown[], added: readonly unknown[], order: unknown): readonly unknown[] {
  const all = [...new Set([...before, ...added])]
  return Array.isArray(order) ? inOrder(all, added, order, before, '') : all
}

function mergeItems(
  before: readonly unknown[],
  items: readonly unknown[],
  order: unknown,
  key: string,
  schema: Schema | undefined,
): readonly unknown[] | Refusal {
  let merged = [...before]
  const given: unknown[] = []
  for (const item of items) {
    if (!isMapping(item) || item[key] === undefined) {
      return badRequest(`map: ${JSON.stringify(item).slice(0, 200)} does not contain declared merge key: ${key}`)
    }
    const at = merged.findIndex((one) => isMapping(one) && isEqual(one[key], item[key]))
    if (item[PATCH] === 'delete') {
      merged = merged.filter((one) => !(isMapping(one) && isEqual(one[key], item[key])))
      continue
    }
    given.push(item)
    const old = merged[at]
    const outcome = mergeMapping(isMapping(old) ? old : {}, item, schema?.items)
    if (refused(outcome)) return outcome
    if (at < 0) merged.push(outcome)
    else merged[at] = outcome
  }
  return Array.isArray(order) ? inOrder(merged, given, order, before, key) : merged
}

/** Items that the patch names stand as it orders them; the others keep their places among each other and beside them. */
function inOrder(
  merged: readonly unknown[],
  given: readonly unknown[],
  order: unknown,
  before: readonly unknown[],
  key: string | undefined,
): readonly unknown[] {
  const wanted = Array.isArray(order) ? order : []
  const nameOf = (item: unknown) => (key && isMapping(item) ? item[key] : item)
  const placeIn = (list: readonly unknown[], item: unknown) => list.findIndex((one) => isEqual(nameOf(one), nameOf(item)))
  const named = merged.filter((item) => placeIn(wanted, item) >= 0 || placeIn(given, item) >= 0)
  const right = named.toSorted((a, b) => placeIn(wanted, a) - placeIn(wanted, b))
  const left = merged.filter((item) => !named.includes(item))
  const sorted: unknown[] = []
  while (left.length > 0 && right.length > 0) {
    const [l, r] = [placeIn(before, left[0]), placeIn(before, right[0])]
    sorted.push(l >= 0 && r >= 0 && l < r ? left.shift() : right.shift())
  }
  return [...sorted, ...left, ...right]
}

function withoutDirectives(patch: Mapping): Mapping {
  return Object.fromEntries(Object.entries(patch).filter(([key]) => key !== PATCH))
}
