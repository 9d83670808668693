import { isMapping } from '../../model/findings.ts'
import type { Kind } from './kinds.ts'
import type { Mapping } from './outcome.ts'
import { listAt, mappingAt, textAt, withKey } from './values.ts'

const AFFINITY_S = 10_800
const NAME_LABEL = 'kubernetes.io/metadata.name'

/** An object with what Kubernetes fills in where nothing was said. */
export function withDefaults(kind: Kind, object: Mapping): Mapping {
  if (kind.kind === 'Service') return defaultService(object)
  if (kind.kind === 'EndpointSlice') return { ...object, endpoints: listAt(object, 'endpoints'), ports: portsOf(object, true) }
  if (kind.kind === 'Endpoints') return defaultEndpoints(object)
  return defaultNamespace(object)
}

function defaultService(object: Mapping): Mapping {
  const given = mappingAt(object, 'spec')
  const type = given['type'] || 'ClusterIP'
  const onNodes = type === 'NodePort' || type === 'LoadBalancer'
  const external = onNodes || (type === 'ClusterIP' && listAt(given, 'externalIPs').length > 0)
  const affinity = given['sessionAffinity'] || 'None'
  const spec = {
    ...given,
    ...(Array.isArray(given['ports']) && { ports: given['ports'].map(defaultServicePort) }),
    type,
    sessionAffinity: affinity,
    sessionAffinityConfig: affinity === 'ClientIP' ? defaultAffinity(given) : undefined,
    ...(external && { externalTrafficPolicy: given['externalTrafficPolicy'] || 'Cluster' }),
    ...(type !== 'ExternalName' && { internalTrafficPolicy: given['internalTrafficPolicy'] || 'Cluster' }),
    ...(type === 'LoadBalancer' && { allocateLoadBalancerNodePorts: given['allocateLoadBalancerNodePorts'] ?? true }),
  }
  const status = mappingAt(object, 'status')
  // Where there is no affinity, how it would work is forgotten.
  const { sessionAffinityConfig, ...others } = spec
  const settled = sessionAffinityConfig ? spec : others
  return { ...object, spec: settled, status: { ...status, loadBalancer: defaultLoadBalancer(mappingAt(status, 'loadBalancer')) } }
}

function defaultServicePort(port: unknown): unknown {
  if (!isMapping(port)) return port
  return { ...port, protocol: port['protocol'] || 'TCP', targetPort: port['targetPort'] || port['port'] }
}

function defaultAffinity(spec: Mapping): Mapping {
  const clientIP = mappingAt(spec, 'sessionAffinityConfig', 'clientIP')
  return { clientIP: { ...clientIP, timeoutSeconds: clientIP['timeoutSeconds'] ?? AFFINITY_S } }
}

function defaultLoadBalancer(loadBalancer: Mapping): Mapping {
  const { ingress } = loadBalancer
  if (!Array.isArray(ingress)) return loadBalancer
  const given = (item: unknown) => (isMapping(item) && item['ip'] ? { ...item, ipMode: item['ipMode'] || 'VIP' } : item)
  return { ...loadBalancer, ingress: ingress.map(given) }
}

/** `null` is how the API says: no ports, or all. */
function portsOf(object: Mapping, named: boolean): unknown {
  const { ports } = object
  if (!Array.isArray(ports)) return named ? null : undefined
  return ports.map((port) =>
    isMapping(port) ? { ...(named && { name: '' }), ...port, protocol: port['protocol'] || 'TCP' } : port,
  )
}

function defaultEndpoints(object: Mapping): Mapping {
  const { subsets } = object
  if (!Array.isArray(subsets)) return object
  return {
    ...object,
    subsets: subsets.map((subset) => (isMapping(subset) ? withKey(subset, 'ports', portsOf(subset, false)) : subset)),
  }
}

function defaultNamespace(object: Mapping): Mapping {
  const labels = { [NAME_LABEL]: textAt(object, 'metadata', 'name'), ...mappingAt(object, 'metadata', 'labels') }
  return { ...object, metadata: { ...mappingAt(object, 'metadata'), labels }, status: { phase: 'Active' } }
}
