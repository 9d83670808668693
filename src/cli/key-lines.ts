import { EVENT_ID, getScalarValue, parseEvents } from 'js-yaml'
import { createLineCounter } from '../source/line-counter.ts'

/** A container that is being read. */
interface Frame {
  /** What its keys begin with; undefined where keys have no path: in lists, and in keys that are containers. */
  readonly prefix: string | undefined
  readonly isMapping: boolean
  nodes: number
  key: string
}

/** The line of each key of a YAML text's outermost mapping and of the mappings in it, by path: `iptables.syncPeriod`. The
 *  text must be valid. */
export function readKeyLines(text: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>()
  const lineAt = createLineCounter(text)
  const frames: Frame[] = []
  for (const event of parseEvents(text, {})) {
    if (event.type === EVENT_ID.POP) {
      frames.pop()
      continue
    }
    const parent = frames.at(-1)
    const isKey = parent?.isMapping === true && parent.nodes++ % 2 === 0
    if (isKey && event.type === EVENT_ID.SCALAR) {
      parent.key = getScalarValue(text, event)
      if (parent.prefix !== undefined) lines.set(parent.prefix + parent.key, lineAt(event.valueStart))
    }
    if (event.type === EVENT_ID.DOCUMENT || event.type === EVENT_ID.MAPPING || event.type === EVENT_ID.SEQUENCE) {
      frames.push({ prefix: prefixOf(frames, isKey), isMapping: event.type === EVENT_ID.MAPPING, nodes: 0, key: '' })
    }
  }
  return lines
}

function prefixOf(frames: readonly Frame[], isKey: boolean): string | undefined {
  const parent = frames.at(-1)
  // The document, and the container in it.
  if (!parent || frames.length === 1) return ''
  return parent.isMapping && !isKey && parent.prefix !== undefined ? `${parent.prefix}${parent.key}.` : undefined
}
