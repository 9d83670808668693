import { isMapping } from '../../model/findings.ts'
import { refused } from './outcome.ts'
import { badRequest, patchRefused, Refusal } from './refusal.ts'
import { isEqual, withKey } from './values.ts'

const MOST_OPERATIONS = 10_000
/** Copies of copies grow like nothing else does. */
const MOST_COPIED_CHARS = 3 * 1024 * 1024

interface Operation {
  readonly op: string
  readonly path: string
  readonly from?: string
  readonly value?: unknown
}

/** A document wrapped, for undefined is no JSON and a refusal no document. */
type Patched = { readonly value: unknown } | Refusal

/** JSON Patch (RFC 6902): all operations, or none and why. */
export function applyJsonPatch(document: unknown, patch: unknown): Patched {
  if (!Array.isArray(patch)) return badRequest('a JSON patch must be a list of operations')
  if (patch.length > MOST_OPERATIONS) {
    return new Refusal(413, 'RequestEntityTooLarge', `a JSON patch may have ${MOST_OPERATIONS} operations, not ${patch.length}`)
  }
  let patched: Patched = { value: document }
  let copied = 0
  for (const operation of patch) {
    if (!isOperation(operation)) return badRequest(`not an operation of a JSON patch: ${JSON.stringify(operation).slice(0, 200)}`)
    if (operation.op === 'copy') copied += sizeAt(patched.value, operation.from)
    if (copied > MOST_COPIED_CHARS) return patchRefused(`copy operations may copy ${MOST_COPIED_CHARS} characters at most`)
    patched = applyOne(patched.value, operation)
    if (refused(patched)) return patched
  }
  return patched
}

function sizeAt(document: unknown, from: unknown): number {
  const path = typeof from === 'string' ? parsePointer(from) : undefined
  const found = path && find(document, path)
  return found ? (JSON.stringify(found.value)?.length ?? 0) : 0
}

function isOperation(value: unknown): value is Operation {
  return isMapping(value) && typeof value['op'] === 'string' && typeof value['path'] === 'string'
}

function applyOne(document: unknown, operation: Operation): Patched {
  const { op } = operation
  const path = parsePointer(operation.path)
  if (path === undefined) return patchRefused(`${op} operation: path "${operation.path}" is no JSON pointer`)
  const missing = (text: string) => patchRefused(`${op} operation does not apply: doc is missing path: "${text}"`)
  if (op === 'add' || op === 'replace' || op === 'test') {
    if (!Object.hasOwn(operation, 'value')) return patchRefused(`${op} operation needs a value`)
    const { value } = operation
    if (op === 'test') {
      const found = find(document, path)
      return found && isEqual(found.value, value) ? { value: document } : patchRefused(`testing value ${operation.path} failed`)
    }
    if (op === 'replace' && !find(document, path)) return missing(operation.path)
    return put(document, path, value, op === 'add') ?? missing(operation.path)
  }
  if (op === 'remove') return take(document, path) ?? missing(operation.path)
  if (op !== 'move' && op !== 'copy') return patchRefused(`Unexpected kind: ${op}`)
  const from = typeof operation.from === 'string' ? parsePointer(operation.from) : undefined
  const found = from && find(document, from)
  if (!from || !found) return missing(String(operation.from))
  if (op === 'copy') return put(document, path, found.value, true) ?? missing(operation.path)
  if (from.length < path.length && from.every((step, n) => step === path[n])) {
    return patchRefused(`move operation: ${operation.from} cannot go into itself`)
  }
  const without = take(document, from)
  return (without && put(without.value, path, found.value, true)) ?? missing(operation.path)
}

/** RFC 6901. */
function parsePointer(text: string): readonly string[] | undefined {
  if (text === '') return []
  if (!text.startsWith('/') || /~(?![01])/.test(text)) return undefined
  return text
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function indexOf(step: string, length: number): number | undefined {
  if (!/^(?:0|[1-9]\d{0,8})$/.test(step)) return undefined
  const index = Number(step)
  return index < length ? index : undefined
}

type Found = { readonly value: unknown }

function child(value: unknown, step: string): Found | undefined {
  if (Array.isArray(value)) {
    const index = indexOf(step, value.length)
    return index === undefined ? undefined : { value: value[index] }
  }
  return isMapping(value) && Object.hasOwn(value, step) ? { value: value[step] } : undefined
}

function find(document: unknown, path: readonly string[]): Found | undefined {
  let found: Found | undefined = { value: document }
  for (const step of path) found = found && child(found.value, step)
  return found
}

/** Changes what lies at the end of a path; undefined where the way there does not exist. */
function edit(
  document: unknown,
  path: readonly string[],
  change: (parent: unknown, step: string) => Found | undefined,
): Found | undefined {
  const [step, ...rest] = path
  if (step === undefined) return undefined
  if (rest.length === 0) return change(document, step)
  const inner = child(document, step)
  const changed = inner && edit(inner.value, rest, change)
  if (!changed) return undefined
  if (Array.isArray(document)) return { value: document.with(Number(step), changed.value) }
  return isMapping(document) ? { value: withKey(document, step, changed.value) } : undefined
}

function put(document: unknown, path: readonly string[], value: unknown, insert: boolean): Found | undefined {
  if (path.length === 0) return { value }
  return edit(document, path, (parent, step) => {
    if (isMapping(parent)) return { value: withKey(parent, step, value) }
    if (!Array.isArray(parent)) return undefined
    if (insert && step === '-') return { value: [...parent, value] }
    const index = indexOf(step, parent.length + (insert ? 1 : 0))
    if (index === undefined) return undefined
    return { value: insert ? parent.toSpliced(index, 0, value) : parent.with(index, value) }
  })
}

function take(document: unknown, path: readonly string[]): Found | undefined {
  return edit(document, path, (parent, step) => {
    if (!child(parent, step)) return undefined
    if (Array.isArray(parent)) return { value: parent.toSpliced(Number(step), 1) }
    return isMapping(parent) ? { value: withKey(parent, step, undefined) } : undefined
  })
}
