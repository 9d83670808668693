import type { ParsedText } from './parsed-text.ts'

/** The containers of one object, by the order of a walk: from, and up to but not including. */
interface Span {
  readonly from: number
  to: number
}

/** What a walk over the documents of a text found. */
export interface ContainerWalk {
  /** Of the objects: the roots and what lists list. Of others nobody asks. */
  readonly spans: ReadonlyMap<object, Span>
  /** Mappings and sequences. */
  readonly containers: number
  readonly keys: number
  /** The text may have them in another order: a key that is a number moves to the front. */
  readonly reordered: boolean
}

/** Counts what is in values, a container before what it holds, which is the order of the text they were read from. Each
 *  container must stand in one place. */
export function walkContainers(roots: readonly unknown[]): ContainerWalk {
  const spans = new Map<object, Span>()
  let keys = 0
  let containers = 0
  let reordered = false
  const visit = (value: unknown, listed: boolean): void => {
    if (typeof value !== 'object' || value === null) return
    const span = { from: containers++, to: 0 }
    if (Array.isArray(value)) for (const item of value) visit(item, listed)
    else {
      let first = true
      let moved = false
      for (const key in value) {
        const child = (value as Record<string, unknown>)[key]
        if (first) moved = isDigit(key.charCodeAt(0))
        first = false
        keys++
        if (moved && typeof child === 'object') reordered = true
        visit(child, listed && key === 'items')
      }
    }
    if (!listed) return
    span.to = containers
    spans.set(value, span)
  }
  for (const root of roots) visit(root, true)
  return { spans, containers, keys, reordered }
}

/** Lines of objects, from the lines of all containers in the order of the walk. */
export function linesBySpan(lines: readonly number[], spans: ReadonlyMap<object, Span>): Pick<ParsedText, 'lineOf' | 'linesOf'> {
  return {
    lineOf(container) {
      const span = spans.get(container)
      return span && lines[span.from]
    },
    linesOf(container) {
      const span = spans.get(container)
      return span && Uint32Array.from(lines.slice(span.from, span.to))
    },
  }
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}
