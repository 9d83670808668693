import { type Problem, showValue } from './problem.ts'
import type { Origin } from './source-object.ts'

/** The way to a field inside an object. */
export type Path = readonly (string | number)[]

/** Something wrong in an object, wherever that object stands: a {@link Problem} without its place. */
export interface Finding {
  readonly severity: 'error' | 'warning'
  readonly code: string
  readonly path: Path
  readonly value: unknown
  readonly message: string
}

/** More of one object's findings are counted, not kept: nobody reads them, and a broken file can have millions. */
const MOST_FINDINGS = 100

/** Collects what is wrong with one object. */
export class Findings {
  readonly #kept: Finding[] = []
  #skipped = 0
  #rejected = false

  /** Whether something was found that the object cannot live with. */
  get rejected(): boolean {
    return this.#rejected
  }

  /** An error that removes the object. */
  reject(code: string, path: Path, value: unknown, message: string): undefined {
    this.#rejected = true
    this.complain(code, path, value, message)
  }

  /** An error that the object survives. */
  complain(code: string, path: Path, value: unknown, message: string): undefined {
    this.#keep({ severity: 'error', code, path, value, message })
  }

  warn(code: string, path: Path, value: unknown, message: string): undefined {
    this.#keep({ severity: 'warning', code, path, value, message })
  }

  /** What was found, in order; where there was too much, the last one says how much more. */
  list(): readonly Finding[] {
    if (this.#skipped === 0) return this.#kept
    const message = `has ${this.#skipped} more problems, which are not shown`
    return [...this.#kept, { severity: 'error', code: 'more', path: [], value: undefined, message }]
  }

  #keep(finding: Finding): void {
    if (this.#kept.length < MOST_FINDINGS) this.#kept.push(finding)
    else this.#skipped++
  }
}

/** `spec.ports[0].port`, `metadata.annotations["portald.io/attempts"]`. */
export function showPath(path: Path): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (/^[A-Za-z_][\w-]{0,62}$/.test(step)) text += text === '' ? step : `.${step}`
    else text += `[${showValue(step)}]`
  }
  return text
}

/** `FILE:LINE` of the innermost mapping or sequence on the way to a field of `value`. */
export function locate(origin: Origin, value: unknown, path: Path): string {
  return createLocator(origin, value)(path)
}

/** {@link locate} for many paths of one object: its parts are counted once, when first needed. */
export function createLocator(origin: Origin, value: unknown): (path: Path) => string {
  let numbers: ReadonlyMap<unknown, number> | undefined
  return (path) => {
    let line = origin.line
    if (origin.lines) {
      numbers ??= numberContainers(value)
      let part = value
      for (let depth = 0; numbers.has(part); depth++) {
        line = origin.lines[numbers.get(part) as number] || line
        const step = path[depth]
        if (step === undefined || !Object.hasOwn(part as object, step)) break
        part = (part as Record<string | number, unknown>)[step]
      }
    }
    return line > 0 ? `${origin.place}:${line}` : origin.place
  }
}

/** Mappings and sequences by the order in which they open. What is there twice (a YAML alias) opened once. */
function numberContainers(value: unknown): ReadonlyMap<unknown, number> {
  const numbers = new Map<unknown, number>()
  // A stack of our own: input can be nested deeper than calls may be.
  const waiting = [value]
  while (waiting.length > 0) {
    const part = waiting.pop()
    if (numbers.has(part) || !(Array.isArray(part) || isMapping(part))) continue
    numbers.set(part, numbers.size)
    const entries = Object.values(part)
    for (let index = entries.length - 1; index >= 0; index--) waiting.push(entries[index])
  }
  return numbers
}

/** Gives findings about `object` their place. */
export function placeFindings(findings: readonly Finding[], object: string, origin: Origin, value: unknown): Problem[] {
  if (findings.length === 0) return []
  const place = createLocator(origin, value)
  return findings.map((finding) => ({
    severity: finding.severity,
    code: finding.code,
    place: place(finding.path),
    object,
    field: showPath(finding.path),
    value: showValue(finding.value),
    message: finding.message,
  }))
}

/** Whether a value is what YAML and JSON make of a mapping. */
export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
