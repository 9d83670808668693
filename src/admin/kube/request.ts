import { cause } from './causes.ts'
import { findKind, type Kind } from './kinds.ts'
import { badRequest, noSuchPath, optionsRefused, type Refusal } from './refusal.ts'

/** What a request is about: a kind, and what of it. */
export interface Target {
  readonly kind: Kind
  /** Undefined: all of them. Empty for kinds without one. */
  readonly namespace: string | undefined
  /** Undefined: the collection. */
  readonly name: string | undefined
  /** Empty, or `status`. */
  readonly subresource: '' | 'status'
}

/** The target of a path below a group and version; undefined: there is none. */
export function parseTarget(group: string, version: string, rest: readonly string[]): Target | Refusal {
  const [first, second, third, ...more] = rest
  if (first === 'namespaces' && second !== undefined && third !== undefined && third !== 'status') {
    return targetOf(group, version, third, second, more)
  }
  return first === undefined ? noSuchPath() : targetOf(group, version, first, undefined, rest.slice(1))
}

function targetOf(
  group: string,
  version: string,
  resource: string,
  namespace: string | undefined,
  rest: readonly string[],
): Target | Refusal {
  const kind = findKind(group, version, resource)
  const [name, subresource = '', ...more] = rest
  if (!kind || more.length > 0 || name === '') return noSuchPath()
  if (kind.namespaced ? namespace === undefined && name !== undefined : namespace !== undefined) return noSuchPath()
  if (subresource !== '' && !(subresource === 'status' && kind.hasStatus)) return noSuchPath()
  return { kind, namespace: kind.namespaced ? namespace : '', name, subresource }
}

/** As Go reads one: `kubectl` writes true, Python's client True. */
export function isTrue(text: string | null | undefined): boolean {
  return text !== null && text !== undefined && ['1', 't', 'T', 'true', 'TRUE', 'True', ''].includes(text)
}

/** What requests say beside their path, read once. */
export interface Options {
  readonly labelSelector: string | undefined
  readonly fieldSelector: string | undefined
  readonly limit: number
  readonly continueToken: string
  /** Undefined: not said. */
  readonly resourceVersion: number | undefined
  readonly resourceVersionMatch: string
  readonly watch: boolean
  readonly bookmarks: boolean
  readonly initialEvents: boolean
  readonly timeoutMs: number | undefined
  readonly dryRun: boolean
  readonly fieldManager: string
  readonly fieldValidation: 'Ignore' | 'Warn' | 'Strict'
  readonly force: boolean
  readonly includeObject: string
}

const LONGEST_MANAGER = 128
const LONGEST_TIMEOUT_S = 86_400

/** Reads them; `userAgent` names the writer who does not say who it is. */
export function parseOptions(query: URLSearchParams, userAgent: string): Options | Refusal {
  const text = (name: string) => query.get(name) ?? ''
  const resourceVersion = text('resourceVersion')
  if (!/^\d{0,16}$/.test(resourceVersion)) return badRequest(`invalid resource version: ${JSON.stringify(resourceVersion)}`)
  for (const name of ['limit', 'timeoutSeconds']) {
    if (!/^\d{0,15}$/.test(text(name))) return badRequest(`${name} must be a whole number, not ${JSON.stringify(text(name))}`)
  }
  const dryRun = query.getAll('dryRun')
  if (dryRun.some((value) => value !== 'All' && value !== ''))
    return optionsRefused(cause('FieldValueNotSupported', 'dryRun', dryRun, 'must be All'))
  const validation = text('fieldValidation') || 'Warn'
  if (validation !== 'Ignore' && validation !== 'Warn' && validation !== 'Strict') {
    return optionsRefused(cause('FieldValueNotSupported', 'fieldValidation', validation, 'must be Ignore, Strict or Warn'))
  }
  const fieldManager = text('fieldManager') || (userAgent.split('/', 1)[0] as string) || 'unknown'
  if (fieldManager.length > LONGEST_MANAGER)
    return optionsRefused(
      cause('FieldValueInvalid', 'fieldManager', fieldManager, `must have ${LONGEST_MANAGER} characters at most`),
    )
  const timeout = text('timeoutSeconds')
  return {
    labelSelector: query.get('labelSelector') ?? undefined,
    fieldSelector: query.get('fieldSelector') ?? undefined,
    limit: Number(text('limit')),
    continueToken: text('continue'),
    resourceVersion: resourceVersion === '' ? undefined : Number(resourceVersion),
    resourceVersionMatch: text('resourceVersionMatch'),
    watch: isTrue(query.get('watch')),
    bookmarks: isTrue(query.get('allowWatchBookmarks')),
    initialEvents: isTrue(query.get('sendInitialEvents')),
    timeoutMs: timeout === '' || timeout === '0' ? undefined : Math.min(Number(timeout), LONGEST_TIMEOUT_S) * 1000,
    dryRun: dryRun.includes('All'),
    fieldManager,
    fieldValidation: validation,
    force: isTrue(query.get('force')),
    includeObject: text('includeObject'),
  }
}
