import type { ObjectKey } from './store.ts'

/** One change as it is persisted; values are JSON. */
export interface JournalEntry {
  readonly resourceVersion: number
  readonly type: 'added' | 'modified' | 'deleted'
  readonly key: ObjectKey
  /** As it is now, or was at last. */
  readonly json: string
  /** Empty: nothing. */
  readonly aside: string
  /** As it was before, where its labels were others; empty where they were not. */
  readonly before: string
}

/** What goes to the disk at once, and is there or not there as a whole. */
export interface JournalBatch {
  /** The resourceVersion that it follows: of the newest change before. A journal that is elsewhere is not ours. */
  readonly afterVersion: number
  readonly entries: readonly JournalEntry[]
  /** Changes up to this one need not be kept; the objects they led to do. */
  readonly forgetUpTo: number
}

/** What was persisted. */
export interface JournalContent {
  /** No change had a larger resourceVersion, and none that comes may have a smaller one. */
  readonly resourceVersion: number
  /** Changes after this one are in `changes`. */
  readonly oldestVersion: number
  readonly objects: readonly {
    readonly key: ObjectKey
    readonly resourceVersion: number
    readonly json: string
    readonly aside: string
  }[]
  readonly changes: readonly JournalEntry[]
}

/** Where an object store keeps its objects for good. */
export interface Journal extends AsyncDisposable {
  /** Resolves when the batch will survive the process and the machine. One at a time. A rejection means that it was not
   *  written. */
  commit(batch: JournalBatch): Promise<void>
}

/** One that keeps nothing: for tests, and for who wants no files. */
export const NO_JOURNAL: Journal = { commit: async () => {}, [Symbol.asyncDispose]: async () => {} }
