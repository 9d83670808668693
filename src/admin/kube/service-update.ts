import { isMapping } from '../../model/findings.ts'
import type { Mapping } from './outcome.ts'
import { isEqual, listAt, mappingAt, textAt, withKey } from './values.ts'

const onNodes = (spec: Mapping) => spec['type'] === 'NodePort' || spec['type'] === 'LoadBalancer'
const isExternalName = (spec: Mapping) => spec['type'] === 'ExternalName'

/** A Service about to be written over another one, as upstream treats it before it looks at it: what was assigned and is not
 *  mentioned stays, and what only the old type could have goes, unless the new one says otherwise. `before`: undefined when
 *  the Service is new. */
export function settleService(before: Mapping | undefined, after: Mapping): Mapping {
  const old = mappingAt(before, 'spec')
  let spec = keepAssigned(old, mappingAt(after, 'spec'))
  if (before) spec = dropOfOldType(old, spec)
  return { ...after, spec: pairClusterIps(old, spec) }
}

/** An update without these fields comes from somebody who does not know them. */
function keepAssigned(old: Mapping, given: Mapping): Mapping {
  let spec = given
  if (!isExternalName(old) && !isExternalName(spec)) {
    if (!spec['clusterIP'] && listAt(spec, 'clusterIPs').length === 0 && old['clusterIP']) {
      spec = { ...spec, clusterIP: old['clusterIP'], clusterIPs: old['clusterIPs'] }
    }
    for (const field of ['ipFamilies', 'ipFamilyPolicy']) {
      if (spec[field] === undefined && old[field] !== undefined) spec = { ...spec, [field]: old[field] }
    }
  }
  if (onNodes(old) && onNodes(spec)) spec = { ...spec, ports: keepNodePorts(listAt(old, 'ports'), listAt(spec, 'ports')) }
  const checked = (one: Mapping) => one['type'] === 'LoadBalancer' && one['externalTrafficPolicy'] === 'Local'
  if (checked(old) && checked(spec) && !spec['healthCheckNodePort'] && old['healthCheckNodePort']) {
    spec = { ...spec, healthCheckNodePort: old['healthCheckNodePort'] }
  }
  return spec
}

function keepNodePorts(old: readonly unknown[], ports: readonly unknown[]): readonly unknown[] {
  const taken = new Set(ports.map((port) => (isMapping(port) ? port['nodePort'] : undefined)))
  return ports.map((port) => {
    if (!isMapping(port) || port['nodePort']) return port
    const same = old.find(
      (one) => isMapping(one) && one['port'] === port['port'] && one['protocol'] === port['protocol'] && one['nodePort'],
    )
    return isMapping(same) && !taken.has(same['nodePort']) ? { ...port, nodePort: same['nodePort'] } : port
  })
}

function dropOfOldType(old: Mapping, given: Mapping): Mapping {
  let spec = given
  const drop = (field: string) => {
    if (isEqual(old[field], spec[field])) spec = withKey(spec, field, undefined)
  }
  if (isExternalName(spec) && !isExternalName(old)) {
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy']) drop(field)
  }
  if (onNodes(old) && !onNodes(spec)) {
    const ports = listAt(spec, 'ports').map((port) => {
      if (!isMapping(port) || !port['nodePort']) return port
      const before = listAt(old, 'ports').some((one) => isMapping(one) && one['nodePort'] === port['nodePort'])
      return before ? withKey(port, 'nodePort', undefined) : port
    })
    spec = { ...spec, ports }
    if (listAt(spec, 'externalIPs').length === 0) drop('externalTrafficPolicy')
  }
  if (old['type'] === 'LoadBalancer' && spec['type'] !== 'LoadBalancer') {
    for (const field of ['allocateLoadBalancerNodePorts', 'loadBalancerClass']) drop(field)
  }
  const checked = spec['type'] === 'LoadBalancer' && spec['externalTrafficPolicy'] === 'Local'
  if (!checked) drop('healthCheckNodePort')
  return spec
}

/** `clusterIP` and the first of `clusterIPs` are one thing: whoever changes one of them means both. */
function pairClusterIps(old: Mapping, spec: Mapping): Mapping {
  const ip = textAt(spec, 'clusterIP')
  const ips = listAt(spec, 'clusterIPs')
  if (ip !== '' && (ips.length === 0 || (ip !== old['clusterIP'] && isEqual(ips, old['clusterIPs'])))) {
    return { ...spec, clusterIPs: [ip] }
  }
  if (ip === '' && ips.length > 0) {
    // Taking clusterIP away takes the list away, where that was left as it was.
    if (old['clusterIP'] !== undefined && isEqual(ips, old['clusterIPs'])) return withKey(spec, 'clusterIPs', undefined)
    return { ...spec, clusterIP: ips[0] }
  }
  return spec
}
