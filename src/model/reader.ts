import { z } from 'zod'
import { type Findings, isMapping, type Path } from './findings.ts'

const NOUNS: Readonly<Record<string, string>> = {
  object: 'a mapping',
  array: 'a list',
  string: 'text',
  boolean: 'true or false',
  number: 'a number',
}

/** Reads `value` by `schema`; everything that does not fit is rejected, each at its own field. */
export function read<T>(schema: z.ZodType<T>, value: unknown, findings: Findings): T | undefined {
  try {
    const result = schema.safeParse(value, { reportInput: true, error: sayRight })
    if (result.success) return result.data
    for (const issue of result.error.issues) {
      const missing = issue.input === undefined
      const code = missing ? 'missing' : issue.code === 'custom' ? String(issue.params?.['code']) : 'type'
      findings.reject(code, issue.path as Path, issue.input, missing ? `is missing: ${issue.message}` : issue.message)
    }
  } catch (error) {
    // zod hands issues on as arguments, and a call takes some hundred thousand of them at most.
    if (!(error instanceof RangeError)) throw error
    findings.reject('hopeless', [], undefined, 'is wrong in more places than can be listed')
  }
  return undefined
}

function sayRight(issue: z.core.$ZodRawIssue): string | undefined {
  return issue.code === 'invalid_type' ? `must be ${NOUNS[issue.expected] ?? issue.expected}` : undefined
}

/** A field that must be there, which `convert` turns into the value to use, or refuses with a code and what would be
 *  right. */
export function converted<T>(convert: (value: unknown, refuse: Refuse) => T | undefined): z.ZodType<T> {
  return z.unknown().transform((value, context) => {
    const refuse: Refuse = (code, message) =>
      void context.issues.push({ code: 'custom', input: value, message, params: { code } })
    return convert(value, refuse) as T
  })
}

/** {@link converted} for a field that may be left out; `convert` may give undefined for what means the same. */
export function optional<T>(convert: (value: unknown, refuse: Refuse) => T | undefined): z.ZodType<T | undefined> {
  return converted(convert).optional()
}

export type Refuse = (code: string, message: string) => undefined

/** One of `values`; nothing, or nothing between the quotes, is `blank`. */
export function choice<const T extends string, Blank extends T | undefined>(
  values: readonly T[],
  blank: Blank,
): z.ZodType<T | Blank> {
  const right = `must be ${oneOf(values)}`
  const schema = converted<T | Blank>((value, refuse) => {
    if (isBlank(value)) return blank
    return values.includes(value as T) ? (value as T) : refuse('choice', right)
  })
  return orBlank(schema, blank)
}

/** Text that `pattern` fits, at most `longest` characters; where `blank` is given, it stands for nothing and for ''. */
export function textLike(
  pattern: RegExp,
  longest: number,
  refusal: { readonly code: string; readonly message: string },
  blank?: string,
): z.ZodType<string> {
  const schema = converted((value, refuse) => {
    if (blank !== undefined && isBlank(value)) return blank
    if (typeof value !== 'string') return refuse('type', 'must be text')
    return value.length <= longest && pattern.test(value) ? value : refuse(refusal.code, refusal.message)
  })
  return blank === undefined ? schema : orBlank(schema, blank)
}

/** zod does not ask a schema about a field that is not there, unless that may be. */
function orBlank<T>(schema: z.ZodType<T>, blank: T): z.ZodType<T> {
  return blank === undefined ? (schema.optional() as z.ZodType<T>) : schema.default(blank as z.core.util.NoUndefined<T>)
}

/** A whole number in a range. */
export function whole<T extends number = number>(code: string, from: number, to: number): z.ZodType<T> {
  const message = `must be a whole number from ${from} to ${to}`
  return converted((value, refuse) =>
    typeof value === 'number' && Number.isInteger(value) && value >= from && value <= to ? (value as T) : refuse(code, message),
  )
}

/** Not said: absent, null, or nothing between the quotes. Kubernetes makes no difference between them. */
export function isBlank(value: unknown): value is undefined | null | '' {
  return value === undefined || value === null || value === ''
}

/** A mapping whose values are looked at one by one later. */
export const mapping: z.ZodType<Readonly<Record<string, unknown>>> = z.custom<Readonly<Record<string, unknown>>>(
  (value) => isMapping(value),
  {
    error: 'must be a mapping',
    params: { code: 'type' },
  },
)

/** A list whose items are looked at one by one later. */
export const list: z.ZodType<readonly unknown[]> = z.custom<readonly unknown[]>((value) => Array.isArray(value), {
  error: 'must be a list',
  params: { code: 'type' },
})

/** `A, B or C`. */
export function oneOf(values: readonly string[]): string {
  return values.length < 2 ? values.join() : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`
}
