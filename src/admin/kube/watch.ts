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
  /** Resolves in another turn, when there is room for more, or when it has ended. */
  room(): Promise<void>
  end(): void
  readonly signal: AbortSignal
}

const BOOKMARK_EVERY_MS = 60_000
/** A watch without a time of its own ends after this, and up to twice as long: clients are not to come back all at once. */
const SHORTEST_WATCH_MS = 1_800_000
/** What is said in one turn; more would keep others waiting, and is more than may wait for one client. */
const MOST_EVENTS = 100
const MOST_CHARS = 64 * 1024
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
  let chars = 0
  let events = 0
  const say = (type: EventType, object: object) => {
    const text = `${JSON.stringify({ type, object })}\n`
    chars += text.length
    events++
    return stream.write(text)
  }
  const tell = (type: EventType, object: StoredObject) => {
    const alive = say(type, renderer.event(object, first))
    first = false
    return alive
  }
  const tellChange = (change: Change) => {
    const type = isHere(change.object) ? eventOf(change, selector) : undefined
    return type === undefined || tell(type, change.object)
  }
  /** Says each of many things, and lets others have their turns in between; false: the stream has ended. */
  async function inTurns<T>(things: readonly T[], sayOne: (thing: T) => boolean): Promise<boolean> {
    for (const thing of things) {
      if (events >= MOST_EVENTS || chars >= MOST_CHARS) {
        await stream.room()
        events = 0
        chars = 0
      }
      if (stream.signal.aborted || !sayOne(thing)) return false
    }
    return true
  }
  const bookmark = (version: number, annotations?: object) => {
    const metadata = { resourceVersion: String(version), creationTimestamp: null, ...(annotations && { annotations }) }
    return say('BOOKMARK', { kind: kind.kind, apiVersion: kind.apiVersion, metadata })
  }
  const giveUp = (refusal: Refusal): void => {
    say('ERROR', refusal.status())
    stream.end()
  }
  const isHere = ({ key }: StoredObject) =>
    key.kind === storeKind(kind) && (!kind.namespaced || target.namespace === undefined || key.namespace === target.namespace)

  const { resourceVersion: asked = 0 } = options
  if (asked > store.resourceVersion) {
    giveUp(expired(`too large resource version: ${asked} (${store.resourceVersion})`))
    return
  }
  const whole = asked === 0 || options.initialEvents
  /** Everything up to here was said. */
  let told = whole ? store.resourceVersion : asked
  /** While there is one, everything is said as it happens. */
  let following: Disposable | undefined

  async function begin(): Promise<void> {
    if (whole) {
      const all = store.list(storeKind(kind), kind.namespaced ? target.namespace : undefined)
      const wanted = all.filter(({ value }) => selector(value))
      if (!(await inTurns(wanted, (object) => tell('ADDED', object)))) return
      if (options.initialEvents && options.bookmarks) bookmark(told, INITIAL_END)
    }
    await catchUp()
  }
  /** Says what was not said yet, until it is little; from then on, changes as they come. What comes meanwhile stays where it
   *  is, in the history of the store: a client too slow for that begins anew. */
  async function catchUp(): Promise<void> {
    while (!stream.signal.aborted) {
      const missed = changesAfter(told)
      if (typeof missed === 'string') {
        giveUp(expired(`too old resource version: ${told} (${store.oldestVersion})`))
        return
      }
      if (missed.length <= MOST_EVENTS && missed.every(tellChange)) {
        told = store.resourceVersion
        const followed = store.follow(told, onChanges)
        if (typeof followed === 'object') following = followed
        return
      }
      if (!(await inTurns(missed, tellChange))) return
      told = missed.at(-1)?.resourceVersion ?? told
      await stream.room()
    }
  }
  function changesAfter(version: number): readonly Change[] | string {
    const missed: Change[] = []
    const looking = store.follow(version, (changes) => void missed.push(...changes))
    if (typeof looking === 'string') return looking
    looking[Symbol.dispose]()
    return missed
  }
  function onChanges(changes: readonly Change[]): void {
    if (changes.length > MOST_EVENTS) {
      leave()
      void catchUp()
      return
    }
    for (const change of changes) if (!tellChange(change)) return
    told = changes.at(-1)?.resourceVersion ?? told
  }
  function leave(): void {
    following?.[Symbol.dispose]()
    following = undefined
  }

  const timers = new Set<Timer>()
  const later = (delayMs: number, run: () => void) => timers.add(clock.after(delayMs, run))
  const repeat = () => {
    // One that lags behind hears events, and no promise that there are no more.
    if (!following || bookmark(told)) later(BOOKMARK_EVERY_MS, repeat)
  }
  if (options.bookmarks) later(BOOKMARK_EVERY_MS, repeat)
  later(options.timeoutMs ?? SHORTEST_WATCH_MS + random.below(SHORTEST_WATCH_MS), () => {
    if (options.bookmarks && following) bookmark(told)
    stream.end()
  })
  const stop = () => {
    leave()
    for (const timer of timers) timer[Symbol.dispose]()
  }
  void begin()
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
