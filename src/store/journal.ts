import type { ObjectKey } from './store.ts'

/** An object as it is persisted; texts are JSON. */
export interface JournalObject {
  readonly key: ObjectKey
  readonly resourceVersion: number
  readonly json: string
  /** Empty: nothing. */
  readonly aside: string
}

/** One object that is to be there from now on, or not any more. */
export type JournalEntry = JournalObject | { readonly key: ObjectKey; readonly json: undefined }

/** What goes to the disk at once, and is there or not there as a whole. */
export interface JournalBatch {
  /** Which batch this is; each has a larger number than the one before. */
  readonly version: number
  /** The number of the batch before. A journal that is elsewhere is not ours. */
  readonly afterVersion: number
  /** In order; one object may be there several times. */
  readonly entries: readonly JournalEntry[]
}

/** What was persisted. */
export interface JournalContent {
  /** Of the newest batch; none that comes may have a smaller one. */
  readonly version: number
  readonly objects: readonly JournalObject[]
}

/** Where an object store keeps its objects for good. */
export interface Journal extends AsyncDisposable {
  /** Resolves when the batch will survive the process and the machine. One at a time. A rejection means that it was not
   *  written. */
  commit(batch: JournalBatch): Promise<void>
}

/** One that keeps nothing: for tests, and for who wants no files. */
export const NO_JOURNAL: Journal = { commit: async () => {}, [Symbol.asyncDispose]: async () => {} }
