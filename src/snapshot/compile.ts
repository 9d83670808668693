import { finish, type Steps } from '../lib/steps.ts'
import { isLoopback } from '../model/address.ts'
import type { Endpoint, EndpointGroup } from '../model/endpoint.ts'
import {
  type Cidr,
  familyOf,
  type Ip,
  listenerKey,
  type Port,
  type Protocol,
  type ServiceKey,
  type ServicePortKey,
  showAddress,
} from '../model/keys.ts'
import type { Located, ObjectSet } from '../model/objects.ts'
import type { Problem } from '../model/problem.ts'
import { showValue } from '../model/problem.ts'
import type { Service } from '../model/service.ts'
import type {
  CheckAddress,
  Claims,
  CompiledService,
  HealthCheck,
  NodeContext,
  Route,
  ServicePortEndpoints,
  Snapshot,
} from '../model/snapshot.ts'
import { showOrigin } from '../model/source-object.ts'
import { assignAddresses, assignPorts } from './assign.ts'
import { grantInSteps } from './claims.ts'
import { frontendsOf } from './frontends.ts'
import { checkAddressesOf, healthCheckOf } from './health-checks.ts'
import { nodeState, withNodeObject } from './node-object.ts'
import { isAccessible, routeOf } from './routes.ts'
import { keepSets, sameGroups, sameList, sameOrigin, samePorts } from './same.ts'
import { endpointSets, endpointsOf } from './usable.ts'

export interface CompileOptions {
  /** Where Services without a clusterIP get one from; undefined: they get none. */
  readonly clusterIpRange: Cidr | undefined
  /** Where nodePorts that were given no number come from. */
  readonly nodePortRange: readonly [number, number]
  /** Whether the engine can connect to endpoints from a client's own address; a Service that asks for it has a problem otherwise. */
  readonly transparentSource: boolean
  /** Why the engine does not serve SCTP here; undefined: it does. */
  readonly sctpRefusal?: string | undefined
  /** Whether source ranges guard more than Kubernetes has them guard. */
  readonly strictSourceRanges?: boolean
}

type Assigned = ReturnType<typeof assignAll> extends Generator<void, infer Result> ? Result : never
type Draft = Pick<CompiledService, 'input' | 'clusterIps' | 'nodePorts' | 'frontends' | 'checkAddresses'>

const CONFLICT = 'address-conflict'
const SOURCE_ADDRESS_FIELD = 'metadata.annotations["portald.io/source-address"]'
const TRANSPARENT_NEEDS = "needs the native engine and CAP_NET_ADMIN; endpoints see this machine's address instead"
const NO_PLACES = new Map<string, number>()
const NO_GROUPS: readonly Located<EndpointGroup>[] = []

/** Turns objects into what has to be in force. Pure: the same objects, node and previous snapshot give the same result.
 *  The options must be those that `previous` was compiled with.
 *  A Service whose inputs did not change stays the same reference; a route stays one even where other ports of its
 *  Service changed. */
export function compile(
  objects: ObjectSet,
  place: NodeContext,
  options: CompileOptions,
  previous: Snapshot | undefined,
): Snapshot {
  return finish(compileInSteps(objects, place, options, previous))
}

/** The same, with a step for each Service. */
export function* compileInSteps(
  objects: ObjectSet,
  place: NodeContext,
  options: CompileOptions,
  previous: Snapshot | undefined,
): Steps<Snapshot> {
  const nodeObject = objects.nodes.get(place.name)
  const node = withNodeObject(place, nodeObject, previous?.node)
  if (previous && previous.objects.services === objects.services && previous.node === node) {
    return yield* compileEndpoints(objects, options, previous, nodeState(nodeObject, previous.nodeState))
  }
  const assigned = yield* assignAll(objects, options, previous)
  const drafts = new Map<ServiceKey, Draft>()
  const servesSctp = options.sctpRefusal === undefined
  for (const [key, input] of objects.services) {
    yield
    drafts.set(key, draft(input, assigned, node, servesSctp, previous?.services.get(key)))
  }
  const claims = yield* grantInSteps(claimants(drafts), previous?.claims)

  const services = new Map<ServiceKey, CompiledService>()
  const routes = new Map<Route['key'], Route>()
  const healthChecks = new Map<HealthCheck['key'], HealthCheck>()
  const problems = [...objects.problems]
  for (const [key, wanted] of drafts) {
    yield
    const groups = objects.endpoints.get(key) ?? NO_GROUPS
    const before = previous?.services.get(key)
    const compiled =
      before && isCurrent(before, wanted, groups, node, claims)
        ? before
        : compileService(wanted, groups, node, claims, objects, options, before)
    services.set(key, compiled)
    for (const route of compiled.routes) routes.set(route.key, route)
    for (const check of compiled.healthChecks) healthChecks.set(check.key, check)
    problems.push(...compiled.problems)
  }
  return {
    revision: (previous?.revision ?? 0) + 1,
    objects,
    node,
    nodeState: nodeState(nodeObject, previous?.nodeState),
    services,
    routes,
    healthChecks,
    claims,
    assigned: { addresses: assigned.addresses.places, ports: assigned.ports.places },
    problems,
  }
}

