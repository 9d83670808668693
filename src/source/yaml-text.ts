import {
  CORE_SCHEMA,
  constructFromEvents,
  EVENT_ID,
  type Event,
  mapTag,
  mergeTag,
  parseEvents,
  seqTag,
  YAMLException,
} from 'js-yaml'
import { messageOf } from '../lib/errors.ts'
import { findAliasError } from './alias-budget.ts'
import { linesBySpan, walkContainers } from './container-walk.ts'
import { createLineCounter } from './line-counter.ts'
import { DEEPEST_NESTING, type ParsedText, type TextError } from './parsed-text.ts'

/** Reads YAML 1.2 with merge keys, any number of documents. Duplicate keys are errors. */
export function parseYaml(text: string): ParsedText | TextError {
  try {
    const events = parseEvents(text, { maxDepth: DEEPEST_NESTING })
    const wrong = findAliasError(events, text)
    if (wrong) return { code: wrong.code, ...placeAt(text, wrong.position), message: wrong.message }

    const containers: object[] = []
    const values = constructFromEvents(events, { source: text, schema: recordInto(containers), maxTotalMergeKeys: -1 })
    const lines = readLines(events, text)
    const roots = values.map((value, index) => ({ value, line: lines.roots[index] ?? 0 }))
    // An alias or a merge key puts a container elsewhere; the latter leaves fewer of them.
    const aliased = events.some(({ type }) => type === EVENT_ID.ALIAS)
    const walk = aliased ? undefined : walkContainers(values)
    if (walk && !walk.reordered && walk.containers === lines.containers.length) {
      return { roots, ...linesBySpan(lines.containers, walk.spans) }
    }
    // A tagged empty scalar (`!!map`) makes a container that no event opened; nobody knows whose line is whose then.
    const known = lines.containers.length === containers.length
    const lineOf = new Map<object, number>()
    if (known) for (const [index, container] of containers.entries()) lineOf.set(container, lines.containers[index] ?? 0)
    return { roots, lineOf: (it) => lineOf.get(it), linesOf: (it) => linesOf(it, lineOf) }
  } catch (error) {
    if (!(error instanceof YAMLException)) return { code: 'yaml-syntax', line: 0, column: 0, message: messageOf(error) }
    const { mark } = error
    return {
      code: 'yaml-syntax',
      line: mark ? mark.line + 1 : 0,
      column: mark ? mark.column + 1 : 0,
      message: `not valid YAML: ${error.reason}`,
    }
  }
}

function linesOf(value: object, lineOf: ReadonlyMap<object, number>): Uint32Array | undefined {
  const lines: number[] = []
  const met = new Set<object>()
  const visit = (container: object): boolean => {
    const line = lineOf.get(container)
    if (line === undefined) return false
    lines.push(line)
    met.add(container)
    for (const child of Object.values(container)) {
      if (typeof child === 'object' && child !== null && !met.has(child) && !visit(child)) return false
    }
    return true
  }
  return visit(value) ? Uint32Array.from(lines) : undefined
}

/** The schema that also writes down each container as it is made, which is the order in which events open them. */
function recordInto(containers: object[]) {
  return CORE_SCHEMA.withTags(
    mergeTag,
    {
      ...mapTag,
      create(tagName: string) {
        const made = mapTag.create(tagName)
        containers.push(made)
        return made
      },
    },
    {
      ...seqTag,
      create(tagName: string) {
        const made = seqTag.create(tagName)
        containers.push(made)
        return made
      },
    },
  )
}

function readLines(events: readonly Event[], text: string): { roots: number[]; containers: number[] } {
  const lineAt = createLineCounter(text)
  const roots: number[] = []
  const containers: number[] = []
  let atRoot = false
  for (const event of events) {
    if (event.type === EVENT_ID.DOCUMENT) {
      atRoot = true
      continue
    }
    const opens = event.type === EVENT_ID.SEQUENCE || event.type === EVENT_ID.MAPPING
    if (opens) containers.push(lineAt(event.start))
    if (atRoot) {
      if (opens) roots.push(containers.at(-1) ?? 0)
      else roots.push(event.type === EVENT_ID.SCALAR && event.valueStart >= 0 ? lineAt(event.valueStart) : 0)
      atRoot = false
    }
  }
  return { roots, containers }
}

function placeAt(text: string, position: number): { line: number; column: number } {
  const lineStart = Math.max(text.lastIndexOf('\n', position - 1), text.lastIndexOf('\r', position - 1)) + 1
  return { line: createLineCounter(text)(position), column: position - lineStart + 1 }
}
