/** What an object of the store is known by. */
export interface ObjectKey {
  /** `Service`, `EndpointSlice`, …: kinds of one name in two API groups are not told apart. */
  readonly kind: string
  /** Empty for what has none. */
  readonly namespace: string
  readonly name: string
}

/** An object as it was given. Whoever holds one must not change it. */
export interface ObjectValue {
  readonly metadata?: Readonly<Record<string, unknown>>
  readonly [field: string]: unknown
}

/** An object in the store; never changed, always replaced. */
export interface StoredObject {
  readonly key: ObjectKey
  /** Of the write that made it so. */
  readonly resourceVersion: number
  /** Its `metadata.resourceVersion` says the same. */
  readonly value: ObjectValue
  /** What is kept with the object and never shown, as it was given; such as what each field manager applied last. */
  readonly aside: unknown
  /** Whether it is there after a restart. */
  readonly kept: boolean
}

/** One change of one object. Each has a resourceVersion of its own, larger than all before it. */
export interface Change {
  readonly type: 'added' | 'modified' | 'deleted'
  readonly resourceVersion: number
  /** As it is now; a deleted one as it was at last, but with the resourceVersion of its deletion. */
  readonly object: StoredObject
  /** As it was before; undefined when it was not there. */
  readonly before: StoredObject | undefined
}

/** To replace or create an object, or to delete it, which is nothing where it is not there. One that is not to be `kept` is
 *  there and followed like any other, but never written down: for what is known from elsewhere. */
export type Write =
  | { readonly key: ObjectKey; readonly value: ObjectValue; readonly aside?: unknown; readonly kept?: boolean }
  | { readonly key: ObjectKey; readonly value: undefined }

/** All objects at one moment. */
export interface StoreView {
  /** Of the newest change in it. */
  readonly resourceVersion: number
  get(key: ObjectKey): StoredObject | undefined
  /** Those of a kind, in one namespace or in all, by namespace and name. */
  list(kind: string, namespace?: string): readonly StoredObject[]
}

/** Objects that were written once and are there until they are deleted, whatever happens to the process. What it shows by
 *  itself is what was persisted. Changes are remembered for as long as the process lives. */
export interface ObjectStore extends StoreView, AsyncDisposable {
  /** Changes after this one are known; the ones before are forgotten. */
  readonly oldestVersion: number
  /** Writes, all or nothing. `decide` is called at once with everything accepted so far, persisted or not, and says what to
   *  write (not one object twice); it must not wait for anything, so nothing comes between what it sees and what it writes.
   *  What it throws is thrown.
   *  Resolves with the changes once they are persisted and published; nothing to write resolves with no change.
   *  @throws ProxyError E_STORE when they could not be persisted: nothing of them is in force. */
  commit(decide: (accepted: StoreView) => readonly Write[]): Promise<readonly Change[]>
  /** Tells of every change after a resourceVersion: of those there were before it returns, of those to come as soon as
   *  they are persisted, several at a time where they came together. `onChanges` must not throw. Disposing ends it.
   *  `expired`: some of those changes are forgotten; `ahead`: there was no such resourceVersion yet. */
  follow(afterVersion: number, onChanges: (changes: readonly Change[]) => void): Disposable | 'expired' | 'ahead'
}
