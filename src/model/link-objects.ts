import type { Steps } from '../lib/steps.ts'
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
  /** By subject, such as `Service default/web`. */
  readonly owners: ReadonlyMap<string, SourceObject>
  /** Services that exist, but with errors. */
  readonly broken: ReadonlySet<string>
}

/** What is wrong between objects that are right by themselves. */
export function* checkLinks(objects: LinkedObjects): Steps<Problem[]> {
  const problems: Problem[] = []
  for (const [key, { value: service }] of objects.services) {
    yield
    if (service.notServed !== undefined) continue
    const findings = new Findings()
    checkService(service, objects.endpoints.get(key) ?? [], findings)
    const found = findings.list()
    const object = found.length > 0 ? objects.owners.get(`Service ${key}`) : undefined
    if (object) problems.push(...placeFindings(found, `Service ${key}`, object.origin, object.value))
  }
  for (const [key, groups] of objects.endpoints) {
    if (objects.services.has(key) || objects.broken.has(`Service ${key}`)) continue
    const subject = groups[0]?.value.object ?? ''
    const object = objects.owners.get(subject)
    if (!object) continue
    const findings = new Findings()
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

/** Whether there is anything to say about a Service and these endpoints together. */
export function hasLinkFindings(service: Service, groups: readonly Located<EndpointGroup>[]): boolean {
  if (service.notServed !== undefined) return false
  const findings = new Findings()
  checkService(service, groups, findings)
  return findings.list().length > 0
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
