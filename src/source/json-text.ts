import { messageOf } from '../lib/errors.ts'
import { linesBySpan, walkContainers } from './container-walk.ts'
import { createLineCounter } from './line-counter.ts'
import { DEEPEST_NESTING, isTextError, type ParsedText, type TextError } from './parsed-text.ts'
import { parseYaml } from './yaml-text.ts'

/** Reads JSON. `JSON.parse` does the work, ten times as fast as YAML; a scan of the text beside it finds the lines, and a
 *  key that stands twice, of which `JSON.parse` says nothing. */
export function parseJson(text: string): ParsedText | TextError {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return syntaxError(text, messageOf(error))
  }
  const scan = scanJson(text)
  if (scan.tooDeepLine > 0) {
    return { code: 'too-deep', line: scan.tooDeepLine, column: 0, message: `nests deeper than ${DEEPEST_NESTING} levels` }
  }
  const walk = walkContainers([value])
  if (walk.keys === scan.keys && !walk.reordered) {
    return { roots: [{ value, line: scan.firstLine }], ...linesBySpan(scan.lines, walk.spans) }
  }

  // JSON is YAML, whose parser meets keys in the order of the text.
  const parsed = parseYaml(text)
  if (walk.keys !== scan.keys) {
    return isTextError(parsed) ? parsed : { code: 'json-syntax', line: 0, column: 0, message: 'a key stands twice in one object' }
  }
  if (!isTextError(parsed)) return parsed
  return { roots: [{ value, line: scan.firstLine }], lineOf: () => undefined, linesOf: () => undefined }
}

interface Scan {
  /** The line of each `{` and `[`, in the order of the text. */
  readonly lines: number[]
  readonly keys: number
  readonly firstLine: number
  /** 0 if nothing is too deep. */
  readonly tooDeepLine: number
}

/** `text` is known to be JSON, so that quotes and brackets match. */
function scanJson(text: string): Scan {
  const lines: number[] = []
  let line = 1
  let firstLine = 0
  let keys = 0
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 10: // line feed
        line++
        break
      case 13: // carriage return
        if (text.charCodeAt(at + 1) !== 10) line++
        break
      case 34: // "
        for (at++; text.charCodeAt(at) !== 34; at++) if (text.charCodeAt(at) === 92) at++
        break
      case 58: // :
        keys++
        break
      case 91: // [
      case 123: // {
        firstLine ||= line
        lines.push(line)
        if (++depth > DEEPEST_NESTING) return { lines, keys, firstLine, tooDeepLine: line }
        break
      case 93: // ]
      case 125: // }
        depth--
    }
  }
  return { lines, keys, firstLine, tooDeepLine: 0 }
}

/** V8 tells the position of some errors only; YAML's parser stumbles over most of the others at the same place. */
function syntaxError(text: string, reason: string): TextError {
  const lineAt = createLineCounter(text)
  const told = /^(.*?) (?:in JSON )?at position (\d+)/s.exec(reason)
  const message = `not valid JSON: ${(told?.[1] ?? reason).replace(/\s+/g, ' ')}`
  if (told) {
    const position = Number(told[2])
    const column = position - text.lastIndexOf('\n', position - 1)
    return { code: 'json-syntax', line: lineAt(position), column, message }
  }
  if (reason.startsWith('Unexpected end')) return { code: 'json-syntax', line: lineAt(text.length), column: 0, message }
  const parsed = parseYaml(text)
  return isTextError(parsed)
    ? { code: 'json-syntax', line: parsed.line, column: parsed.column, message }
    : { code: 'json-syntax', line: 0, column: 0, message }
}
