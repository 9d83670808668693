import { type Backoff, createBackoff } from '../../lib/backoff.ts'
import type { Random } from '../../lib/random.ts'
import { type ApiItem, isMapping, isOlder, itemOf, keyOf, metadataOf, resourceVersionOf } from './api-item.ts'
import type { ApiKind, WatchedKind } from './api-kinds.ts'
import { broken, type Failure, failureOfStatus } from './failure.ts'

/** A request for one kind. */
export interface ApiRequest {
  readonly form: ApiKind
  readonly query: Readonly<Record<string, string>>
  /** Ask with credentials that were read anew. */
  readonly renew: boolean
}

/** What to do next. */
export type Command =
  | { readonly do: 'wait'; readonly delayMs: number }
  /** Ends in `listed` or `failed`. */
  | { readonly do: 'list'; readonly request: ApiRequest }
  /** Begins with `opened` and ends with `ended` or `failed`, unless an event asks to stop. */
  | { readonly do: 'watch'; readonly request: ApiRequest; readonly longestMs: number }

/** What is wrong now, for whoever reads the log. */
export interface Trouble {
  readonly failure: Failure
  readonly form: ApiKind
  /** Failures in a row. */
  readonly count: number
}

const PAGE = '500'
/** How long the server lets a watch run; at random, so that many watches do not end together. */
const WATCH_SECONDS = { least: 240, spread: 61 }
/** How much longer a server may take to end it. */
const GRACE_MS = 15_000
/** A server that sends bookmarks does it every minute. */
const BOOKMARK_SILENCE_MS = 90_000
/** A server that knows watch-list begins at once. */
const INITIAL_SILENCE_MS = 30_000
const BACKOFF = { firstMs: 100, longestMs: 30_000 }
/** No server is trusted to send us away for longer. */
const LONGEST_RETRY_AFTER_MS = 300_000
/** A watch that lasted so long was a good one, whether or not anything happened. */
const GOOD_WATCH_MS = 30_000
/** How often a silent server is asked whether it is still where it was. */
const CHECK_MS = { least: 600_000, spread: 1_200_000 }
const INITIAL_END = 'k8s.io/initial-events-end'

/** Follows all objects of one kind: lists them, watches what changes, and lists again when the server has forgotten what
 *  changed. No I/O: it is told what came and says what to ask next. What it knows never shrinks because of a failure.
 *  Rules: Kubernetes API concepts, "Efficient detection of changes". */
export class Reflector {
  readonly kind: WatchedKind
  readonly #random: Random
  readonly #backoff: Backoff
  #phase: 'list' | 'check' | 'watch' = 'list'
  #form = 0
  /** Whether the server had this form when it was last asked. */
  #served = false
  #items: Map<string, ApiItem> = new Map()
  /** Of a list that is not whole yet. */
  #pending: Map<string, ApiItem> | undefined
  #dirty = new Set<string>()
  #resourceVersion = ''
  #continue = ''
  #delayMs = 0
  #synced = false
  #paged = true
  #watchLists = true
  /** Whether the watch still sends what there is, not what changes. */
  #initial = false
  #bookmarks = false
  #watchSinceMs = 0
  #watchLongestMs = 0
  #checkAtMs = 0
  #renew = false
  /** Whether the last failures were of the sort that is tried again at once, once. */
  #renewed = false
  #expired = false
  #trouble: Trouble | undefined
  #rewinds = 0

  constructor(kind: WatchedKind, random: Random) {
    this.kind = kind
    this.#random = random
    this.#backoff = createBackoff({ ...BACKOFF, random })
  }

  /** Whether all objects were read once. */
  get synced(): boolean {
    return this.#synced
  }

  get items(): ReadonlyMap<string, ApiItem> {
    return this.#items
  }

