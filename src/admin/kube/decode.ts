import { isMapping, showPath } from '../../model/findings.ts'
import type { Kind } from './kinds.ts'
import type { Mapping } from './outcome.ts'
import { badRequest, type Refusal } from './refusal.ts'
import type { Schema } from './schema.ts'

/** What to do with fields that nobody knows. */
export type FieldValidation = 'Ignore' | 'Warn' | 'Strict'

/** An object of a kind, with nothing in it that the kind does not have, and no null. */
export interface Decoded {
  readonly object: Mapping
  /** The unknown fields, as clients are told of them. */
  readonly warnings: readonly string[]
}

/** Checks that a value is an object of the kind as far as types go; what the values say is not looked at. */
export function decodeObject(kind: Kind, value: unknown, validation: FieldValidation): Decoded | Refusal {
  if (!isMapping(value)) return cannot(kind, 'the body must be an object')
  const { apiVersion = kind.apiVersion, kind: kindName = kind.kind } = value
  if (apiVersion !== kind.apiVersion) {
    return badRequest(
      `the API version in the data (${String(apiVersion)}) does not match the expected API version (${kind.apiVersion})`,
    )
  }
  if (kindName !== kind.kind)
    return cannot(kind, `converting (${String(apiVersion)}.${String(kindName)}) to it: unknown conversion`)
  const unknown: string[] = []
  const known = takeKnown(value, kind.schema, [], unknown) as Mapping
  const fields = unknown.map((path) => `unknown field "${path}"`)
  if (fields.length > 0 && validation === 'Strict') {
    return badRequest(
      `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: strict decoding error: ${fields.join(', ')}`,
    )
  }
  const { kind: _kind, apiVersion: _apiVersion, ...rest } = known
  const object = { apiVersion: kind.apiVersion, kind: kind.kind, ...rest }
  const result = kind.shape.safeParse(object)
  if (!result.success) {
    const [issue] = result.error.issues
    return cannot(kind, issue ? `${showPath(issue.path as (string | number)[])}: ${issue.message}` : 'it is of another form')
  }
  return { object, warnings: validation === 'Ignore' ? [] : fields }
}

function cannot(kind: Kind, why: string): Refusal {
  return badRequest(`${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: ${why}`)
}

/** How many unknown fields are told of. */
const MOST_TOLD = 100

/** Without nulls, which mean the same as nothing, and without unknown fields. */
function takeKnown(value: unknown, schema: Schema | undefined, path: readonly (string | number)[], unknown: string[]): unknown {
  if (schema?.['x-kubernetes-preserve-unknown-fields']) return value
  if (Array.isArray(value)) return value.map((item, n) => takeKnown(item, schema?.items, [...path, n], unknown))
  if (!isMapping(value)) return value
  const properties = schema?.properties
  const entries = Object.entries(value).flatMap(([key, item]) => {
    const field = properties && Object.hasOwn(properties, key) ? properties[key] : schema?.additionalProperties
    if (properties && !field) {
      if (unknown.length < MOST_TOLD) unknown.push(showPath([...path, key]))
      return []
    }
    return item === null ? [] : [[key, takeKnown(item, field, [...path, key], unknown)] as const]
  })
  return Object.fromEntries(entries)
}
