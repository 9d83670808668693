import { finish, type Steps } from '../lib/steps.ts'
import type { Ip, ListenerKey, ServiceKey } from '../model/keys.ts'
import type { Service } from '../model/service.ts'
import type { CheckAddress, Claims, Frontend } from '../model/snapshot.ts'

/** A Service and what it would like to listen on. */
export interface Claimant {
  readonly service: Service
  readonly clusterIps: readonly Ip[]
  readonly frontends: readonly Pick<Frontend, 'key'>[]
  /** Where it answers health checks. */
  readonly checkAddresses: readonly CheckAddress[]
}

/** Whether `a` goes before `b` where both want an address: the older object, then who held it, then the name. An object
 *  without a creationTimestamp is younger than any that has one. */
function goesFirst(a: Service, b: Service, holder: ServiceKey | undefined): boolean {
  const aMs = a.createdMs ?? Number.POSITIVE_INFINITY
  const bMs = b.createdMs ?? Number.POSITIVE_INFINITY
  if (aMs !== bMs) return aMs < bMs
  if (holder === a.key || holder === b.key) return holder === a.key
  return a.key < b.key
}

/** Gives every wanted address to one Service. Returns `previous` itself when nothing changed hands. */
export function grantClaims(claimants: Iterable<Claimant>, previous: Claims | undefined): Claims {
  return finish(grantInSteps(claimants, previous))
}

/** The same, with a step for each of them. */
export function* grantInSteps(claimants: Iterable<Claimant>, previous: Claims | undefined): Steps<Claims> {
  const owners = new Map<ListenerKey, ServiceKey>()
  const services = new Map<ServiceKey, Service>()
  const clusterIps = new Set<Ip>()
  for (const claimant of claimants) {
    yield
    const { service } = claimant
    services.set(service.key, service)
    for (const ip of claimant.clusterIps) clusterIps.add(ip)
    const claim = ({ key }: { readonly key: ListenerKey }) => {
      const owner = owners.get(key)
      const rival = owner === undefined ? undefined : services.get(owner)
      if (!rival || goesFirst(service, rival, previous?.owners.get(key))) owners.set(key, service.key)
    }
    claimant.frontends.forEach(claim)
    claimant.checkAddresses.forEach(claim)
  }
  return previous && sameClaims(previous, owners, clusterIps) ? previous : { owners, clusterIps }
}

function sameClaims(previous: Claims, owners: ReadonlyMap<ListenerKey, ServiceKey>, clusterIps: ReadonlySet<Ip>): boolean {
  if (previous.owners.size !== owners.size || previous.clusterIps.size !== clusterIps.size) return false
  for (const [key, owner] of owners) if (previous.owners.get(key) !== owner) return false
  for (const ip of clusterIps) if (!previous.clusterIps.has(ip)) return false
  return true
}
