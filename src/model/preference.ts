import { nearest } from '../lib/nearest.ts'
import type { EndpointGroup } from './endpoint.ts'
import type { Findings } from './findings.ts'
import { MOST_WEIGHT } from './service.ts'

/** Labels of an EndpointSlice or Endpoints object that say how much of the sessions all its endpoints want. */
export const WEIGHT_LABEL = 'portald.io/weight'
export const BACKUP_LABEL = 'portald.io/backup'
const PREFIX = 'portald.io/'

/** What an endpoint's weight must look like, to end a problem with. */
export const A_WEIGHT = `a whole number from 0 to ${MOST_WEIGHT}`

/** What an object says of all its endpoints, by its labels. A wrong one is an error and says nothing. */
export function parsePreference(
  labels: Readonly<Record<string, unknown>>,
  findings: Findings,
): Pick<EndpointGroup, 'weight' | 'backup'> {
  for (const name of Object.keys(labels)) {
    if (!name.startsWith(PREFIX) || name === WEIGHT_LABEL || name === BACKUP_LABEL) continue
    const message = `is not known; the nearest is ${nearest(name, [WEIGHT_LABEL, BACKUP_LABEL])}`
    findings.warn('label-unknown', pathOf(name), labels[name], message)
  }
  const weight = read(labels, WEIGHT_LABEL, parseWeight, `must be ${A_WEIGHT}, in quotes`, findings)
  const backup = read(labels, BACKUP_LABEL, parseSwitch, 'must be "true" or "false", in quotes', findings)
  return { weight, backup: backup ?? false }
}

/** The weight that a text says. */
export function parseWeight(text: string): number | undefined {
  const weight = /^\d{1,5}$/.test(text) ? Number(text) : -1
  return weight >= 0 && weight <= MOST_WEIGHT ? weight : undefined
}

function parseSwitch(text: string): boolean | undefined {
  return text === 'true' ? true : text === 'false' ? false : undefined
}

function read<T>(
  labels: Readonly<Record<string, unknown>>,
  name: string,
  parse: (text: string) => T | undefined,
  right: string,
  findings: Findings,
): T | undefined {
  if (!Object.hasOwn(labels, name)) return undefined
  const value = labels[name]
  const read = typeof value === 'string' ? parse(value) : undefined
  return read ?? findings.complain('label', pathOf(name), value, right)
}

function pathOf(name: string): readonly string[] {
  return ['metadata', 'labels', name]
}
