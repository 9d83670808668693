import type { JournalBatch, JournalContent } from './journal.ts'
import type { Damage } from './sqlite-file.ts'

/** What the store's thread is given at its start. */
export interface StoreSettings {
  readonly path: string
  /** Where a new file begins. */
  readonly firstVersion: number
}

/** What is asked of it, one at a time: all there is, how far it got, to write, to close. */
export type StoreRequest =
  | { readonly kind: 'content' }
  | { readonly kind: 'version' }
  | { readonly kind: 'commit'; readonly batch: JournalBatch }
  | { readonly kind: 'close' }

export type StoreReply =
  | { readonly kind: 'content'; readonly content: JournalContent; readonly damage: Damage | undefined }
  | { readonly kind: 'version'; readonly version: number }
  | { readonly kind: 'done' }
  /** It was not done, and nothing of it. */
  | { readonly kind: 'failed'; readonly reason: string; readonly origin: 'config' | 'system' }
