import { cidrContains, isLoopback, unusableAs } from '../model/address.ts'
import type { Cidr, Ip } from '../model/keys.ts'
import { type Problem, showValue } from '../model/problem.ts'
import type { CompiledService, Route, Snapshot } from '../model/snapshot.ts'
import { showOrigin } from '../model/source-object.ts'

/** Which addresses of Services may be made addresses of this machine. */
export interface VipRules {
  readonly clusterIpRanges: readonly Cidr[]
  readonly externalIpRanges: readonly Cidr[]
}

/** What a snapshot asks of this machine. */
export interface VipClaims {
  /** To be made local, where they are not. */
  readonly wanted: ReadonlySet<Ip>
  /** Never to be made local. */
  readonly refused: ReadonlyMap<Ip, readonly Refusal[]>
}

/** What to say of an address that is not made local. */
export interface Refusal {
  /** Where it is not local anyway. */
  readonly absent: Problem
  /** Where it is an address of one of the machine's interfaces; undefined: nothing. */
  readonly own: Problem | undefined
}

interface Claim {
  readonly ip: Ip
  readonly refusal: Refusal | undefined
}

const NO_CLAIMS: VipClaims = { wanted: new Set(), refused: new Map() }

/** Says for each snapshot which VIPs ought to be local. Policy only: the same snapshot gives the same claims; what a Service
 *  that did not change claims is remembered. */
export class VipPlanner {
  readonly #rules: VipRules
  readonly #known = new WeakMap<CompiledService, readonly Claim[]>()
  #last: { readonly services: Snapshot['services']; readonly claims: VipClaims } | undefined

  constructor(rules: VipRules) {
    this.#rules = rules
  }

  claimsOf(snapshot: Snapshot | undefined): VipClaims {
    if (!snapshot) return NO_CLAIMS
    if (this.#last?.services === snapshot.services) return this.#last.claims
    const wanted = new Set<Ip>()
    const refused = new Map<Ip, Refusal[]>()
    for (const compiled of snapshot.services.values()) {
      for (const { ip, refusal } of this.#claimsOf(compiled)) {
        if (!refusal) wanted.add(ip)
        else refused.set(ip, [...(refused.get(ip) ?? []), refusal])
      }
    }
    const claims = { wanted, refused }
    this.#last = { services: snapshot.services, claims }
    return claims
  }

  #claimsOf(compiled: CompiledService): readonly Claim[] {
    const known = this.#known.get(compiled)
    if (known) return known
    const claims = new Map<Ip, Claim>()
    for (const route of compiled.routes) {
      const { ip } = route.address
      // Those of the node are the node's business, and those of loopback are there.
      if (route.kind === 'nodePort' || isLoopback(ip) || claims.has(ip)) continue
      claims.set(ip, { ip, refusal: this.#refusalOf(compiled, route) })
    }
    const list = [...claims.values()]
    this.#known.set(compiled, list)
    return list
  }

  #refusalOf(compiled: CompiledService, route: Route): Refusal | undefined {
    const { ip } = route.address
    const unusable = unusableAs(ip)
    if (unusable !== undefined) {
      const absent = problemOf(compiled, route, 'error', `is ${unusable}, and never made an address of this machine`)
      return { absent, own: undefined }
    }
    // Addresses of load balancers are told by the status, which is not the Service's author's to write.
    if (route.kind === 'loadBalancer') return undefined
    const [ranges, flag] =
      route.kind === 'clusterIP'
        ? [this.#rules.clusterIpRanges, '--service-cluster-ip-range']
        : [this.#rules.externalIpRanges, '--external-ip-range']
    if (ranges.some((range) => cidrContains(range, ip))) return undefined
    const outside = `it is outside of ${flag} ${ranges.join(',')}`
    const why = ranges.length === 0 ? `no ${flag} is given` : outside
    return {
      absent: problemOf(compiled, route, 'error', `is not an address of this machine and is not made one: ${why}`),
      own:
        ranges.length === 0
          ? undefined
          : problemOf(compiled, route, 'warning', `is an address of this machine itself, not a VIP: ${outside}`),
    }
  }
}

const FIELDS: { readonly [Kind in Route['kind']]: string } = {
  clusterIP: 'spec.clusterIP',
  externalIP: 'spec.externalIPs',
  loadBalancer: 'status.loadBalancer.ingress',
  nodePort: 'spec.ports.nodePort',
}

function problemOf(
  { input }: CompiledService,
  { kind, service, address }: Route,
  severity: Problem['severity'],
  message: string,
): Problem {
  return {
    severity,
    code: 'vip-range',
    place: showOrigin(input.origin),
    object: `Service ${service.key}`,
    field: FIELDS[kind],
    value: showValue(address.ip),
    message,
  }
}
