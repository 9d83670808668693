import type { Timer } from '../../lib/clock.ts'
import type { Change, StoredObject } from '../../store/store.ts'
import { type KubeContext, storeKind } from './context.ts'
import { expired, type Refusal } from './refusal.ts'
import type { Renderer } from './render.ts'
import type { Options, Target } from './request.ts'
import type { Selector } from './selectors.ts'

/** Where a watch is written to. */
export interface WatchStream {
  /** False: it has ended. */
  write(text: string): boolean
  end(): void
  readonly signal: AbortSignal
}

const BOOKMARK_EVERY_MS = 60_000
/** A watch without a time of its own ends after this, and up to twice as long: clients are not to come back all at once. */
const SHORTEST_WATCH_MS = 1_800_000
const INITIAL_END = { 'k8s.io/initial-events-end': 'true' }

type EventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'

/** Tells a client of every change in a collection, from a resourceVersion on, until it or its time ends. */
export function watchObjects(
  context: KubeContext,
  target: Target,
  options: Options,
  selector: Selector,
  renderer: Renderer,
  stream: WatchStream,
): void {
  const { store, clock, random } = context
  const { kind } = target
  let first = true
  const say = (type: EventType, object: object) => stream.write(`${JSON.stringify({ type, object })}\n`)
  const tell = (type: EventType, object: StoredObject) => {
    const alive = say(type, renderer.event(object, first))
    first = false
    return alive
  }
  const bookmark = (annotations?: object) => {
    const metadata = {
      resourceVersion: String(store.resourceVersion),
      creationTimestamp: null,
      ...(annotations && { annotations }),
    }
    return say('BOOKMARK', { kind: kind.kind, apiVersion: kind.apiVersion, metadata })
  }
  const giveUp = (refusal: Refusal): void => {
    say('ERROR', refusal.status())
    stream.end()
  }
  const isHere = ({ key }: StoredObject) =>
    key.kind === storeKind(kind) && (!kind.namespaced || target.namespace === undefined || key.namespace === target.namespace)
  const onChanges = (changes: readonly Change[]) => {
    for (const change of changes) {
      if (!isHere(change.object)) continue
      const type = eventOf(change, selector)
      if (type !== undefined && !tell(type, change.object)) return
    }
  }

  const { resourceVersion: asked = 0 } = options
  const from = asked === 0 || options.initialEvents ? store.resourceVersion : asked
  if (asked > store.resourceVersion) {
    giveUp(expired(`too large resource version: ${asked} (${store.resourceVersion})`))
    return
  }
  if (asked === 0 || options.initialEvents) {
    const all = store.list(storeKind(kind), kind.namespaced ? target.namespace : undefined)
    for (const object of all) if (selector(object.value) && !tell('ADDED', object)) return
    if (options.initialEvents && options.bookmarks) bookmark(INITIAL_END)
  }
  const following = store.follow(from, onChanges)
  if (typeof following === 'string') {
    giveUp(expired(`too old resource version: ${from} (${store.oldestVersion})`))
    return
  }

  const timers = new Set<Timer>()
  const later = (delayMs: number, run: () => void) => timers.add(clock.after(delayMs, run))
  const repeat = () => {
    if (bookmark()) later(BOOKMARK_EVERY_MS, repeat)
  }
  if (options.bookmarks) later(BOOKMARK_EVERY_MS, repeat)
  later(options.timeoutMs ?? SHORTEST_WATCH_MS + random.below(SHORTEST_WATCH_MS), () => {
    if (options.bookmarks) bookmark()
    stream.end()
  })
  const stop = () => {
    following[Symbol.dispose]()
    for (const timer of timers) timer[Symbol.dispose]()
  }
  if (stream.signal.aborted) stop()
  else stream.signal.addEventListener('abort', stop, { once: true })
}

/** What a change is to somebody who sees only part of the objects; undefined: nothing. */
function eventOf({ type, object, before }: Change, selector: Selector): EventType | undefined {
  const was = before !== undefined && selector(before.value)
  const is = type !== 'deleted' && selector(object.value)
  if (is) return was ? 'MODIFIED' : 'ADDED'
  return was ? 'DELETED' : undefined
}