/** The short way where only endpoints can have changed: addresses and claims stand, and so does every Service whose endpoints
 *  are the same. */
function* compileEndpoints(
  objects: ObjectSet,
  options: CompileOptions,
  previous: Snapshot,
  state: Snapshot['nodeState'],
): Steps<Snapshot> {
  const { claims, node } = previous
  const changed: CompiledService[] = []
  for (const [key, before] of previous.services) {
    const groups = objects.endpoints.get(key) ?? NO_GROUPS
    if (before.groups === groups || sameGroups(before.groups, groups)) continue
    yield
    // Its text may have moved since it was compiled.
    const input = objects.services.get(key) ?? before.input
    changed.push(compileService({ ...before, input }, groups, node, claims, objects, options, before))
  }
  const services = new Map(previous.services)
  const routes = new Map(previous.routes)
  const healthChecks = new Map(previous.healthChecks)
  for (const compiled of changed) {
    services.set(compiled.input.value.key, compiled)
    for (const route of compiled.routes) routes.set(route.key, route)
    for (const check of compiled.healthChecks) healthChecks.set(check.key, check)
  }
  const problems = [...objects.problems]
  for (const compiled of services.values()) for (const problem of compiled.problems) problems.push(problem)
  return { ...previous, revision: previous.revision + 1, objects, nodeState: state, services, routes, healthChecks, problems }
}

function* claimants(drafts: ReadonlyMap<ServiceKey, Draft>) {
  for (const draft of drafts.values()) yield { service: draft.input.value, ...draft }
}

function* assignAll(objects: ObjectSet, options: CompileOptions, previous: Snapshot | undefined) {
  const { clusterIpRange: range, nodePortRange } = options
  const withoutAddress: string[] = []
  const withoutPort: string[] = []
  const givenIps = new Set<Ip>()
  const givenPorts = new Set<number>()
  for (const { value: service } of objects.services.values()) {
    yield
    // Of Services that another program serves, too: what somebody wrote down is never given to somebody else.
    for (const ip of [...service.clusterIps, ...service.externalIps, ...service.ingressIps]) givenIps.add(ip)
    for (const port of service.ports) if (port.nodePort !== undefined) givenPorts.add(port.nodePort)
    if (service.healthCheckNodePort !== undefined) givenPorts.add(service.healthCheckNodePort)
    if (service.notServed !== undefined) continue
    if (service.clusterIps.length === 0 && suitsFamilies(service, range)) withoutAddress.push(service.key)
    for (const port of service.ports) {
      if (port.nodePort === undefined && service.wantsNodePorts) withoutPort.push(port.key)
    }
  }
  const addresses = range
    ? assignAddresses(withoutAddress, range, givenIps, previous?.assigned.addresses ?? NO_PLACES)
    : { places: NO_PLACES, addressOf: () => undefined }
  const ports = assignPorts(withoutPort, nodePortRange, givenPorts, previous?.assigned.ports ?? NO_PLACES)
  return { addresses, ports }
}

/** Whether a Service asked for the family of the addresses that are given out, or did not say. */
function suitsFamilies({ families }: Service, range: Cidr | undefined): boolean {
  return range === undefined || families.length === 0 || families.includes(familyOf(range.split('/')[0] as Ip))
}

function draft(
  input: Located<Service>,
  assigned: Assigned,
  node: NodeContext,
  servesSctp: boolean,
  before: CompiledService | undefined,
): Draft {
  const service = input.value
  const assignedIp = service.clusterIps.length === 0 ? assigned.addresses.addressOf(service.key) : undefined
  const clusterIps = assignedIp === undefined ? service.clusterIps : [assignedIp]
  const nodePorts = new Map<ServicePortKey, Port>()
  for (const port of service.ports) {
    const number = port.nodePort ?? (service.wantsNodePorts ? assigned.ports.portOf(port.key) : undefined)
    if (number !== undefined) nodePorts.set(port.key, number)
  }
  if (
    before?.input.value === service &&
    before.node === node &&
    sameList(before.clusterIps, clusterIps) &&
    samePorts(before.nodePorts, nodePorts)
  ) {
    const { frontends, checkAddresses } = before
    return { input, clusterIps: before.clusterIps, nodePorts: before.nodePorts, frontends, checkAddresses }
  }
  const frontends = frontendsOf(service, clusterIps, nodePorts, node.nodePortAddresses, servesSctp)
  return { input, clusterIps, nodePorts, frontends, checkAddresses: checkAddressesOf(service, clusterIps, node) }
}

/** Whether what was compiled before still holds. */
function isCurrent(
  before: CompiledService,
  wanted: Draft,
  groups: readonly Located<EndpointGroup>[],
  node: NodeContext,
  claims: Claims,
): boolean {
  if (before.input.value !== wanted.input.value || before.frontends !== wanted.frontends || before.node !== node) return false
  if (!sameGroups(before.groups, groups)) return false
  // A problem names a line, which may have moved; that of a conflict names a line of the other Service, too.
  if (before.problems.some(({ code }) => code === CONFLICT)) return false
  if (before.problems.length > 0 && (!sameOrigin(before.input.origin, wanted.input.origin) || before.claims !== claims))
    return false
  if (before.claims === claims) return true
  const moved = ({ key }: CheckAddress) => claims.owners.get(key) !== before.claims.owners.get(key)
  if (before.frontends.some(moved) || before.checkAddresses.some(moved)) return false
  for (const { port, all } of before.ports.values()) {
    for (const endpoint of all) if (forbidden(endpoint, port.protocol, claims)) return false
  }
  return true
}

