import type { EndpointKey, ServicePortKey } from '../model/keys.ts'
import type { Service } from '../model/service.ts'
import type { CompiledService } from '../model/snapshot.ts'

/** No port is called that. */
const HOSTS = ':*/hosts'

/** Where affinity holds for all ports of a Service, clients are remembered by a slot that stands for all of them, and
 *  endpoints by slots of their addresses. This is the name of the first; undefined: affinity is each port's own. */
export function hostsKeyOf({ key, affinityTimeoutMs, options }: Service): ServicePortKey | undefined {
  const wanted = affinityTimeoutMs !== undefined && options.affinityScope === 'service'
  return wanted ? (`${key}${HOSTS}` as ServicePortKey) : undefined
}

/** Whether a name in the ledger is none of a Service port. */
export function isHostsKey(key: ServicePortKey): boolean {
  return key.endsWith(HOSTS)
}

/** The name of an address among those of its Service. */
export function hostKeyOf(ip: string): EndpointKey {
  return ip as EndpointKey
}

/** The addresses of all endpoints of a Service. */
export function hostKeysOf({ ports }: CompiledService): ReadonlySet<EndpointKey> {
  return new Set([...ports.values()].flatMap(({ all }) => all.map(({ address }) => hostKeyOf(address.ip))))
}
