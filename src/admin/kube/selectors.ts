import { isMapping } from '../../model/findings.ts'
import { isLabelKey } from '../../model/labels.ts'
import { type Mapping, refused } from './outcome.ts'
import { badRequest, type Refusal } from './refusal.ts'

/** Says whether an object is meant. */
export type Selector = (object: Mapping) => boolean

const EVERYTHING: Selector = () => true

interface Requirement {
  readonly key: string
  readonly values: readonly string[]
  readonly is: 'in' | 'notin' | 'exists' | 'absent'
}

/** `app=web,tier!=db,zone in (a,b),!old` of labels, as Kubernetes writes it; undefined or empty: everything. */
export function parseLabelSelector(text: string | undefined): Selector | Refusal {
  if (text === undefined || text.trim() === '') return EVERYTHING
  const requirements: Requirement[] = []
  for (const part of splitOutside(text)) {
    const requirement = parseRequirement(part.trim())
    if (requirement === undefined)
      return badRequest(`unable to parse requirement: ${JSON.stringify(part.trim())} is no label selector`)
    requirements.push(requirement)
  }
  return (object) => {
    const labels = labelsOf(object)
    return requirements.every((requirement) => isMet(requirement, labels))
  }
}

/** At commas that stand in no parentheses. */
function splitOutside(text: string): string[] {
  return text.match(/(?:\([^)]*\)|[^,(])+/g) ?? [text]
}

const VALUE = /^(?:[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?)?$/

function parseRequirement(part: string): Requirement | undefined {
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(part)
  const pair = /^([^\s=!]+)\s*(==?|!=)\s*(\S*)$/.exec(part)
  const bare = /^(!?)\s*([^\s=!]+)$/.exec(part)
  const [key, is, values] = set
    ? [set[1], set[2], (set[3] as string).split(',').map((value) => value.trim())]
    : pair
      ? [pair[1], pair[2] === '!=' ? 'notin' : 'in', [pair[3] as string]]
      : [bare?.[2], bare?.[1] === '!' ? 'absent' : 'exists', []]
  if (key === undefined || !isLabelKey(key) || !values.every((value) => VALUE.test(value))) return undefined
  return { key, values, is: is as Requirement['is'] }
}

function isMet({ key, values, is }: Requirement, labels: Mapping): boolean {
  const has = Object.hasOwn(labels, key)
  if (is === 'exists') return has
  if (is === 'absent') return !has
  const among = has && values.includes(String(labels[key]))
  return is === 'in' ? among : !among
}

function labelsOf(object: Mapping): Mapping {
  const metadata = object['metadata']
  const labels = isMapping(metadata) ? metadata['labels'] : undefined
  return isMapping(labels) ? labels : {}
}

/** The fields that each resource can be selected by, beside its name and namespace. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  services: ['spec.clusterIP', 'spec.type'],
  namespaces: ['status.phase'],
}

/** `metadata.name=web,spec.type!=NodePort`; undefined or empty: everything. */
export function parseFieldSelector(text: string | undefined, resource: string): Selector | Refusal {
  if (text === undefined || text.trim() === '') return EVERYTHING
  const known = ['metadata.name', 'metadata.namespace', ...(FIELDS[resource] ?? [])]
  const parts: { readonly path: readonly string[]; readonly value: string; readonly equal: boolean }[] = []
  for (const part of text.split(',')) {
    const match = /^\s*([^=!\s]+)\s*(==?|!=)(.*)$/.exec(part)
    if (!match) return badRequest(`invalid selector: '${text}'; can't understand '${part}'`)
    const field = match[1] as string
    if (!known.includes(field)) {
      return badRequest(`Unable to find "${resource}" that match field selector "${text}": field label not supported: ${field}`)
    }
    parts.push({ path: field.split('.'), value: (match[3] as string).trim(), equal: match[2] !== '!=' })
  }
  return (object) => parts.every(({ path, value, equal }) => (valueAt(object, path) === value) === equal)
}

function valueAt(object: Mapping, path: readonly string[]): string {
  let value: unknown = object
  for (const step of path) value = isMapping(value) ? value[step] : undefined
  return value === undefined || value === null ? '' : String(value)
}

/** Both selectors of a request as one. */
export function parseSelectors(labels: string | undefined, fields: string | undefined, resource: string): Selector | Refusal {
  const byLabels = parseLabelSelector(labels)
  if (refused(byLabels)) return byLabels
  const byFields = parseFieldSelector(fields, resource)
  if (refused(byFields)) return byFields
  return (object) => byLabels(object) && byFields(object)
}
