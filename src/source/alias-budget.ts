import { EVENT_ID, type Event } from 'js-yaml'
import { DEEPEST_NESTING } from './parsed-text.ts'

/** What one node costs beside its text, so that an alias to something tiny is not free. */
const NODE_COST = 32

/** How much a file may grow by its aliases being written out: two million nodes, or that much in text. What stands in the
 *  file itself is bounded by the file's size and not counted. */
const ALIAS_BUDGET = 2_000_000 * NODE_COST

interface Measure {
  cost: number
  /** How many containers deep it is, itself included. */
  height: number
  open: boolean
}

/** Where an alias does harm, and how. */
export interface AliasError {
  readonly position: number
  readonly code: 'alias-bomb' | 'alias-loop' | 'too-deep'
  readonly message: string
}

/** Finds the alias that makes a text too large, too deep or endless once it is written out, by counting alone: nothing is
 *  built. Aliases share memory in the parsed value, but everyone who walks, compares or sends it pays for each use. */
export function findAliasError(events: readonly Event[], text: string): AliasError | undefined {
  let anchors = new Map<string, Measure>()
  const open: Measure[] = []
  let spent = 0

  const measure = (cost: number, height: number, opens: boolean, from: number, to: number): Measure => {
    const made = { cost, height, open: opens }
    if (from >= 0) anchors.set(text.slice(from, to), made)
    return made
  }
  const add = (part: Measure): void => {
    const parent = open.at(-1)
    if (!parent) return
    parent.cost += part.cost
    parent.height = Math.max(parent.height, part.height + 1)
  }

  for (const event of events) {
    switch (event.type) {
      case EVENT_ID.DOCUMENT:
        anchors = new Map()
        open.push(measure(0, 0, true, -1, -1))
        break
      case EVENT_ID.SEQUENCE:
      case EVENT_ID.MAPPING:
        open.push(measure(NODE_COST, 1, true, event.anchorStart, event.anchorEnd))
        break
      case EVENT_ID.SCALAR: {
        const cost = NODE_COST + event.valueEnd - event.valueStart
        add(measure(cost, 0, false, event.anchorStart, event.anchorEnd))
        break
      }
      case EVENT_ID.ALIAS: {
        const name = text.slice(event.anchorStart, event.anchorEnd)
        const target = anchors.get(name)
        // js-yaml itself names an alias without an anchor.
        if (!target) break
        const position = event.anchorStart
        if (target.open) return { position, code: 'alias-loop', message: `alias "${name}" stands inside what it names` }
        spent += target.cost
        if (spent > ALIAS_BUDGET) {
          return { position, code: 'alias-bomb', message: `aliases make the file too large once written out, at "${name}"` }
        }
        if (open.length - 1 + target.height > DEEPEST_NESTING) {
          return { position, code: 'too-deep', message: `alias "${name}" nests deeper than ${DEEPEST_NESTING} levels` }
        }
        add(target)
        break
      }
      case EVENT_ID.POP: {
        const closed = open.pop()
        if (!closed) break
        closed.open = false
        add(closed)
      }
    }
  }
  return undefined
}
