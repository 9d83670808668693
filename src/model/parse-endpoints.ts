import { isLoopback, parseIp, unusableAs } from './address.ts'
import type { EndpointGroup, SliceEndpoint } from './endpoint.ts'
import { type EndpointPorts, endpointsSchema, type RawAddresses, type RawSliceEndpoint, sliceSchema } from './endpoint-schema.ts'
import type { Findings, Path } from './findings.ts'
import { familyOf, type Ip, type ServiceKey, serviceKey } from './keys.ts'
import { HOSTNAME_LABEL, labelOf, NO_LABELS, textLabels, ZONE_LABEL } from './labels.ts'
import { foreignEndpoints } from './metadata.ts'
import type { ParseOptions } from './parse-options.ts'
import { parsePreference } from './preference.ts'
import { read } from './reader.ts'

/** Names the Service that a slice belongs to. */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name'

/** Kubernetes writes there when what led to the last change of an endpoint object happened. */
const TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time'

type Ports = EndpointGroup['ports']
const NONE: readonly string[] = []

/** A discovery.k8s.io EndpointSlice in canonical form: one group, or none when it is broken or not for us. */
export function parseEndpointSlice(value: unknown, options: ParseOptions, findings: Findings): readonly EndpointGroup[] {
  const slice = read(sliceSchema, value, findings)
  if (!slice) return []
  const { metadata, addressType } = slice
  const labels = metadata.labels ?? {}
  if (foreignEndpoints(labels, options.serviceProxyName)) return []
  const service = readServiceKey(metadata.namespace, labels, findings)
  if (addressType === undefined) findings.reject('missing', ['addressType'], undefined, 'is missing: must be IPv4 or IPv6')
  if (addressType === 'FQDN')
    findings.warn('address-type', ['addressType'], addressType, 'must be IPv4 or IPv6; this slice is ignored')
  if (addressType === undefined || addressType === 'FQDN') return []
  const family = addressType === 'IPv4' ? 4 : 6
  const ports = readPorts(slice.ports, ['ports'], findings)
  checkPortNames(slice.ports, findings)
  const endpoints: SliceEndpoint[] = []
  for (const [index, endpoint] of (slice.endpoints ?? []).entries()) {
    const ip = readIp(endpoint.addresses[0], family, options)
    if (typeof ip === 'string') endpoints.push(readSliceEndpoint(ip, endpoint))
    else findings.reject(ip.code, ['endpoints', index, 'addresses', 0], endpoint.addresses[0], ip.message)
  }
  const preference = parsePreference(labels, findings)
  if (service === undefined || findings.rejected) return []
  const object = `EndpointSlice ${metadata.namespace}/${metadata.name}`
  return [{ service, object, family, triggeredMs: triggerTime(metadata.annotations), ports, endpoints, ...preference }]
}

/** A v1 Endpoints object in canonical form: a group for every subset and family in it. */
export function parseEndpoints(value: unknown, options: ParseOptions, findings: Findings): readonly EndpointGroup[] {
  const object = read(endpointsSchema, value, findings)
  if (!object || foreignEndpoints(object.metadata.labels ?? {}, options.serviceProxyName)) return []
  const service = serviceKey(object.metadata.namespace, object.metadata.name)
  const triggeredMs = triggerTime(object.metadata.annotations)
  const preference = parsePreference(object.metadata.labels ?? {}, findings)
  const groups = (object.subsets ?? []).flatMap((subset, index) => {
    const path = ['subsets', index]
    const ports = readPorts(subset.ports, [...path, 'ports'], findings)
    const endpoints = [
      ...readAddresses(subset.addresses, true, [...path, 'addresses'], options, findings),
      ...readAddresses(subset.notReadyAddresses, false, [...path, 'notReadyAddresses'], options, findings),
    ]
    return ([4, 6] as const).flatMap((family) => {
      const ofFamily = endpoints.filter((endpoint) => familyOf(endpoint.ip) === family)
      const group = { service, object: `Endpoints ${service}`, family, triggeredMs, ports, endpoints: ofFamily, ...preference }
      return ofFamily.length > 0 ? [group] : []
    })
  })
  return findings.rejected ? [] : groups
}

/** It only feeds a metric: one that cannot be read is as good as none. */
function triggerTime(annotations: Readonly<Record<string, unknown>> | null | undefined): number | undefined {
  const text = annotations?.[TRIGGER_TIME]
  const ms = typeof text === 'string' ? Date.parse(text) : Number.NaN
  return Number.isNaN(ms) ? undefined : ms
}

