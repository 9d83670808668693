import { isMapping } from '../../model/findings.ts'

/** JSON Merge Patch (RFC 7386): null removes, mappings merge, everything else replaces. */
export function applyMergePatch(document: unknown, patch: unknown): unknown {
  if (!isMapping(patch)) return patch
  const merged = new Map(isMapping(document) ? Object.entries(document) : [])
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key)
    else merged.set(key, applyMergePatch(merged.get(key), value))
  }
  return Object.fromEntries(merged)
}
