import type { Problem } from '../model/problem.ts'

/** What the parsing thread is asked. It remembers nothing between two requests. */
export interface ParseRequest {
  /** The file to open. */
  readonly path: string
  /** The name to show in problems. */
  readonly place: string
  /** What the file must be when it is opened, as `identityOf` says it; undefined: as it comes. */
  readonly expect: string | undefined
  /** The hash of the content that is known already. */
  readonly contentHash: string | undefined
  /** The hashes of the objects that are known already. */
  readonly known: readonly string[]
}

/** What it answers. */
export type ParseReply =
  /** The content is the known one. */
  | { readonly kind: 'unchanged' }
  /** The file is not the expected one, or was written while it was read. */
  | { readonly kind: 'moved' }
  /** `retry`: the file's own state says nothing about when this will be over. */
  | { readonly kind: 'problem'; readonly problem: Problem; readonly retry: boolean }
  | { readonly kind: 'parsed'; readonly content: ParsedContent }

/** All objects of a file; values only of those that were not known. */
export interface ParsedContent {
  readonly contentHash: string
  /** One for each object, in the order of the file. */
  readonly hashes: readonly string[]
  /** The line of each object. */
  readonly starts: Uint32Array
  /** How many entries of `lines` belong to each object; 0 where its lines are not known, or all are its first. */
  readonly lineCounts: Uint32Array
  readonly lines: Uint32Array
  /** The objects that were not known, each once, as `encodeValue` writes them, one after the other. */
  readonly values: Uint8Array<ArrayBuffer>
  /** Where each of them ends. */
  readonly valueEnds: Uint32Array
}
