const ESCAPES: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '\\': '\\' }
/** What a check sends or looks for is no longer than this. */
export const MOST_CHECK_BYTES = 1_024

/** Reads the bytes that a text stands for: `\r`, `\n`, `\t`, `\\` and `\x0d` are single bytes, all else is UTF-8. Returns one
 *  character a byte; undefined where an escape is none, or there are too many. */
export function parseCheckText(text: string): string | undefined {
  let bytes = ''
  for (const part of text.match(/\\x[0-9a-fA-F]{2}|\\.?|[^\\]+/gsu) ?? []) {
    if (part.startsWith('\\x') && part.length === 4) bytes += String.fromCharCode(Number.parseInt(part.slice(2), 16))
    else if (part.startsWith('\\')) {
      const escaped = ESCAPES[part.slice(1)]
      if (escaped === undefined) return undefined
      bytes += escaped
    } else bytes += Buffer.from(part, 'utf8').toString('latin1')
  }
  return bytes.length <= MOST_CHECK_BYTES ? bytes : undefined
}

/** Reads statuses of HTTP such as `200-299,404`; undefined where they are none. */
export function parseStatuses(text: string): readonly (readonly [number, number])[] | undefined {
  const ranges = text.split(',').map((part) => {
    const [, first, second = first] = /^ *([1-5]\d\d)(?:-([1-5]\d\d))? *$/.exec(part) ?? []
    const range = [Number(first), Number(second)] as const
    return range[0] <= range[1] ? range : undefined
  })
  return ranges.includes(undefined) ? undefined : (ranges as [number, number][])
}
