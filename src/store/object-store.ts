import { ProxyError } from '../lib/errors.ts'
import { History } from './history.ts'
import type { Journal, JournalContent, JournalEntry, JournalObject } from './journal.ts'
import { nameOf, ObjectMap, placeIn } from './object-map.ts'
import type { Change, ObjectKey, ObjectStore, ObjectValue, StoredObject, StoreView, Write } from './store.ts'

export interface ObjectStoreOptions {
  readonly journal: Journal
  /** What the journal held; left out: nothing, ever. */
  readonly content?: JournalContent
  /** No resourceVersion that is given is smaller; left out: 1. What was persisted may have smaller ones. */
  readonly firstVersion?: number
  /** What it may hold; more is refused. */
  readonly mostObjects?: number
}

interface Accepted {
  readonly change: Change
  /** What has to be persisted for it; undefined: nothing. */
  readonly entry: JournalEntry | undefined
  /** How much it says. */
  readonly bytes: number
}

/** Of one call of `commit`. */
interface Pending {
  readonly entries: readonly Accepted[]
  readonly done: PromiseWithResolvers<readonly Change[]>
}

interface Ahead {
  readonly key: ObjectKey
  readonly object: StoredObject | undefined
  readonly resourceVersion: number
}

interface Follower {
  readonly onChanges: (changes: readonly Change[]) => void
}

const MOST_OBJECTS = 100_000

/** The store's rules, over any journal: everything in memory, written to the journal before it is shown. Writes that come
 *  while the journal is busy go to it together. */
export class JournaledStore implements ObjectStore {
  readonly #journal: Journal
  readonly #mostObjects: number
  /** What was persisted. */
  readonly #objects = new ObjectMap()
  readonly #history: History
  /** What was accepted and is not persisted yet, by kind and name; undefined: deleted. */
  readonly #ahead = new Map<string, Ahead>()
  readonly #followers = new Set<Follower>()
  #queue: Pending[] = []
  #flushing: Promise<void> | undefined
  #version: number
  /** The newest batch in the journal. */
  #persisted: number
  #acceptedVersion: number
  #disposed = false

  constructor({ journal, content, firstVersion = 1, mostObjects = MOST_OBJECTS }: ObjectStoreOptions) {
    this.#journal = journal
    this.#mostObjects = mostObjects
    this.#persisted = content?.version ?? firstVersion
    this.#version = Math.max(this.#persisted, firstVersion)
    this.#acceptedVersion = this.#version
    this.#history = new History(this.#version)
    for (const object of content?.objects ?? []) this.#objects.set(storedFrom(object))
  }

  get resourceVersion(): number {
    return this.#version
  }

  get oldestVersion(): number {
    return this.#history.oldestVersion
  }

  get(key: ObjectKey): StoredObject | undefined {
    return this.#objects.get(key)
  }

