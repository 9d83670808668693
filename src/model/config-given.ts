import type { OptionKey } from './config-table.ts'
import { type Problem, showValue } from './problem.ts'

/** One value on its way in: where it came from is what a problem names. */
export interface Given {
  readonly place: string
  readonly field: string
  readonly items: readonly unknown[]
}

/** Values of options from one source. */
export type GivenOptions = ReadonlyMap<OptionKey, Given>

/** A configuration file, parsed but not looked at. */
export interface ConfigurationFile {
  /** The file as the user named it. */
  readonly place: string
  readonly value: unknown
  /** The line of each key, by its path: `iptables.syncPeriod`. */
  readonly lines: ReadonlyMap<string, number>
}

/** `portald.yaml:12`, or the file alone where nobody knows the line. */
export function placeOf({ place, lines }: ConfigurationFile, path: string): string {
  const line = lines.get(path)
  return line === undefined ? place : `${place}:${line}`
}

/** An error in the configuration. */
export function configError(place: string, field: string, code: string, value: string, message: string): Problem {
  return { severity: 'error', code, place, object: '', field, value, message }
}

/** Checks the `apiVersion` of a file, and says what it must be. */
export function checkApiVersion(file: ConfigurationFile, expected: string): Problem[] {
  const { apiVersion } = file.value as { readonly apiVersion?: unknown }
  if (apiVersion === expected) return []
  return [configError(placeOf(file, 'apiVersion'), 'apiVersion', 'config-kind', showValue(apiVersion), `must be ${expected}`)]
}
