import { isMapping } from '../../model/findings.ts'
import type { Mapping } from './outcome.ts'
import { fieldOf, type Schema } from './schema.ts'

/** Fields of one object, each a path of elements as `managedFields` writes them: `f:spec`, `k:{"port":80}`, `v:"x"`. */
export type FieldSet = ReadonlySet<string>

const SEPARATOR = '\u0000'
const ITSELF = '.'

export const joinPath = (elements: readonly string[]): string => elements.join(SEPARATOR)
export const splitPath = (path: string): readonly string[] => path.split(SEPARATOR)
export const isBelow = (path: string, above: string): boolean => path.startsWith(above + SEPARATOR)

/** Whether a list is merged item by item. */
export function isGranular(schema: Schema | undefined): boolean {
  const type = schema?.['x-kubernetes-list-type']
  return type === 'map' || type === 'set'
}

/** Whether a mapping is merged field by field. */
export function isOpen(schema: Schema | undefined): boolean {
  return schema?.['x-kubernetes-map-type'] !== 'atomic' && !schema?.['x-kubernetes-preserve-unknown-fields']
}

/** The element that names an item of a granular list. */
export function itemElement(item: unknown, schema: Schema | undefined): string {
  if (schema?.['x-kubernetes-list-type'] === 'set' || !isMapping(item)) return `v:${JSON.stringify(item)}`
  const keys = [...(schema?.['x-kubernetes-list-map-keys'] ?? [])].sort()
  const named = keys.flatMap((key) => {
    const value = item[key] ?? fieldOf(schema?.items, key)?.default
    return value === undefined ? [] : [[key, value] as const]
  })
  return `k:${JSON.stringify(Object.fromEntries(named))}`
}

/** Every field with a value, by path. Items of granular lists count themselves, so that a list remembers whose item it is. */
export function leavesOf(value: unknown, schema: Schema | undefined): ReadonlyMap<string, unknown> {
  const leaves = new Map<string, unknown>()
  collect(value, schema, [], leaves)
  return leaves
}

function collect(value: unknown, schema: Schema | undefined, path: readonly string[], leaves: Map<string, unknown>): void {
  if (isMapping(value) && isOpen(schema) && (path.length === 0 || Object.keys(value).length > 0)) {
    for (const [key, item] of Object.entries(value)) collect(item, fieldOf(schema, key), [...path, `f:${key}`], leaves)
  } else if (Array.isArray(value) && isGranular(schema)) {
    for (const item of value) {
      const inner = [...path, itemElement(item, schema)]
      leaves.set(joinPath(inner), ITSELF)
      if (isMapping(item)) collect(item, schema?.items, inner, leaves)
    }
  } else {
    leaves.set(joinPath(path), value)
  }
}

/** As `managedFields` carries it. */
export function toFieldsV1(fields: FieldSet): Mapping {
  const root = new Map<string, unknown>()
  for (const path of [...fields].sort()) {
    let at = root
    for (const element of splitPath(path)) {
      const next = at.get(element) ?? new Map<string, unknown>()
      at.set(element, next)
      at = next as Map<string, unknown>
    }
    at.set(ITSELF, new Map())
  }
  return unwrap(root)
}

/** A field that is there alone says so by being empty. */
function unwrap(node: Map<string, unknown>): Mapping {
  const entries = [...node].map(([key, inner]) => [key, unwrap(inner as Map<string, unknown>)] as const)
  return Object.fromEntries(node.size === 1 && node.has(ITSELF) ? [] : entries)
}

/** Undefined: it is none. */
export function fromFieldsV1(value: unknown): FieldSet | undefined {
  if (!isMapping(value)) return undefined
  const fields = new Set<string>()
  const walk = (node: Mapping, path: readonly string[]): boolean =>
    Object.entries(node).every(([key, inner]) => {
      if (key === ITSELF) {
        fields.add(joinPath(path))
        return true
      }
      if (!isMapping(inner) || !/^[fkv]:/.test(key)) return false
      if (Object.keys(inner).length === 0) fields.add(joinPath([...path, key]))
      return walk(inner, [...path, key])
    })
  return walk(value, []) ? fields : undefined
}

/** `.spec.ports[port=80,protocol="TCP"].targetPort`: how conflicts name a field. */
export function showFieldPath(path: string): string {
  return splitPath(path)
    .map((element) => {
      const rest = element.slice(2)
      if (element.startsWith('f:')) return `.${rest}`
      if (element.startsWith('v:')) return `[=${rest}]`
      const keys = Object.entries(JSON.parse(rest) as object).map(([key, value]) => `${key}=${JSON.stringify(value)}`)
      return `[${keys.join(',')}]`
    })
    .join('')
}
