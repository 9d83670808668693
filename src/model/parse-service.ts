import { parseCidr } from './address.ts'
import { parseAnnotations } from './annotations.ts'
import { isHostName } from './fields.ts'
import { type Findings, isMapping, type Path } from './findings.ts'
import { type Cidr, familyOf, type Ip, type Port, type ServiceKey, serviceKey, servicePortKey } from './keys.ts'
import { ANY_NODE, isLabelKey } from './labels.ts'
import { foreignLabel } from './metadata.ts'
import type { ParseOptions } from './parse-options.ts'
import { isBlank, oneOf, read } from './reader.ts'
import type { Service, ServicePort, TrafficDistribution } from './service.ts'
import { type ServiceSpec, type ServiceStatus, serviceSchema } from './service-schema.ts'

const DEFAULT_AFFINITY_S = 10_800
const MOST_TOPOLOGY_KEYS = 16
/** The kubelet's own port: Kubernetes refuses to expose it. */
const KUBELET_PORT = 10_250

/** A v1 Service in canonical form; undefined when something is wrong that it cannot be served with. */
export function parseService(value: unknown, options: ParseOptions, findings: Findings): Service | undefined {
  // Before anything can end the reading, so that all that is wrong is said at once.
  const annotated = parseAnnotations(annotationsOf(value), options.defaults, findings)
  const object = read(serviceSchema, value, findings)
  if (!object) return undefined
  const { metadata, spec, status } = object
  const key = serviceKey(metadata.namespace, metadata.name)
  const clusterIps = readClusterIps(spec, findings)
  const notServed = whyNotServed(spec, clusterIps, foreignLabel(metadata.labels ?? {}, options.serviceProxyName))
  const ports = readPorts(key, spec, clusterIps === 'None' || spec.type === 'ExternalName', options, findings)
  checkType(spec, clusterIps === 'None', findings)
  const service: Service = {
    key,
    namespace: metadata.namespace,
    name: metadata.name,
    createdMs: metadata.creationTimestamp ?? undefined,
    type: spec.type,
    notServed,
    clusterIps: clusterIps === 'None' ? [] : clusterIps,
    families: readFamilies(spec, clusterIps === 'None' ? [] : clusterIps, findings),
    externalIps: [...new Set(spec.externalIPs)],
    ingressIps: readIngressIps(spec, status, findings),
    wantsNodePorts: spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false),
    ports,
    affinityTimeoutMs: readAffinity(spec, findings),
    internalTrafficPolicy: spec.internalTrafficPolicy ?? 'Cluster',
    externalTrafficPolicy: spec.externalTrafficPolicy ?? 'Cluster',
    trafficDistribution: readTrafficDistribution(spec, findings),
    topologyKeys: readTopologyKeys(spec, findings),
    sourceRanges: readSourceRanges(spec, findings),
    healthCheckNodePort: readHealthCheckNodePort(spec, options, findings),
    publishNotReadyAddresses: spec.publishNotReadyAddresses ?? false,
    options: annotated,
  }
  return findings.rejected ? undefined : service
}

function annotationsOf(value: unknown): Readonly<Record<string, unknown>> {
  const metadata = isMapping(value) ? value['metadata'] : undefined
  const annotations = isMapping(metadata) ? metadata['annotations'] : undefined
  return isMapping(annotations) ? annotations : {}
}

function whyNotServed(spec: ServiceSpec, clusterIps: readonly Ip[] | 'None', foreign: string | undefined): string | undefined {
  if (spec.type === 'ExternalName') return 'ExternalName'
  if (clusterIps === 'None') return 'headless'
  return foreign && `label ${foreign}`
}

function readClusterIps(spec: ServiceSpec, findings: Findings): readonly Ip[] | 'None' {
  const path = ['spec', 'clusterIPs']
  const several = (spec.clusterIPs ?? []).filter((ip) => ip !== undefined)
  const given = several.length > 0 || spec.clusterIP === undefined ? several : [spec.clusterIP]
  if (spec.clusterIP !== undefined && spec.clusterIP !== given[0]) {
    findings.reject('cluster-ip', [...path, 0], given[0], `must be spec.clusterIP, ${spec.clusterIP}`)
  }
  const ips = given.filter((ip): ip is Ip => ip !== 'None')
  if (ips.length < given.length) {
    if (given.length > 1) findings.reject('cluster-ip', path, given, 'must be addresses, or None alone')
    return 'None'
  }
  if (new Set(ips.map(familyOf)).size < ips.length) {
    findings.reject('cluster-ip', path, ips, 'must be one address, or one of each family')
  }
  return ips
}

