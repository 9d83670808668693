import type { EndpointGroup } from './endpoint.ts'
import { type Finding, Findings, isMapping } from './findings.ts'
import { describeObject, showWord } from './metadata.ts'
import type { Node } from './node.ts'
import { recogniseOldForm } from './old-form.ts'
import { parseEndpointSlice, parseEndpoints } from './parse-endpoints.ts'
import { parseNode } from './parse-node.ts'
import type { ParseOptions } from './parse-options.ts'
import { parseService } from './parse-service.ts'
import { isBlank, oneOf } from './reader.ts'
import type { Service } from './service.ts'

type Outcome =
  | { readonly is: 'service'; readonly service: Service }
  | { readonly is: 'slice' | 'endpoints'; readonly groups: readonly EndpointGroup[] }
  | { readonly is: 'node'; readonly node: Node }
  /** A kind that is not read. */
  | { readonly is: 'other'; readonly kind: string }
  | { readonly is: 'broken' }

/** What one value turned out to be. */
export type ParsedObject = Outcome & {
  /** `Service default/web`. */
  readonly subject: string
  readonly findings: readonly Finding[]
}

/** The kinds that are read: their API group, and its versions. */
const KINDS: Readonly<
  Record<'Service' | 'Endpoints' | 'EndpointSlice' | 'Node', { group: string; versions: readonly string[] }>
> = {
  Service: { group: '', versions: ['v1'] },
  Endpoints: { group: '', versions: ['v1'] },
  EndpointSlice: { group: 'discovery.k8s.io', versions: ['discovery.k8s.io/v1', 'discovery.k8s.io/v1beta1'] },
  Node: { group: '', versions: ['v1'] },
}

/** Reads one untrusted value. */
export function parseObject(value: unknown, options: ParseOptions): ParsedObject {
  const findings = new Findings()
  const outcome = parseKind(value, options, findings)
  return { subject: describeObject(value), findings: findings.list(), ...outcome }
}

function parseKind(value: unknown, options: ParseOptions, findings: Findings): Outcome {
  const kind = readKind(value, findings)
  if (kind === undefined) return { is: 'broken' }
  if (!isKnown(kind)) return { is: 'other', kind }
  if (kind === 'Service') {
    const service = parseService(value, options, findings)
    return service ? { is: 'service', service } : { is: 'broken' }
  }
  if (kind === 'Node') {
    const node = parseNode(value, findings)
    return node ? { is: 'node', node } : { is: 'broken' }
  }
  const slice = kind === 'EndpointSlice'
  const groups = slice ? parseEndpointSlice(value, options, findings) : parseEndpoints(value, options, findings)
  return findings.rejected ? { is: 'broken' } : { is: slice ? 'slice' : 'endpoints', groups }
}

/** One of our kinds, or what to call another; undefined when the value does not say, or is of no version that is read. */
function readKind(value: unknown, findings: Findings): string | undefined {
  if (!isMapping(value)) return findings.reject('type', [], value, 'must be a mapping with apiVersion and kind')
  const { apiVersion, kind } = value
  for (const [field, text] of Object.entries({ apiVersion, kind })) {
    if (isBlank(text)) findings.reject('missing', [field], undefined, 'is missing: every object needs apiVersion and kind')
    else if (typeof text !== 'string') findings.reject('type', [field], text, 'must be text')
  }
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || findings.rejected) return undefined
  if (!isKnown(kind)) return showWord(kind)
  const { group, versions } = KINDS[kind]
  const old = recogniseOldForm(kind, value)
  if (old) return findings.reject('old-form', [old.field], value[old.field], old.message)
  if (versions.includes(apiVersion)) return kind
  const foreign = apiVersion.includes('/') && !apiVersion.startsWith(`${group}/`)
  return foreign
    ? `${kind} of ${showWord(apiVersion)}`
    : findings.reject('api-version', ['apiVersion'], apiVersion, `must be ${oneOf(versions)} for kind ${kind}`)
}

function isKnown(kind: string): kind is keyof typeof KINDS {
  return Object.hasOwn(KINDS, kind)
}
