import { cidrContains, parseCidr, parseIp } from '../../model/address.ts'
import { isMapping } from '../../model/findings.ts'
import { type Cidr, familyOf, type Ip } from '../../model/keys.ts'
import { assignAddresses, assignPorts } from '../../snapshot/assign.ts'
import type { ObjectKey, StoreView } from '../../store/store.ts'
import { ownerOf } from '../object-owner.ts'
import { cause } from './causes.ts'
import type { KubeContext } from './context.ts'
import type { Mapping } from './outcome.ts'
import type { Cause } from './refusal.ts'
import { heldBy, portsOf, takenIn } from './taken.ts'
import { listAt, mappingAt, textAt } from './values.ts'

/** A Service with everything assigned, or why that cannot be. */
export interface Allocation {
  readonly object: Mapping
  readonly causes: readonly Cause[]
}

const NO_PLACES = new Map<string, number>()

/** Gives a Service its clusterIP, nodePorts and healthCheckNodePort where it named none, and checks that those it named may
 *  be its own. `before` is what it had. */
export function allocate(context: KubeContext, view: StoreView, object: Mapping, before: Mapping | undefined): Allocation {
  const spec = mappingAt(object, 'spec')
  const key = `${textAt(object, 'metadata', 'namespace')}/${textAt(object, 'metadata', 'name')}`
  const old = mappingAt(before, 'spec')
  let taken: Others | undefined
  const others = () => {
    taken ??= takenBy(context, view, serviceKeyOf(key))
    return taken
  }
  const causes: Cause[] = []
  let next = spec
  if (spec['type'] !== 'ExternalName') next = allocateIp(context, key, next, old, others, causes)
  next = allocatePorts(context, key, next, old, others, causes)
  return { object: { ...object, spec: next }, causes }
}

/** What may not be assigned. */
interface Others {
  readonly ips: Pick<ReadonlySet<Ip>, 'has'>
  readonly ports: Pick<ReadonlySet<number>, 'has'>
}

/** What other Services have. */
function takenBy({ insight, store }: KubeContext, view: StoreView, own: ObjectKey): Others {
  const taken = takenIn(store, view.list('Service'))
  const held = heldBy(view.get(own)?.value ?? {})
  const ips = new Set<Ip>()
  const ports = new Set<number>()
  // Services of files and clusters may have been assigned what they do not say.
  for (const holding of insight.holdings()) {
    const stored = view.get(serviceKeyOf(holding.service))
    if (!stored || ownerOf(stored) === undefined) continue
    for (const ip of holding.ips) ips.add(ip)
    for (const port of holding.ports) ports.add(port)
  }
  return {
    ips: { has: (ip) => ips.has(ip) || taken.countIp(ip) > (held.ips.has(ip) ? 1 : 0) },
    ports: { has: (port) => ports.has(port) || taken.countPort(port) > (held.ports.has(port) ? 1 : 0) },
  }
}

function serviceKeyOf(key: string): ObjectKey {
  const [namespace = '', name = ''] = key.split('/')
  return { kind: 'Service', namespace, name }
}

function allocateIp(
  { clusterIpRanges }: KubeContext,
  key: string,
  spec: Mapping,
  old: Mapping,
  others: () => Others,
  causes: Cause[],
): Mapping {
  const given = listAt(spec, 'clusterIPs').map(String)
  if (given.length > 0) {
    const had = listAt(old, 'clusterIPs')
    for (const text of given) {
      const ip = parseIp(text)
      if (ip === undefined || had.includes(text)) continue
      const why = whyNot(ip, clusterIpRanges, others)
      if (why !== undefined)
        causes.push(cause('FieldValueInvalid', 'spec.clusterIPs', given, `failed to allocate IP ${ip}: ${why}`))
    }
    return { ...spec, ...familiesOf(given, spec) }
  }
  const families = wantedFamilies(clusterIpRanges, spec)
  const ips: string[] = []
  for (const [n, family] of families.entries()) {
    const range = rangeOf(clusterIpRanges, family)
    if (range === undefined) {
      causes.push(cause('FieldValueInvalid', `spec.ipFamilies[${n}]`, family, 'not configured on this cluster'))
      continue
    }
    const ip = assignAddresses([key], range, others().ips, NO_PLACES).addressOf(key)
    if (ip === undefined) {
      causes.push(cause('FieldValueInvalid', 'spec.clusterIPs', [], `failed to allocate a serviceIP: range ${range} is full`))
    } else ips.push(ip)
  }
  return ips.length === 0 ? spec : { ...spec, clusterIP: ips[0], clusterIPs: ips, ...familiesOf(ips, spec) }
}

const rangeOf = (ranges: readonly Cidr[], family: unknown) =>
  ranges.find((range) => familyName(range.split('/')[0] as Ip) === family)

