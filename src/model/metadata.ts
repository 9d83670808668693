import { z } from 'zod'
import { DEFAULT_NAMESPACE, namespace } from './fields.ts'
import { isMapping } from './findings.ts'
import { serviceKey } from './keys.ts'
import { showValue } from './problem.ts'
import { converted, mapping } from './reader.ts'

type RawLabels = Readonly<Record<string, unknown>>

const PROXY_NAME_LABEL = 'service.kubernetes.io/service-proxy-name'
const HEADLESS_LABEL = 'service.kubernetes.io/headless'

/** Which label makes a Service another program's, or nobody's; undefined: it is ours. `proxyName`: what ours carry;
 *  undefined: no such label. */
export function foreignLabel(labels: RawLabels, proxyName: string | undefined): string | undefined {
  if (Object.hasOwn(labels, HEADLESS_LABEL)) return HEADLESS_LABEL
  return labels[PROXY_NAME_LABEL] === proxyName ? undefined : PROXY_NAME_LABEL
}

/** The same for endpoints, which need not repeat the name of their Service's proxy. */
export function foreignEndpoints(labels: RawLabels, proxyName: string | undefined): boolean {
  if (foreignLabel(labels, proxyName) === undefined) return false
  return proxyName === undefined || Object.hasOwn(labels, HEADLESS_LABEL) || Object.hasOwn(labels, PROXY_NAME_LABEL)
}

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/

/** YAML turns a time without quotes into a Date before we see it. */
const time = converted((value, refuse) => {
  const ms = value instanceof Date ? value.getTime() : typeof value === 'string' && RFC_3339.test(value) ? Date.parse(value) : NaN
  return Number.isNaN(ms) ? refuse('time', 'must be a time such as "2024-01-31T12:00:00Z"') : ms
})

/** The part of metadata that is read, for objects whose name fits `name`. */
export function metadataSchema(name: z.ZodType<string>) {
  return z.object({
    name,
    namespace,
    labels: mapping.nullish(),
    annotations: mapping.nullish(),
    creationTimestamp: time.nullish(),
  })
}

/** `Service default/web`, as far as a value says who it is. Never fails: it is for talking about broken objects. */
export function describeObject(value: unknown): string {
  if (!isMapping(value)) return ''
  const metadata = isMapping(value['metadata']) ? value['metadata'] : value
  const name = metadata['name'] ?? value['id']
  const kind = showWord(value['kind'])
  if (name === undefined) return kind
  if (kind === 'Node') return `${kind} ${showWord(name)}`
  const subject = serviceKey(showWord(metadata['namespace'] || DEFAULT_NAMESPACE), showWord(name))
  return kind === '' ? subject : `${kind} ${subject}`
}

/** A name as it is where it looks like one, else quoted: it goes into lines that people and programs read. */
export function showWord(value: unknown): string {
  return typeof value === 'string' && /^[\w.:/-]{1,253}$/.test(value) ? value : showValue(value)
}