  list(kind: string, namespace?: string): readonly StoredObject[] {
    return inNamespace(this.#objects.list(kind), namespace)
  }

  async commit(decide: (accepted: StoreView) => readonly Write[]): Promise<readonly Change[]> {
    if (this.#disposed) throw notWritten('the process is ending; ask again when it runs')
    const entries = this.#accept(decide(this.#acceptedView()))
    if (entries.length === 0) return []
    const done = Promise.withResolvers<readonly Change[]>()
    this.#queue.push({ entries, done })
    this.#flushing ??= this.#flush()
    return await done.promise
  }

  follow(afterVersion: number, onChanges: Follower['onChanges']): Disposable | 'expired' | 'ahead' {
    if (afterVersion > this.#version) return 'ahead'
    if (afterVersion < this.oldestVersion) return 'expired'
    const missed = this.#history.after(afterVersion)
    const follower: Follower = { onChanges }
    this.#followers.add(follower)
    if (missed.length > 0) onChanges(missed)
    return { [Symbol.dispose]: () => void this.#followers.delete(follower) }
  }

  /** What was accepted is persisted first. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    await this.#flushing
    this.#followers.clear()
    await this.#journal[Symbol.asyncDispose]()
  }

  #acceptedView(): StoreView {
    const objects = this.#objects
    const ahead = this.#ahead
    return {
      resourceVersion: this.#acceptedVersion,
      get(key) {
        const newer = ahead.get(placeOf(key))
        return newer ? newer.object : objects.get(key)
      },
      list(kind, namespace) {
        const newer = [...ahead.values()].filter(({ key }) => key.kind === kind)
        if (newer.length === 0) return inNamespace(objects.list(kind), namespace)
        const all = [...objects.list(kind)]
        for (const { key, object } of newer) {
          all.splice(placeIn(all, key), objects.get(key) ? 1 : 0, ...(object ? [object] : []))
        }
        return inNamespace(all, namespace)
      },
    }
  }

  #accept(writes: readonly Write[]): Pending['entries'] {
    const view = this.#acceptedView()
    const created = writes.filter(({ key, value }) => value && !view.get(key)).length
    if (created > 0 && this.#objects.size + this.#ahead.size + created > this.#mostObjects) {
      throw notWritten(`it holds ${this.#objects.size} objects, and at most ${this.#mostObjects} are kept: delete some`)
    }
    let version = this.#acceptedVersion
    const accepted = writes.flatMap((write) => {
      const before = view.get(write.key)
      return write.value || before ? [acceptedOf(write, before, ++version)] : []
    })
    // Only now, for what has no JSON was thrown out above.
    this.#acceptedVersion = version
    for (const { change } of accepted) {
      const { type, object, resourceVersion } = change
      this.#ahead.set(placeOf(object.key), { key: object.key, object: type === 'deleted' ? undefined : object, resourceVersion })
    }
    return accepted
  }

  async #flush(): Promise<void> {
    // What is decided in this turn goes along.
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const batch = this.#queue
      this.#queue = []
      const all = batch.flatMap(({ entries }) => entries)
      try {
        await this.#persist(all)
      } catch (error) {
        this.#refuse([...batch, ...this.#queue.splice(0)], error)
        continue
      }
      this.#publish(all)
      for (const { entries, done } of batch) done.resolve(entries.map(({ change }) => change))
    }
    this.#flushing = undefined
  }

  async #persist(all: Pending['entries']): Promise<void> {
    const entries = all.flatMap(({ entry }) => entry ?? [])
    if (entries.length === 0) return
    const version = all.at(-1)?.change.resourceVersion ?? this.#persisted
    await this.#journal.commit({ version, afterVersion: this.#persisted, entries })
    this.#persisted = version
  }

  #publish(entries: Pending['entries']): void {
    for (const { change, bytes } of entries) {
      const { key } = change.object
      if (change.type === 'deleted') this.#objects.delete(key)
      else this.#objects.set(change.object)
      this.#history.add(change, bytes)
      if (this.#ahead.get(placeOf(key))?.resourceVersion === change.resourceVersion) this.#ahead.delete(placeOf(key))
      this.#version = change.resourceVersion
    }
    const changes = entries.map(({ change }) => change)
    for (const follower of [...this.#followers]) follower.onChanges(changes)
  }

  /** What was accepted on top of it goes, too: it was decided on what is not so. Numbers that were given are not given again. */
  #refuse(batch: readonly Pending[], error: unknown): void {
    this.#ahead.clear()
    for (const { done } of batch)
      done.reject(
        error instanceof ProxyError
          ? error
          : notWritten('it could not be written; see that the disk of --state-dir takes writes', error),
      )
  }
}

function acceptedOf(write: Write, before: StoredObject | undefined, resourceVersion: number): Accepted {
  const { key, value: given, aside, kept = true } = write.value ? write : { ...(before as StoredObject) }
  const value = stamped(given, resourceVersion)
  const object: StoredObject = { key, resourceVersion, value, aside, kept }
  const [json, asideJson] = [JSON.stringify(value), aside === undefined ? '' : JSON.stringify(aside)]
  const bytes = json.length + asideJson.length
  if (!write.value) {
    const entry = before?.kept ? { key, json: undefined } : undefined
    return { change: { type: 'deleted', resourceVersion, object, before }, entry, bytes }
  }
  const change: Change = { type: before ? 'modified' : 'added', resourceVersion, object, before }
  if (kept) return { change, entry: { key, resourceVersion, json, aside: asideJson }, bytes }
  return { change, entry: before?.kept ? { key, json: undefined } : undefined, bytes }
}

function notWritten(reason: string, cause?: unknown): ProxyError {
  return new ProxyError('E_STORE', 'system', `the store takes no change: ${reason}`, cause)
}

function placeOf(key: ObjectKey): string {
  return `${key.kind}/${nameOf(key)}`
}

function inNamespace(objects: readonly StoredObject[], namespace: string | undefined): readonly StoredObject[] {
  return namespace === undefined ? objects : objects.filter(({ key }) => key.namespace === namespace)
}

function stamped(value: ObjectValue, resourceVersion: number): ObjectValue {
  return { ...value, metadata: { ...value.metadata, resourceVersion: String(resourceVersion) } }
}

function storedFrom({ key, resourceVersion, json, aside }: JournalObject): StoredObject {
  const value = JSON.parse(json) as ObjectValue
  return { key, resourceVersion, value, aside: aside === '' ? undefined : JSON.parse(aside), kept: true }
}