/** The families that a Service without addresses is to have; none where nothing is assigned. */
function wantedFamilies(ranges: readonly Cidr[], spec: Mapping): readonly unknown[] {
  const [first] = ranges
  if (first === undefined) return []
  const said = listAt(spec, 'ipFamilies')
  const main = said[0] ?? familyName(first.split('/')[0] as Ip)
  const other = said[1] ?? (main === 'IPv4' ? 'IPv6' : 'IPv4')
  const { ipFamilyPolicy: policy } = spec
  if (said.length > 1 || policy === 'RequireDualStack') return [main, other]
  return policy === 'PreferDualStack' && rangeOf(ranges, other) ? [main, other] : [main]
}

const familyName = (ip: Ip) => `IPv${familyOf(ip)}`

function familiesOf(ips: readonly string[], spec: Mapping): Mapping {
  const families = ips.flatMap((text) => {
    const ip = parseIp(text)
    return ip === undefined ? [] : [familyName(ip)]
  })
  const said = listAt(spec, 'ipFamilies')
  const policy = spec['ipFamilyPolicy'] ?? (families.length > 1 ? 'RequireDualStack' : 'SingleStack')
  return {
    ipFamilies: said.length > 0 || families.length === 0 ? (spec['ipFamilies'] ?? ['IPv4']) : families,
    ipFamilyPolicy: policy,
  }
}

function whyNot(ip: Ip, ranges: KubeContext['clusterIpRanges'], others: () => Others): string | undefined {
  const family = ranges.filter((range) => familyOf(range.split('/')[0] as Ip) === familyOf(ip))
  if (ranges.length > 0 && !family.some((range) => cidrContains(parseCidr(range) ?? range, ip))) {
    return `the provided IP is not in the valid range. The range of valid IPs is ${ranges.join(', ')}`
  }
  return others().ips.has(ip) ? 'provided IP is already allocated' : undefined
}

function allocatePorts(
  { nodePortRange }: KubeContext,
  key: string,
  spec: Mapping,
  old: Mapping,
  others: () => Others,
  causes: Cause[],
): Mapping {
  const { type } = spec
  const had = new Set(portsOf({ spec: old }))
  const own = new Set<number>()
  const [from, to] = nodePortRange
  const check = (port: number, path: string) => {
    if (had.has(port)) {
      own.add(port)
      return
    }
    if (port < from || port > to) {
      const why = `provided port is not in the valid range. The range of valid ports is ${from}-${to}`
      causes.push(cause('FieldValueInvalid', path, port, why))
    } else if (others().ports.has(port)) {
      causes.push(cause('FieldValueInvalid', path, port, 'provided port is already allocated'))
    }
    own.add(port)
  }
  const find = (name: string, path: string) => {
    const port = assignPorts([name], nodePortRange, { has: (one) => own.has(one) || others().ports.has(one) }, NO_PLACES).portOf(
      name,
    )
    if (port === undefined) causes.push(cause('FieldValueInvalid', path, 0, 'failed to allocate a nodePort: range is full'))
    else own.add(port)
    return port
  }
  const onNodes = type === 'NodePort' || (type === 'LoadBalancer' && spec['allocateLoadBalancerNodePorts'] !== false)
  const given = listAt(spec, 'ports')
  for (const [n, port] of given.entries()) {
    const number = isMapping(port) ? port['nodePort'] : undefined
    if (typeof number === 'number' && number > 0 && (onNodes || type === 'LoadBalancer'))
      check(number, `spec.ports[${n}].nodePort`)
  }
  const healthCheck = spec['healthCheckNodePort']
  const checked = type === 'LoadBalancer' && spec['externalTrafficPolicy'] === 'Local'
  if (checked && typeof healthCheck === 'number' && healthCheck > 0) check(healthCheck, 'spec.healthCheckNodePort')

  const ports = given.map((port, n) => {
    if (!onNodes || !isMapping(port) || port['nodePort']) return port
    // A port that serves two protocols has one nodePort, if it can.
    const twin = given.find((one) => isMapping(one) && one !== port && one['port'] === port['port'] && one['nodePort'])
    if (isMapping(twin)) return { ...port, nodePort: twin['nodePort'] }
    const found = find(`${key}:${port['name'] ?? ''}/${port['protocol']}`, `spec.ports[${n}].nodePort`)
    return found === undefined ? port : { ...port, nodePort: found }
  })
  const next = given.length > 0 ? { ...spec, ports } : spec
  if (!checked || healthCheck) return next
  const found = find(`${key}:healthCheck`, 'spec.healthCheckNodePort')
  return found === undefined ? next : { ...next, healthCheckNodePort: found }
}