/** Families that were asked for, the first one first; empty: none was. */
function readFamilies(spec: ServiceSpec, ips: readonly Ip[], findings: Findings): Service['families'] {
  const families = (spec.ipFamilies ?? []).filter((family) => family !== undefined)
  for (const [index, family] of families.entries()) {
    const path = ['spec', 'ipFamilies', index]
    const ip = ips[index]
    if (families.indexOf(family) < index) findings.reject('ip-family', path, family, 'must be there once')
    else if (ip !== undefined && family !== `IPv${familyOf(ip)}`)
      findings.reject('ip-family', path, family, `must be IPv${familyOf(ip)}, as ${ip} is`)
  }
  return families.map((family) => (family === 'IPv4' ? 4 : 6))
}

function readPorts(
  key: ServiceKey,
  spec: ServiceSpec,
  mayBeNone: boolean,
  options: ParseOptions,
  findings: Findings,
): ServicePort[] {
  const given = spec.ports ?? []
  if (given.length === 0 && !mayBeNone)
    findings.reject('ports', ['spec', 'ports'], spec.ports ?? undefined, 'must have at least one port')
  const seen = new Map<string, number>()
  /** Who has taken `what` before; else it is taken by `index` now. */
  const taken = (what: string, index: number): number | undefined => {
    const first = seen.get(what)
    if (first === undefined) seen.set(what, index)
    return first
  }
  return given.map(({ name, protocol, port, nodePort }, index) => {
    const refuse = (code: string, field: string, value: unknown, message: string) =>
      findings.reject(code, ['spec', 'ports', index, field], value, message)
    if (name === '' && given.length > 1)
      refuse('port-name', 'name', undefined, 'is missing: every one of several ports needs a name')
    const sameName = name === '' ? undefined : taken(`name ${name}`, index)
    if (sameName !== undefined) refuse('port-name', 'name', name, `must be unique: ports[${sameName}] has it too`)
    const samePort = taken(`port ${protocol} ${port}`, index)
    if (samePort !== undefined)
      refuse('port-taken', 'port', port, `must be unique: ports[${samePort}] has it too, for ${protocol}`)
    if (spec.type === 'LoadBalancer' && port === KUBELET_PORT)
      refuse('port-kubelet', 'port', port, 'must not be the port of the kubelet')
    if (nodePort) {
      checkNodePort(spec, nodePort, index, options, findings)
      const same = taken(`nodePort ${protocol} ${nodePort}`, index)
      if (same !== undefined)
        refuse('port-taken', 'nodePort', nodePort, `must be unique: ports[${same}] has it too, for ${protocol}`)
    }
    return { key: servicePortKey(key, name, protocol), name, protocol, port, nodePort: nodePort || undefined }
  })
}

function checkNodePort(spec: ServiceSpec, nodePort: Port, index: number, options: ParseOptions, findings: Findings): void {
  const path = ['spec', 'ports', index, 'nodePort']
  if (spec.type === 'ClusterIP')
    findings.reject('node-port-type', path, nodePort, 'must only be given for type NodePort or LoadBalancer')
  checkNodePortRange(nodePort, path, options, findings)
}

function checkNodePortRange(nodePort: Port, path: Path, options: ParseOptions, findings: Findings): void {
  const [from, to] = options.nodePortRange
  if (nodePort < from || nodePort > to)
    findings.warn('node-port-range', path, nodePort, `should be from ${from} to ${to} (--service-node-port-range)`)
}

/** A TCP port like the others, so a nodePort of the same Service must not have its number. */
function readHealthCheckNodePort(spec: ServiceSpec, options: ParseOptions, findings: Findings): Port | undefined {
  const port = spec.healthCheckNodePort || undefined
  if (port === undefined) return undefined
  const path = ['spec', 'healthCheckNodePort']
  checkNodePortRange(port, path, options, findings)
  const same = (spec.ports ?? []).findIndex(({ protocol, nodePort }) => protocol === 'TCP' && nodePort === port)
  if (same >= 0) findings.reject('port-taken', path, port, `must be unique: ports[${same}].nodePort has it too, for TCP`)
  return port
}

