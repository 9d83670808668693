/** Where an object stands. `lines[n]` is the line of the n-th mapping or sequence inside it, counted in the order in
 *  which they open; it lets a problem point at `spec.ports[1]` instead of at the object's first line. */
export interface Origin {
  /** The file as the user named it, or the name of another source. */
  readonly place: string
  /** The object's first line, from 1; 0 where lines have no meaning. */
  readonly line: number
  readonly lines: Uint32Array | undefined
}

/** `FILE:LINE`, or the name of a source. */
export function showOrigin(origin: Origin): string {
  return origin.line > 0 ? `${origin.place}:${origin.line}` : origin.place
}

/** An object as a source found it: not looked at yet. */
export interface SourceObject {
  /** The same reference as long as the object is unchanged. */
  readonly value: unknown
  readonly origin: Origin
}
