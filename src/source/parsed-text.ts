/** One document of a text: any value, with the line it begins on. */
export interface Root {
  readonly value: unknown
  readonly line: number
}

/** A text that was read, before anyone asks what its documents mean. */
export interface ParsedText {
  readonly roots: readonly Root[]
  /** The line on which a root, the items of a list or one of them opens; undefined where that is not known. */
  lineOf(container: object): number | undefined
  /** The lines of one of those and of every mapping and sequence inside it, in the order of a walk: a container before what
   *  it holds, keys as `Object.keys` gives them. What stands in several places (a YAML alias) counts where it is met first.
   *  Undefined if a line is not known. */
  linesOf(container: object): Uint32Array | undefined
}

/** Why a text could not be read. */
export interface TextError {
  readonly code: string
  /** From 1; 0 where it is not known. */
  readonly line: number
  /** From 1; 0 where it is not known. */
  readonly column: number
  readonly message: string
}

/** Mappings and sequences may stand inside each other this deep. Every walk over a value relies on it: none of them guards
 *  its own stack. */
export const DEEPEST_NESTING = 100

/** Tells the two results of a parser apart. */
export function isTextError(result: ParsedText | TextError): result is TextError {
  return 'code' in result
}
