import { isMapping } from '../../model/findings.ts'
import type { Mapping } from './outcome.ts'

/** Whether two JSON values say the same; keys may stand in any order. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, n) => isEqual(item, b[n]))
  if (!isMapping(a) || !isMapping(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key], b[key]))
}

/** The same mapping with `key` set; without it, where `value` is undefined. No key is special, `__proto__` neither. */
export function withKey(mapping: Mapping, key: string, value: unknown): Mapping {
  if (value !== undefined) return { ...mapping, [key]: value }
  const { [key]: _, ...rest } = mapping
  return rest
}

/** A mapping below `key`, or an empty one. */
export function mappingAt(value: unknown, ...path: readonly string[]): Mapping {
  let found = value
  for (const key of path) found = isMapping(found) && Object.hasOwn(found, key) ? found[key] : undefined
  return isMapping(found) ? found : {}
}

/** Text below `path`, or nothing. */
export function textAt(value: unknown, ...path: readonly string[]): string {
  const found = mappingAt(value, ...path.slice(0, -1))[path.at(-1) as string]
  return typeof found === 'string' ? found : ''
}

/** A list below `path`, or an empty one. */
export function listAt(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const found = mappingAt(value, ...path.slice(0, -1))[path.at(-1) as string]
  return Array.isArray(found) ? found : []
}

/** The same object with other metadata. */
export function withMetadata(object: Mapping, changes: Mapping): Mapping {
  const metadata = { ...mappingAt(object, 'metadata'), ...changes }
  return { ...object, metadata: Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== undefined)) }
}
