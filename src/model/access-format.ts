/** What a line of the access log can tell of a session, in the order of the JSON form. */
export const ACCESS_FIELDS = [
  'time',
  'id',
  'protocol',
  'client',
  'local',
  'service',
  'endpoint',
  'scheduler',
  'attempts',
  'connectMs',
  'durationMs',
  'bytesFromClient',
  'bytesFromEndpoint',
  'datagramsFromClient',
  'datagramsFromEndpoint',
  'end',
] as const

/** One thing that a line of the access log can tell. */
export type AccessField = (typeof ACCESS_FIELDS)[number]

/** How a line of the access log is written: JSON with all there is, or a text with fields in it. */
export type AccessFormat = 'json' | readonly AccessPart[]

/** Text as it is, or the value of a field. */
export type AccessPart = { readonly text: string } | { readonly field: AccessField }

const MOST_LENGTH = 1024

/** Reads `json`, or a template such as `{time} {client} {end}`, in which `{{` is a brace. Undefined when it is none: it is
 *  empty, too long, or names something that there is not. */
export function parseAccessFormat(text: string): AccessFormat | undefined {
  if (text === 'json') return text
  if (text === '' || text.length > MOST_LENGTH || /[\r\n]/.test(text)) return undefined
  const parts: AccessPart[] = []
  let at = 0
  for (const { 0: found, 1: name, index } of text.matchAll(/\{\{|\{([^{}]*)\}?/g)) {
    if (index > at) parts.push({ text: text.slice(at, index) })
    at = index + found.length
    const field = ACCESS_FIELDS.find((one) => one === name)
    if (found === '{{') parts.push({ text: '{' })
    else if (field && found.endsWith('}')) parts.push({ field })
    else return undefined
  }
  if (at < text.length) parts.push({ text: text.slice(at) })
  return parts
}
