import { isMapping, showPath } from '../../model/findings.ts'
import { parseObject } from '../../model/parse-object.ts'
import type { ParseOptions } from '../../model/parse-options.ts'
import { cause, causeOf } from './causes.ts'
import type { Kind } from './kinds.ts'
import type { Mapping } from './outcome.ts'
import type { Cause } from './refusal.ts'
import { validateLabels, validateMetadata } from './validate-metadata.ts'
import { isEqual, listAt, mappingAt, textAt } from './values.ts'

/** What is wrong with an object, and what is only odd. */
export interface Verdict {
  readonly causes: readonly Cause[]
  readonly warnings: readonly string[]
}

/** Looks at an object about to be stored. The rules are those of `model/`, which hold for files and clusters too; added are
 *  those of Kubernetes about what this program does not read, and about what an update may change.
 *  `before`: undefined when the object is new. */
export function validate(kind: Kind, object: Mapping, before: Mapping | undefined, options: ParseOptions): Verdict {
  const causes = validateMetadata(kind, object)
  const warnings: string[] = []
  const { findings } = parseObject(object, options)
  for (const finding of findings) {
    if (finding.severity === 'warning') warnings.push(`${showPath(finding.path)}: ${finding.message}`)
    else causes.push(causeOf(finding))
  }
  if (kind.kind === 'Service') causes.push(...serviceCauses(object, before))
  if (kind.kind === 'EndpointSlice') causes.push(...sliceCauses(object, before))
  if (kind.kind === 'Endpoints') causes.push(...endpointsCauses(object))
  return { causes: distinct(causes), warnings }
}

/** One field is wrong once in one way, whoever noticed. */
function distinct(causes: readonly Cause[]): Cause[] {
  const seen = new Set<string>()
  return causes.filter(({ field, reason }) => {
    const key = `${field} ${reason}`
    return !seen.has(key) && seen.add(key)
  })
}

const POLICIES = ['SingleStack', 'PreferDualStack', 'RequireDualStack']
const LONGEST_PROTOCOL = 253 + 1 + 63
const APP_PROTOCOL = /^(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?$/

function serviceCauses(object: Mapping, before: Mapping | undefined): Cause[] {
  const spec = mappingAt(object, 'spec')
  const causes = validateLabels(mappingAt(spec, 'selector'), 'spec.selector')
  const add = (...args: Parameters<typeof cause>) => void causes.push(cause(...args))
  const { type, ipFamilyPolicy, loadBalancerClass, allocateLoadBalancerNodePorts } = spec
  if (ipFamilyPolicy !== undefined && !POLICIES.includes(String(ipFamilyPolicy))) {
    add('FieldValueNotSupported', 'spec.ipFamilyPolicy', ipFamilyPolicy, `supported values: ${POLICIES.join(', ')}`)
  }
  if (type === 'ExternalName' && spec['clusterIP'] && spec['clusterIP'] !== 'None') {
    add('FieldValueForbidden', 'spec.clusterIPs', undefined, "may not be set when `type` is 'ExternalName'")
  }
  if (type !== 'LoadBalancer') {
    const why = "may only be used when `type` is 'LoadBalancer'"
    if (loadBalancerClass !== undefined) add('FieldValueForbidden', 'spec.loadBalancerClass', undefined, why)
    if (allocateLoadBalancerNodePorts !== undefined) {
      add('FieldValueForbidden', 'spec.allocateLoadBalancerNodePorts', undefined, why)
    }
  }
  for (const [n, port] of listAt(spec, 'ports').entries()) {
    const appProtocol = textAt(port, 'appProtocol')
    if (isMapping(port) && port['targetPort'] === 0) {
      add('FieldValueInvalid', `spec.ports[${n}].targetPort`, 0, 'must be between 1 and 65535, inclusive')
    }
    if (appProtocol !== '' && (appProtocol.length > LONGEST_PROTOCOL || !APP_PROTOCOL.test(appProtocol))) {
      add('FieldValueInvalid', `spec.ports[${n}].appProtocol`, appProtocol, 'must be a name such as http or example.com/proto')
    }
  }
  const old = mappingAt(before, 'spec')
  const kept = [old, spec].every((one) => one['type'] !== 'ExternalName')
  if (kept && old['clusterIP'] && !isEqual(old['clusterIP'], spec['clusterIP'])) {
    add('FieldValueInvalid', 'spec.clusterIPs[0]', spec['clusterIP'] ?? '', 'may not change once set')
  }
  return causes
}

const MOST_ENDPOINTS = 1000
const MOST_ADDRESSES = 100
const MOST_PORTS = 100

function sliceCauses(object: Mapping, before: Mapping | undefined): Cause[] {
  const causes: Cause[] = []
  const add = (...args: Parameters<typeof cause>) => void causes.push(cause(...args))
  const { addressType } = object
  const endpoints = listAt(object, 'endpoints')
  if (before && !isEqual(before['addressType'], addressType)) {
    add('FieldValueInvalid', 'addressType', addressType, 'field is immutable')
  }
  if (endpoints.length > MOST_ENDPOINTS)
    add('FieldValueTooMany', 'endpoints', endpoints.length, `must have at most ${MOST_ENDPOINTS} items`)
  if (listAt(object, 'ports').length > MOST_PORTS)
    add('FieldValueTooMany', 'ports', undefined, `must have at most ${MOST_PORTS} items`)
  for (const [n, endpoint] of endpoints.slice(0, MOST_ENDPOINTS).entries()) {
    const addresses = listAt(endpoint, 'addresses')
    const field = `endpoints[${n}].addresses`
    if (addresses.length === 0) add('FieldValueRequired', field, undefined, 'must contain at least 1 address')
    if (addresses.length > MOST_ADDRESSES)
      add('FieldValueTooMany', field, addresses.length, `must have at most ${MOST_ADDRESSES} items`)
  }
  return causes
}

function endpointsCauses(object: Mapping): Cause[] {
  return listAt(object, 'subsets').flatMap((subset, n) => {
    const field = `subsets[${n}]`
    const causes: Cause[] = []
    if (listAt(subset, 'addresses').length + listAt(subset, 'notReadyAddresses').length === 0) {
      causes.push(cause('FieldValueRequired', field, undefined, 'must specify `addresses` or `notReadyAddresses`'))
    }
    const ports = listAt(subset, 'ports')
    for (const [m, port] of ports.entries()) {
      if (ports.length > 1 && textAt(port, 'name') === '')
        causes.push(cause('FieldValueRequired', `${field}.ports[${m}].name`, undefined, ''))
      if (isMapping(port) && !port['port'])
        causes.push(cause('FieldValueInvalid', `${field}.ports[${m}].port`, 0, 'must be between 1 and 65535, inclusive'))
    }
    return causes
  })
}
