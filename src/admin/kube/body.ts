import { messageOf } from '../../lib/errors.ts'
import { DEEPEST_NESTING, isTextError } from '../../source/parsed-text.ts'
import { parseYaml } from '../../source/yaml-text.ts'
import { readProtobufObject } from './protobuf-objects.ts'
import { badRequest, type Refusal, unsupportedMediaType } from './refusal.ts'

const JSON_TYPE = 'application/json'
const YAML_TYPE = 'application/yaml'
const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf'

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply'

const PATCH_TYPES: Readonly<Record<string, PatchType>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
}

const plainType = (contentType: string | undefined) => (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''

/** An object as JSON or YAML; without a word about it, JSON. Of a few kinds as protobuf, too. */
export function readObjectBody(contentType: string | undefined, bytes: Uint8Array): { readonly value: unknown } | Refusal {
  const type = plainType(contentType)
  if (type === PROTOBUF_TYPE) return readProtobuf(bytes)
  if (type !== '' && type !== JSON_TYPE && type !== YAML_TYPE) return unsupportedMediaType([JSON_TYPE, YAML_TYPE])
  return type === YAML_TYPE ? readYaml(bytes) : readJson(bytes)
}

function readProtobuf(bytes: Uint8Array): { readonly value: unknown } | Refusal {
  const object = readProtobufObject(bytes)
  if (object === 'unknown') return unsupportedMediaType([JSON_TYPE, YAML_TYPE])
  return object ?? badRequest('the body is not valid protobuf')
}

/** A patch and which of the four it is. */
export function readPatchBody(
  contentType: string | undefined,
  bytes: Uint8Array,
): { readonly type: PatchType; readonly value: unknown } | Refusal {
  const type = PATCH_TYPES[plainType(contentType)]
  if (type === undefined) return unsupportedMediaType(Object.keys(PATCH_TYPES))
  const body = type === 'apply' ? readYaml(bytes) : readJson(bytes)
  return 'value' in body ? { type, value: body.value } : body
}

function readJson(bytes: Uint8Array): { readonly value: unknown } | Refusal {
  try {
    const value = JSON.parse(textOf(bytes)) as unknown
    return isTooDeep(value) ? badRequest(`the body nests deeper than ${DEEPEST_NESTING} levels`) : { value }
  } catch (error) {
    return badRequest(`the body is not valid JSON: ${messageOf(error)}`)
  }
}

/** JSON is YAML, and read faster. */
function readYaml(bytes: Uint8Array): { readonly value: unknown } | Refusal {
  const text = textOf(bytes)
  if (text.trimStart().startsWith('{')) {
    const json = readJson(bytes)
    if ('value' in json) return json
  }
  const parsed = parseYaml(text)
  if (isTextError(parsed)) return badRequest(`the body is not valid YAML: line ${parsed.line}: ${parsed.message}`)
  const [root, ...more] = parsed.roots
  if (!root || more.length > 0) return badRequest('the body must be one YAML document')
  return { value: root.value }
}

/** Walks over values rely on their own stack. */
function isTooDeep(value: unknown): boolean {
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST_NESTING) return true
    level = level.flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : []))
  }
  return false
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}