  /** The form of the kind that the server has, as far as known. */
  get form(): ApiKind {
    return this.kind.forms[this.#form] as ApiKind
  }

  get trouble(): Trouble | undefined {
    return this.#trouble
  }

  /** How many times the server was found before where it had been: restored from a backup, or another one. */
  get rewinds(): number {
    return this.#rewinds
  }

  /** The keys of all items that came, changed or left since the last call. */
  takeDirty(): ReadonlySet<string> {
    const dirty = this.#dirty
    this.#dirty = new Set()
    return dirty
  }

  /** How much silence a running watch may bring. */
  get idleMs(): number {
    if (this.#initial) return INITIAL_SILENCE_MS
    return this.#bookmarks ? BOOKMARK_SILENCE_MS : this.#watchLongestMs
  }

  next(nowMs: number): Command {
    if (this.#delayMs > 0) {
      const delayMs = this.#delayMs
      this.#delayMs = 0
      return { do: 'wait', delayMs }
    }
    if (this.#phase === 'watch' && nowMs >= this.#checkAtMs) this.#phase = 'check'
    if (this.#phase === 'check') return { do: 'list', request: this.#request({ limit: '1' }) }
    if (this.#phase === 'list' && !this.#watchLists) {
      const page = { ...(this.#paged ? { limit: PAGE } : {}), ...(this.#continue ? { continue: this.#continue } : {}) }
      return { do: 'list', request: this.#request(page) }
    }
    const seconds = WATCH_SECONDS.least + this.#random.below(WATCH_SECONDS.spread)
    this.#watchSinceMs = nowMs
    this.#watchLongestMs = seconds * 1000 + GRACE_MS
    this.#initial = this.#phase === 'list'
    if (this.#initial) this.#pending = new Map()
    const from: Readonly<Record<string, string>> = this.#initial
      ? { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' }
      : { resourceVersion: this.#resourceVersion }
    const query = { watch: 'true', allowWatchBookmarks: 'true', timeoutSeconds: String(seconds), ...from }
    return { do: 'watch', request: this.#request(query), longestMs: this.#watchLongestMs }
  }

  /** Begins again with a list, at once; what is known stays until that is whole. */
  restart(): void {
    this.#phase = 'list'
    this.#form = 0
    this.#delayMs = 0
    this.#pending = undefined
    this.#continue = ''
    this.#initial = false
  }

  /** A list, or a page of one, has come. */
  listed(body: unknown, nowMs: number): void {
    const resourceVersion = resourceVersionOf(body)
    const { kind } = this.form
    if (!isMapping(body) || body['kind'] !== `${kind}List` || resourceVersion === '') {
      this.failed(broken(`the answer is no ${kind}List`), nowMs)
      return
    }
    if (this.#phase === 'check') {
      this.#checkLater(nowMs)
      this.#succeed()
      if (!isOlder(resourceVersion, this.#resourceVersion)) this.#phase = 'watch'
      else this.#rewind()
      return
    }
    const pending = this.#pending ?? new Map<string, ApiItem>()
    this.#pending = pending
    const items = body['items'] ?? []
    for (const object of Array.isArray(items) ? items : [undefined]) {
      const item = itemOf(object, this.form)
      if (!item) {
        this.failed(broken(`an item of the ${kind}List has no name`), nowMs)
        return
      }
      pending.set(item.key, item)
    }
    const more = metadataOf(body)?.['continue']
    this.#continue = typeof more === 'string' ? more : ''
    if (this.#continue === '') this.#replace(pending, resourceVersion, nowMs)
  }

  /** A watch was accepted. */
  opened(): void {
    if (!this.#initial) this.#succeed()
  }

  /** An event of a watch has come; false: the watch is of no more use. */
  observed(event: unknown, nowMs: number): boolean {
    const { type, object } = isMapping(event) ? event : {}
    if (type === 'ERROR') {
      this.failed(failureOfStatus(object), nowMs)
      return false
    }
    const resourceVersion = resourceVersionOf(object)
    if (resourceVersion === '') return this.#stop(broken('an event has no resourceVersion'), nowMs)
    if (type === 'BOOKMARK') {
      this.#bookmarks = true
      const annotations = metadataOf(object)?.['annotations']
      if (!this.#initial) this.#resourceVersion = resourceVersion
      else if (isMapping(annotations) && annotations[INITIAL_END] === 'true') {
        this.#replace(this.#pending ?? new Map(), resourceVersion, nowMs)
      }
    } else if (type === 'DELETED') {
      const key = keyOf(object, this.form)
      if (key === undefined) return this.#stop(broken('an event names no object'), nowMs)
      this.#change(key, undefined)
      if (!isOlder(resourceVersion, this.#resourceVersion)) this.#resourceVersion = resourceVersion
    } else if (type === 'ADDED' || type === 'MODIFIED') {
      const item = itemOf(object, this.form)
      if (!item) return this.#stop(broken('an event names no object'), nowMs)
      if (!this.#initial && isOlder(resourceVersion, this.#resourceVersion)) {
        this.#rewind()
        this.#delayMs = this.#backoff.next()
        return false
      }
      this.#change(item.key, item)
      if (!this.#initial) this.#resourceVersion = resourceVersion
    } else {
      return this.#stop(broken('an event has an unknown type'), nowMs)
    }
    if (!this.#initial) {
      this.#backoff.reset()
      this.#expired = false
    }
    return true
  }

  /** A watch came to its end in good order. */
  ended(nowMs: number): void {
    if (this.#initial) this.failed(broken('the list ended before it was whole'), nowMs)
    else if (nowMs - this.#watchSinceMs >= GOOD_WATCH_MS) this.#backoff.reset()
    else this.#delayMs = this.#backoff.next()
  }

  /** A request failed, or a watch was cut. */
  failed(failure: Failure, nowMs: number): void {
    const { status } = failure
    const initial = this.#initial
    const paging = this.#continue !== ''
    this.#initial = false
    this.#pending = undefined
    this.#continue = ''
    if (initial && (status === 400 || status === 422 || failure.silent)) {
      this.#watchLists = false
      return
    }
    if (status === 410) {
      if (paging && this.#expired) this.#paged = false
      this.#phase = 'list'
      if (!this.#expired) {
        this.#expired = true
        return
      }
    } else if (status === 401) {
      this.#renew = true
      if (!this.#renewed) {
        this.#renewed = true
        return
      }
    } else if (status === 404) {
      this.#phase = 'list'
      // A form that was there and is not any more has a better one in its place.
      this.#form = this.#served ? 0 : (this.#form + 1) % this.kind.forms.length
      const tried = !this.#served && this.#form === 0
      this.#served = false
      if (!tried) return
    } else if (this.#phase === 'watch') {
      this.#phase = afterWatch(status)
      if (nowMs - this.#watchSinceMs >= GOOD_WATCH_MS) this.#backoff.reset()
    }
    this.#delayMs = Math.max(this.#backoff.next(), Math.min(failure.retryAfterMs, LONGEST_RETRY_AFTER_MS))
    this.#trouble = { failure, form: this.form, count: (this.#trouble?.count ?? 0) + 1 }
  }

  #request(query: Readonly<Record<string, string>>): ApiRequest {
    const renew = this.#renew
    this.#renew = false
    return { form: this.form, query: { ...this.kind.selectors, ...query }, renew }
  }

  #stop(failure: Failure, nowMs: number): false {
    this.failed(failure, nowMs)
    this.#phase = 'list'
    return false
  }

  #succeed(): void {
    this.#renewed = false
    this.#trouble = undefined
  }

  #rewind(): void {
    this.#rewinds++
    this.#phase = 'list'
  }

  #checkLater(nowMs: number): void {
    this.#checkAtMs = nowMs + CHECK_MS.least + this.#random.below(CHECK_MS.spread)
  }

  /** One item came, changed or left, in the list that is being read or in what is known. */
  #change(key: string, item: ApiItem | undefined): void {
    const items = this.#initial && this.#pending ? this.#pending : this.#items
    if (items === this.#items && items.get(key)?.digest !== item?.digest) this.#dirty.add(key)
    if (item) items.set(key, item)
    else items.delete(key)
  }

  /** A list is whole: it takes the place of everything, in one step. */
  #replace(items: Map<string, ApiItem>, resourceVersion: string, nowMs: number): void {
    for (const [key, { digest }] of items) if (this.#items.get(key)?.digest !== digest) this.#dirty.add(key)
    for (const key of this.#items.keys()) if (!items.has(key)) this.#dirty.add(key)
    this.#items = items
    this.#pending = undefined
    this.#initial = false
    this.#phase = 'watch'
    this.#resourceVersion = resourceVersion
    this.#synced = true
    this.#served = true
    this.#succeed()
    this.#checkLater(nowMs)
  }
}

/** How to go on where a watch failed. Whoever answers next may be another server, or the same one restored from a backup,
 *  and one that is behind is silent about it: so it is asked first, but where it has said itself what is wrong. */
function afterWatch(status: number | undefined): 'list' | 'check' | 'watch' {
  if (status === 403 || status === 429) return 'watch'
  return status !== undefined && status >= 400 && status < 500 ? 'list' : 'check'
}
