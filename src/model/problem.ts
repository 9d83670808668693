/** Something wrong with input: a value to collect and show, never an exception. */
export interface Problem {
  readonly severity: 'error' | 'warning'
  /** A stable word for tests and tools, such as `port-range`. */
  readonly code: string
  /** Where it stands: `services.yaml:14`, or the name of a source. */
  readonly place: string
  /** What it is about: `Service default/web`, or empty for a whole file. */
  readonly object: string
  /** The field's path inside the object: `spec.ports[0].nodePort`, or empty. */
  readonly field: string
  /** The offending value as JSON, cut to a readable length, or empty. */
  readonly value: string
  /** What would be right. Lower case, no full stop. */
  readonly message: string
}

/** `FILE:LINE: error|warning: Kind namespace/name FIELD: VALUE: what would be right`. */
export function showProblem(problem: Problem): string {
  const subject = [problem.object, problem.field].filter((part) => part !== '').join(' ')
  return [
    problem.place,
    ` ${problem.severity}`,
    subject && ` ${subject}`,
    problem.value && ` ${problem.value}`,
    ` ${problem.message}`,
  ]
    .filter((part) => part !== '')
    .join(':')
}

/** The longest value shown in a problem, in characters. */
const LONGEST_VALUE = 80

/** A value as it is shown in a problem: one line of JSON, cut when long. */
export function showValue(value: unknown): string {
  if (value === undefined) return ''
  const text = toJson(value)
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE - 1)}…` : text
}

/** Every entry takes a character at least, so what lies behind so many of them is cut off anyway; not to look at it is
 *  what saves us from a value that unfolds to gigabytes (YAML aliases). */
function toJson(value: unknown): string {
  let left = LONGEST_VALUE
  try {
    return JSON.stringify(value, (_, entry) => (left-- < 0 && typeof entry === 'object' ? null : entry)) ?? String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}
