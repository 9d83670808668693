import { EVENT_ID, getScalarValue, parseEvents } from 'js-yaml'
import { createLineCounter } from '../source/line-counter.ts'

/** The line of each key of a YAML text's outermost mapping. The text must be valid. */
export function readKeyLines(text: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>()
  const lineAt = createLineCounter(text)
  // 1 inside the document, 2 inside its mapping.
  let depth = 0
  let nodes = 0
  for (const event of parseEvents(text, {})) {
    if (event.type === EVENT_ID.POP) {
      depth--
      continue
    }
    if (depth === 2 && nodes++ % 2 === 0 && event.type === EVENT_ID.SCALAR) {
      lines.set(getScalarValue(text, event), lineAt(event.valueStart))
    }
    if (event.type === EVENT_ID.DOCUMENT || event.type === EVENT_ID.MAPPING || event.type === EVENT_ID.SEQUENCE) depth++
  }
  return lines
}
