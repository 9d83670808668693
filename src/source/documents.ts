import type { Problem } from '../model/problem.ts'
import { fileProblem } from './file-problem.ts'
import { parseJson } from './json-text.ts'
import { isTextError, type ParsedText, type TextError } from './parsed-text.ts'
import { parseYaml } from './yaml-text.ts'

/** One Kubernetes object of a file. */
export interface FoundObject {
  readonly value: object
  readonly line: number
  /** See `Origin.lines`; the object itself is the first. */
  readonly lines: Uint32Array | undefined
}

/** The objects of a whole file, or the one thing that makes it unusable. */
export type Documents = { readonly objects: readonly FoundObject[] } | { readonly problem: Problem }

/** Lists whose items are taken one by one, with what an item that does not say so is. */
const LISTS: ReadonlyMap<string, string | undefined> = new Map([
  ['List', undefined],
  ['ServiceList', 'Service'],
  ['EndpointSliceList', 'EndpointSlice'],
  ['EndpointsList', 'Endpoints'],
])

/** Splits the text of a file into objects, lists taken apart. Only what Kubernetes' own tools demand is checked: that every
 *  document says what it is. JSON is told by the name, or by how the text begins. Never throws. */
export function parseDocuments(text: string, place: string): Documents {
  const nul = text.indexOf('\0')
  if (nul >= 0) {
    const message = `not a text file: a zero byte at character ${nul + 1}; write the objects as YAML or JSON in UTF-8`
    return { problem: fileProblem('error', 'file-binary', place, message) }
  }
  const plain = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
  const parsed = parseText(plain, place.endsWith('.json'))
  if (isTextError(parsed)) return { problem: problemAt(place, parsed) }

  const objects: FoundObject[] = []
  for (const root of parsed.roots) {
    if (root.value === null || root.value === undefined) continue
    const wrong = collect(root.value, root.line, undefined, parsed, objects)
    if (wrong) return { problem: problemAt(place, wrong) }
  }
  return { objects }
}

function parseText(text: string, mustBeJson: boolean): ParsedText | TextError {
  if (mustBeJson) return parseJson(text)
  if (!/^\s*[{[]/.test(text)) return parseYaml(text)
  const json = parseJson(text)
  return isTextError(json) && json.code === 'json-syntax' ? parseYaml(text) : json
}

interface Kind {
  readonly apiVersion: string
  readonly kind: string
}

function collect(
  value: unknown,
  near: number,
  preset: Kind | undefined,
  text: ParsedText,
  into: FoundObject[],
): TextError | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { code: 'not-an-object', line: near, column: 0, message: 'an object was expected here: apiVersion, kind, metadata, …' }
  }
  const line = text.lineOf(value) ?? near
  const { apiVersion = preset?.apiVersion, kind = preset?.kind, items } = value as Record<string, unknown>
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || apiVersion === '' || kind === '') {
    const message = 'every object needs apiVersion and kind, such as "apiVersion: v1" and "kind: Service"'
    return { code: 'no-kind', line, column: 0, message }
  }
  if (!LISTS.has(kind)) {
    const whole = 'apiVersion' in value && 'kind' in value ? value : { apiVersion, kind, ...value }
    into.push({ value: whole, line, lines: text.linesOf(value) })
    return undefined
  }
  if (items === undefined || items === null) return undefined
  if (!Array.isArray(items)) return { code: 'not-a-list', line, column: 0, message: `items of a ${kind} must be a sequence` }
  const itemKind = LISTS.get(kind)
  for (const item of items) {
    const wrong = collect(item, text.lineOf(items) ?? line, itemKind ? { apiVersion, kind: itemKind } : undefined, text, into)
    if (wrong) return wrong
  }
  return undefined
}

function problemAt(place: string, error: TextError): Problem {
  const where = [place, error.line, error.column].filter((part) => part !== 0).join(':')
  return fileProblem('error', error.code, where, error.message)
}
