import type { Change, ObjectStore, StoredObject } from '../../store/store.ts'
import { type KubeContext, keyOf, storeKind } from './context.ts'
import { refused } from './outcome.ts'
import { badRequest, expired, notFound, type Refusal, tooNew } from './refusal.ts'
import type { Renderer } from './render.ts'
import type { Options, Target } from './request.ts'
import { parseSelectors } from './selectors.ts'

/** One object. */
export function getObject({ store }: KubeContext, target: Target): StoredObject | Refusal {
  const { kind, namespace = '', name = '' } = target
  return store.get(keyOf(kind, namespace, name)) ?? notFound(kind, name)
}

/** Where a list goes on: what `continue` carries. */
interface Mark {
  /** Of the first page: all pages show that moment. */
  readonly version: number
  readonly after: string
}

/** A page of a collection. */
export function listObjects(context: KubeContext, target: Target, options: Options, renderer: Renderer): object | Refusal {
  const { store } = context
  const selector = parseSelectors(options.labelSelector, options.fieldSelector, target.kind.resource)
  if (refused(selector)) return selector
  const mark = options.continueToken === '' ? undefined : readMark(options.continueToken)
  if (options.continueToken !== '' && !mark) return badRequest('continue key is not valid')
  const exact = options.resourceVersionMatch === 'Exact' ? options.resourceVersion : undefined
  const version = mark?.version ?? exact ?? store.resourceVersion
  const asked = options.resourceVersion ?? 0
  if (asked > store.resourceVersion) return tooNew(asked, store.resourceVersion)
  const all = objectsAt(store, target, version)
  if (!all) {
    return expired('The provided continue parameter is too old to display a consistent list result. Start a new list without it.')
  }
  const matching = all.filter(({ value }) => selector(value))
  const rest = mark ? matching.filter((object) => placeOf(object) > mark.after) : matching
  // As upstream: a list that may be of any moment comes in one piece.
  const limit = options.limit > 0 && !(options.resourceVersion === 0 && !mark) ? options.limit : rest.length
  const page = rest.slice(0, limit)
  const left = rest.length - page.length
  const last = page.at(-1)
  const more = left > 0 && last ? { continue: writeMark({ version, after: placeOf(last) }), remainingItemCount: left } : {}
  return renderer.list(page, { resourceVersion: String(version), ...more })
}

/** The objects as they were at a resourceVersion, in order; undefined: nobody remembers. */
function objectsAt(store: ObjectStore, { kind, namespace }: Target, version: number): readonly StoredObject[] | undefined {
  const now = store.list(storeKind(kind), kind.namespaced ? namespace : undefined)
  if (version === store.resourceVersion) return now
  const since: Change[] = []
  const following = store.follow(version, (changes) => void since.push(...changes))
  if (typeof following === 'string') return undefined
  following[Symbol.dispose]()
  const objects = new Map(now.map((object) => [placeOf(object), object]))
  for (const { object, before, type } of since.reverse()) {
    if (object.key.kind !== storeKind(kind)) continue
    if (namespace !== undefined && kind.namespaced && object.key.namespace !== namespace) continue
    // What it was before this process began is not known for sure.
    if (before && before.resourceVersion >= object.resourceVersion) return undefined
    if (type === 'added') objects.delete(placeOf(object))
    else if (before) objects.set(placeOf(object), before)
  }
  return [...objects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object)
}

/** Names have no zero byte, so that this sorts as namespace and name do. */
function placeOf({ key: { namespace, name } }: StoredObject): string {
  return `${namespace}\u0000${name}`
}

function writeMark(mark: Mark): string {
  return Buffer.from(JSON.stringify([mark.version, mark.after])).toString('base64url')
}

function readMark(token: string): Mark | undefined {
  try {
    const [version, after] = JSON.parse(Buffer.from(token, 'base64url').toString()) as unknown[]
    return Number.isSafeInteger(version) && typeof after === 'string' ? { version: version as number, after } : undefined
  } catch {
    return undefined
  }
}