/** What only some types of Services may say. */
function checkType(spec: ServiceSpec, headless: boolean, findings: Findings): void {
  const { type } = spec
  const reject = (field: keyof ServiceSpec, message: string) =>
    findings.reject('service-type', ['spec', field], spec[field], message)
  const onNodes = type === 'NodePort' || type === 'LoadBalancer'
  if (onNodes && headless) reject('clusterIP', `must not be None for type ${type}`)
  if (type === 'ExternalName' && !isHostName((spec.externalName ?? '').replace(/\.$/, ''))) {
    reject('externalName', 'must be a host name such as db.example.com')
  }
  const external = onNodes || (type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0)
  if (spec.externalTrafficPolicy && !external) {
    reject('externalTrafficPolicy', 'must only be given for type NodePort or LoadBalancer, or with externalIPs')
  }
  if (spec.healthCheckNodePort && !(type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local')) {
    reject('healthCheckNodePort', 'must only be given for type LoadBalancer with externalTrafficPolicy Local')
  }
  if ((spec.loadBalancerSourceRanges ?? []).length > 0 && type !== 'LoadBalancer') {
    reject('loadBalancerSourceRanges', 'must only be given for type LoadBalancer')
  }
}

/** A status that another type left behind counts no more, as in Kubernetes, where it is taken away. */
function readIngressIps({ type }: ServiceSpec, status: ServiceStatus, findings: Findings): readonly Ip[] {
  const ingress = status?.loadBalancer?.ingress ?? []
  if (ingress.length > 0 && type !== 'LoadBalancer') {
    const path = ['status', 'loadBalancer', 'ingress']
    findings.warn('service-type', path, undefined, `counts for type LoadBalancer only, not for ${type}; it is ignored`)
    return []
  }
  return [...new Set(ingress.flatMap(({ ip, ipMode }) => (ip !== undefined && ipMode === 'VIP' ? [ip] : [])))]
}

function readAffinity(spec: ServiceSpec, findings: Findings): number | undefined {
  const config = spec.sessionAffinityConfig
  if (spec.sessionAffinity === 'ClientIP') return (config?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_S) * 1000
  if (config)
    findings.reject(
      'affinity-config',
      ['spec', 'sessionAffinityConfig'],
      config,
      'must only be given for sessionAffinity ClientIP',
    )
  return undefined
}

const DISTRIBUTIONS: Readonly<Record<string, TrafficDistribution>> = {
  PreferClose: 'same-zone',
  PreferSameZone: 'same-zone',
  PreferSameNode: 'same-node',
}

/** A preference: one that nobody knows takes nothing away. */
function readTrafficDistribution(
  { trafficDistribution: given }: ServiceSpec,
  findings: Findings,
): TrafficDistribution | undefined {
  if (isBlank(given)) return undefined
  if (typeof given === 'string' && Object.hasOwn(DISTRIBUTIONS, given)) return DISTRIBUTIONS[given]
  const right = `must be ${oneOf(Object.keys(DISTRIBUTIONS))}; it is ignored`
  return findings.warn('choice', ['spec', 'trafficDistribution'], given, right)
}

function readTopologyKeys(spec: ServiceSpec, findings: Findings): readonly string[] {
  const keys = spec.topologyKeys ?? []
  const path = ['spec', 'topologyKeys']
  const reject = (where: readonly (string | number)[], value: unknown, message: string) =>
    findings.reject('topology-key', where, value, message)
  if (keys.length > MOST_TOPOLOGY_KEYS) reject(path, keys, `must be at most ${MOST_TOPOLOGY_KEYS}`)
  if (keys.length > 0 && spec.externalTrafficPolicy === 'Local') {
    reject(path, keys, 'must not be given with externalTrafficPolicy Local')
  }
  for (const [index, key] of keys.entries()) {
    if (key === ANY_NODE && index < keys.length - 1) reject([...path, index], key, 'must only stand last')
    else if (key !== ANY_NODE && !isLabelKey(key)) reject([...path, index], key, 'must be the key of a label, or *')
    else if (keys.indexOf(key) < index) reject([...path, index], key, 'must be there once')
  }
  return keys
}

/** Ranges that make no sense are left out, unless nothing else is there: nobody's typing error opens a Service to all. */
function readSourceRanges(spec: ServiceSpec, findings: Findings): readonly Cidr[] {
  const given = spec.loadBalancerSourceRanges ?? []
  const ranges = given.map((text) => parseCidr(text.trim()))
  const good = ranges.filter((range) => range !== undefined)
  for (const [index, range] of ranges.entries()) {
    if (range !== undefined) continue
    const path = ['spec', 'loadBalancerSourceRanges', index]
    const message = 'must be a range such as 10.0.0.0/8'
    if (good.length > 0) findings.complain('range', path, given[index], message)
    else findings.reject('range', path, given[index], message)
  }
  return [...new Set(good)]
}