function compileService(
  wanted: Draft,
  groups: readonly Located<EndpointGroup>[],
  node: NodeContext,
  claims: Claims,
  objects: ObjectSet,
  { transparentSource, sctpRefusal, strictSourceRanges = false }: CompileOptions,
  before: CompiledService | undefined,
): CompiledService {
  const { input, frontends } = wanted
  const service = input.value
  const problems: Problem[] = []
  const complain = (severity: Problem['severity'], code: string, field: string, value: unknown, message: string) =>
    problems.push({
      severity,
      code,
      place: showOrigin(input.origin),
      object: `Service ${service.key}`,
      field,
      value: showValue(value),
      message,
    })

  if (service.notServed === undefined) {
    // A Service that names its addresses as externalIPs says where it wants to be reached.
    if (wanted.clusterIps.length === 0 && service.externalIps.length === 0) {
      complain(
        'error',
        'no-cluster-ip',
        'spec.clusterIP',
        undefined,
        'has no address; give one, or start with --service-cluster-ip-range',
      )
    }
    if (service.options.sourceAddress === 'transparent' && !transparentSource)
      complain('error', 'source-address', SOURCE_ADDRESS_FIELD, 'transparent', TRANSPARENT_NEEDS)
    service.ports.forEach((port, n) => {
      if (port.protocol === 'SCTP' && sctpRefusal !== undefined)
        complain('warning', 'sctp', `spec.ports[${n}].protocol`, 'SCTP', `is not served: ${sctpRefusal}; see docs/sctp.md`)
    })
  }

  const ports = new Map<ServicePortKey, ServicePortEndpoints>()
  for (const port of service.ports) {
    const listed = endpointsOf(service, port, groups)
    const all = listed.filter((endpoint) => {
      const reason = forbidden(endpoint, port.protocol, claims)
      if (reason !== undefined) complain('error', 'endpoint-loop', `endpoint ${endpoint.key}`, undefined, reason)
      return reason === undefined
    })
    const known = before?.ports.get(port.key)?.usable
    const usable = (family: 4 | 6) =>
      keepSets(known?.[family], endpointSets(service, all, family, node, isAccessible(frontends, port, family)))
    ports.set(port.key, { port, all, usable: { 4: usable(4), 6: usable(6) } })
  }

  /** Whether this Service has the address; else there is a problem that names who has. */
  const owns = ({ key, address }: CheckAddress, protocol: Protocol, field: string) => {
    const owner = claims.owners.get(key)
    if (owner === service.key) return true
    const place = owner === undefined ? undefined : objects.services.get(owner)
    const where = place ? ` (${showOrigin(place.origin)})` : ''
    complain('error', CONFLICT, field, `${protocol} ${showAddress(address)}`, `is held by Service ${owner}${where}`)
    return false
  }
  const routes: Route[] = []
  const routesBefore = new Map(before?.routes.map((route) => [route.key, route]))
  for (const frontend of frontends) {
    if (!owns(frontend, frontend.port.protocol, FIELDS[frontend.kind])) continue
    const usable = ports.get(frontend.port.key)?.usable[familyOf(frontend.address.ip)]
    routes.push(routeOf(frontend, service, usable, node, strictSourceRanges, routesBefore.get(frontend.key)))
  }
  const healthChecks = wanted.checkAddresses
    .filter((address) => owns(address, 'TCP', 'spec.healthCheckNodePort'))
    .map((address) => healthCheckOf(address, service, ports.values(), node))
  const { clusterIps, nodePorts, checkAddresses } = wanted
  return {
    input,
    clusterIps,
    nodePorts,
    frontends,
    checkAddresses,
    groups,
    node,
    claims,
    ports,
    routes,
    healthChecks,
    problems,
  }
}

const FIELDS: { readonly [Kind in Route['kind']]: string } = {
  clusterIP: 'spec.clusterIP',
  externalIP: 'spec.externalIPs',
  loadBalancer: 'status.loadBalancer.ingress',
  nodePort: 'spec.ports.nodePort',
}

/** Why an endpoint may not be used: it would send sessions back to us. */
function forbidden(endpoint: Endpoint, protocol: string, claims: Claims): string | undefined {
  const { ip } = endpoint.address
  if (claims.owners.has(listenerKey(protocol as 'TCP', endpoint.address)))
    return 'is an address this proxy listens on; name the server behind it'
  // A loopback address names this machine as a whole, and a Service on it says nothing about its other ports.
  if (!isLoopback(ip) && claims.clusterIps.has(ip)) return 'is the clusterIP of a Service; name the servers behind it'
  return undefined
}