function readServiceKey(
  namespace: string,
  labels: Readonly<Record<string, unknown>>,
  findings: Findings,
): ServiceKey | undefined {
  const path = ['metadata', 'labels', SERVICE_NAME_LABEL]
  const name = labels[SERVICE_NAME_LABEL]
  if (typeof name === 'string' && name !== '') return serviceKey(namespace, name)
  if (name === undefined || name === null || name === '') {
    return findings.warn(
      'slice-without-service',
      path,
      name,
      'must name the Service that the slice is for; this slice is ignored',
    )
  }
  return findings.reject('type', path, name, 'must be text')
}

function readSliceEndpoint(ip: Ip, endpoint: RawSliceEndpoint): SliceEndpoint {
  const { conditions, hints } = endpoint
  const topology = textLabels(endpoint.topology ?? endpoint.deprecatedTopology)
  return {
    ip,
    ready: conditions?.ready ?? true,
    serving: conditions?.serving ?? true,
    terminating: conditions?.terminating ?? false,
    nodeName: endpoint.nodeName || labelOf(topology, HOSTNAME_LABEL),
    zone: endpoint.zone || labelOf(topology, ZONE_LABEL),
    zoneHints: hints?.forZones?.map(({ name }) => name) ?? NONE,
    nodeHints: hints?.forNodes?.map(({ name }) => name) ?? NONE,
    topology,
  }
}

function readAddresses(
  addresses: RawAddresses,
  ready: boolean,
  path: Path,
  options: ParseOptions,
  findings: Findings,
): SliceEndpoint[] {
  const endpoints: SliceEndpoint[] = []
  for (const [index, address] of (addresses ?? []).entries()) {
    const ip = readIp(address.ip, undefined, options)
    if (typeof ip !== 'string') findings.reject(ip.code, [...path, index, 'ip'], address.ip, ip.message)
    else {
      const nodeName = address.nodeName || undefined
      // What is not ready here may be starting or stopping; the object does not say which, so neither is assumed.
      endpoints.push({
        ip,
        ready,
        serving: ready,
        terminating: false,
        nodeName,
        zone: undefined,
        zoneHints: NONE,
        nodeHints: NONE,
        topology: NO_LABELS,
      })
    }
  }
  return endpoints
}

interface Refusal {
  readonly code: string
  readonly message: string
}

/** The address of an endpoint of that family (undefined: either), or what would be right. */
function readIp(value: unknown, family: 4 | 6 | undefined, options: ParseOptions): Ip | Refusal {
  if (value === undefined) return { code: 'missing', message: 'is missing: every endpoint needs an address' }
  const ip = typeof value === 'string' ? parseIp(value) : undefined
  if (ip === undefined) return { code: 'address', message: 'must be an IPv4 or IPv6 address as text, without port or zone' }
  if (family !== undefined && familyOf(ip) !== family) {
    return { code: 'address-family', message: `must be an IPv${family} address, as addressType says` }
  }
  const use = unusableAs(ip)
  if (use !== undefined) return { code: 'address-use', message: `must be the address of one machine, not ${use}` }
  if (isLoopback(ip) && !options.allowLoopbackEndpoints) {
    return { code: 'address-loopback', message: 'must not be on loopback, unless --allow-loopback-endpoints is given' }
  }
  return ip
}

/** Ports without a number would mean all ports, which nothing ever implemented: they are left out. */
function readPorts(given: EndpointPorts, path: Path, findings: Findings): Ports {
  return (given ?? []).flatMap(({ name, protocol, port }, index) => {
    if (port) return [{ name, protocol, port }]
    findings.warn('port-none', [...path, index, 'port'], port, 'must be a whole number from 1 to 65535; this port is left out')
    return []
  })
}

/** Only slices have this rule: in v1 Endpoints one name may stand for several numbers. */
function checkPortNames(ports: EndpointPorts, findings: Findings): void {
  const names = new Map<string, number>()
  for (const [index, { name }] of (ports ?? []).entries()) {
    const first = names.get(name)
    if (first === undefined) names.set(name, index)
    else findings.reject('port-name', ['ports', index, 'name'], name, `must be unique: ports[${first}] has it too`)
  }
}
