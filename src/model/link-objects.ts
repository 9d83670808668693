import type { EndpointGroup } from './endpoint.ts'
import { Findings, placeFindings } from './findings.ts'
import type { ServiceKey } from './keys.ts'
import type { Located } from './objects.ts'
import { SERVICE_NAME_LABEL } from './parse-endpoints.ts'
import type { Problem } from './problem.ts'
import type { Service, ServicePort } from './service.ts'
import type { SourceObject } from './source-object.ts'

/** Parsed objects and the values they were read from, to say where in them something is missing. */
export interface LinkedObjects {
  readonly services: ReadonlyMap<ServiceKey, Located<Service>>
  readonly endpoints: ReadonlyMap<ServiceKey, readonly Located<EndpointGroup>[]>
  /** The object of a Service, and the first object that lists endpoints for it. */
  readonly serviceObjects: ReadonlyMap<ServiceKey, SourceObject>
  readonly endpointObjects: ReadonlyMap<ServiceKey, SourceObject>
  /** Services that exist, but with errors. */
  readonly broken: ReadonlySet<string>
}

/** What is wrong between objects that are right by themselves. */
export function checkLinks(objects: LinkedObjects): Problem[] {
  const problems: Problem[] = []
  for (const [key, { value: service }] of objects.services) {
    if (service.notServed !== undefined) continue
    const findings = new Findings()
    checkService(service, objects.endpoints.get(key) ?? [], findings)
    const object = objects.serviceObjects.get(key)
    if (object) problems.push(...placeFindings(findings.list(), `Service ${key}`, object.origin, object.value))
  }
  for (const [key, groups] of objects.endpoints) {
    const object = objects.endpointObjects.get(key)
    if (objects.services.has(key) || objects.broken.has(`Service ${key}`) || !object) continue
    const findings = new Findings()
    const subject = groups[0]?.value.object ?? ''
    const label = subject.startsWith('EndpointSlice ')
    findings.warn(
      'no-service',
      label ? ['metadata', 'labels', SERVICE_NAME_LABEL] : [],
      label ? key.slice(key.indexOf('/') + 1) : undefined,
      `must belong to a Service: there is no Service ${key}`,
    )
    problems.push(...placeFindings(findings.list(), subject, object.origin, object.value))
  }
  return problems
}

const POLICIES = ['externalTrafficPolicy', 'internalTrafficPolicy'] as const

function checkService(service: Service, groups: readonly Located<EndpointGroup>[], findings: Findings): void {
  const filled = groups.flatMap(({ value }) => (value.endpoints.length > 0 ? value.ports : []))
  if (filled.length === 0) {
    findings.warn(
      'no-endpoints',
      [],
      undefined,
      `has no endpoints: needs an EndpointSlice labelled ${SERVICE_NAME_LABEL}=${service.name}, or Endpoints of its name`,
    )
    return
  }
  const [policy] = POLICIES.filter((field) => service[field] === 'Local')
  if (policy && groups.every(({ value }) => value.endpoints.every(({ nodeName }) => nodeName === undefined))) {
    const message = 'must have endpoints with a nodeName: none says on which node it is, so none counts as local anywhere'
    findings.warn('no-node-names', ['spec', policy], 'Local', message)
  }
  for (const [index, port] of service.ports.entries()) {
    if (filled.some((other) => sameName(other, port))) continue
    const there = [...new Set(filled.map(({ name, protocol }) => `${JSON.stringify(name)} for ${protocol}`))].slice(0, 5)
    findings.warn(
      'no-endpoints',
      ['spec', 'ports', index, 'name'],
      port.name,
      `must be the name of an endpoint port for ${port.protocol}; there is ${there.join(', ')}`,
    )
  }
}

function sameName(one: Pick<ServicePort, 'name' | 'protocol'>, other: Pick<ServicePort, 'name' | 'protocol'>): boolean {
  return one.name === other.name && one.protocol === other.protocol
}
