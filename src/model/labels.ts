/** Labels of a Kubernetes object. */
export type Labels = Readonly<Record<string, string>>

/** One label: key and value. */
export type Label = readonly [key: string, value: string]

/** Labels of nodes that mean something here. */
export const HOSTNAME_LABEL = 'kubernetes.io/hostname'
export const ZONE_LABEL = 'topology.kubernetes.io/zone'

/** Stands for any node among `topologyKeys`. */
export const ANY_NODE = '*'

const NAME = /^[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?$/
const PREFIX = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const LONGEST_PREFIX = 253

/** Whether a text can be the key of a label: a name, or a domain, a slash and a name. */
export function isLabelKey(text: string): boolean {
  const slash = text.indexOf('/')
  const prefix = slash < 0 ? undefined : text.slice(0, slash)
  if (prefix !== undefined && (prefix.length > LONGEST_PREFIX || !PREFIX.test(prefix))) return false
  return NAME.test(text.slice(slash + 1))
}

/** `KEY=VALUE`; the value may be empty. Undefined when it is no label. */
export function parseLabel(text: string): Label | undefined {
  const equals = text.indexOf('=')
  const key = text.slice(0, equals)
  const value = text.slice(equals + 1)
  return equals > 0 && isLabelKey(key) && (value === '' || NAME.test(value)) ? [key, value] : undefined
}

/** The labels whose values are text; others are left out. */
export function textLabels(labels: Readonly<Record<string, unknown>> | null | undefined): Labels {
  const entries = Object.entries(labels ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return entries.length > 0 ? Object.fromEntries(entries) : NO_LABELS
}

export const NO_LABELS: Labels = {}

/** The value of a label; undefined where there is none, or nothing in it. */
export function labelOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] || undefined : undefined
}

/** Whether both say the same. */
export function sameLabels(a: Labels, b: Labels): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key])
}
