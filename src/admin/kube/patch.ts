import { isMapping } from '../../model/findings.ts'
import type { PatchType } from './body.ts'
import { decodeObject, type FieldValidation } from './decode.ts'
import { withDefaults } from './defaults.ts'
import { applyJsonPatch } from './json-patch.ts'
import type { Kind } from './kinds.ts'
import type { Writer } from './managed-fields.ts'
import { applyMergePatch } from './merge-patch.ts'
import { type Mapping, refused } from './outcome.ts'
import { badRequest, type Refusal } from './refusal.ts'
import { applyServerSide } from './server-side-apply.ts'
import { applyStrategicMerge } from './strategic-merge.ts'
import { listAt } from './values.ts'

export interface Patch {
  readonly type: PatchType
  readonly value: unknown
  /** For server-side apply: takes fields from others. */
  readonly force: boolean
}

interface Patched {
  readonly object: unknown
  readonly warnings: readonly string[]
}

/** What an object becomes by a patch, before anyone looks whether that is right. */
export function patchObject(
  kind: Kind,
  live: Mapping,
  patch: Patch,
  writer: Writer,
  validation: FieldValidation,
): Patched | Refusal {
  if (patch.type === 'apply') return applied(kind, live, patch, writer, validation)
  if (patch.type === 'json') {
    const patched = applyJsonPatch(live, patch.value)
    return refused(patched) ? patched : { object: patched.value, warnings: [] }
  }
  if (!isMapping(patch.value)) return badRequest('the patch must be an object')
  if (patch.type === 'merge') return { object: applyMergePatch(live, patch.value), warnings: [] }
  const merged = applyStrategicMerge(live, patch.value, kind.schema)
  return refused(merged) ? merged : { object: merged, warnings: [] }
}

function applied(kind: Kind, live: Mapping, patch: Patch, writer: Writer, validation: FieldValidation): Patched | Refusal {
  if (!isMapping(patch.value)) return badRequest('the body must be an object')
  const { apiVersion, kind: kindName } = patch.value
  if (!apiVersion || !kindName) return badRequest('error decoding patch: apiVersion and kind must be set')
  const decoded = decodeObject(kind, patch.value, validation)
  if (refused(decoded)) return decoded
  if (listAt(decoded.object, 'metadata', 'managedFields').length > 0) return badRequest('metadata.managedFields must be nil')
  const object = applyServerSide(live, decoded.object, writer, patch.force, kind.schema, (one) => withDefaults(kind, one))
  return refused(object) ? object : { object, warnings: decoded.warnings }
}
