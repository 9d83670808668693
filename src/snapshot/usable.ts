import type { Endpoint, EndpointGroup } from '../model/endpoint.ts'
import { endpointKey, familyOf } from '../model/keys.ts'
import type { Located } from '../model/objects.ts'
import type { Service, ServicePort } from '../model/service.ts'

/** Which of two entries for one address counts: a ready one before a live one before a terminating one, for addresses
 *  are given anew; of terminating ones, one that still serves. */
function rank(endpoint: Endpoint): number {
  if (endpoint.terminating) return endpoint.serving ? 1 : 0
  return endpoint.ready ? 3 : 2
}

const byKey = (a: Endpoint, b: Endpoint) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)

/** Every endpoint listed for a Service port: the union of its groups, one entry per address, in key order. */
export function endpointsOf(service: Service, port: ServicePort, groups: readonly Located<EndpointGroup>[]): readonly Endpoint[] {
  const byAddress = new Map<string, Endpoint>()
  for (const { value: group } of groups) {
    for (const groupPort of group.ports) {
      if (groupPort.name !== port.name || groupPort.protocol !== port.protocol) continue
      for (const listed of group.endpoints) {
        const address = { ip: listed.ip, port: groupPort.port }
        const key = endpointKey(address, port.protocol)
        const { ready, serving, terminating, nodeName, zone, zoneHints, nodeHints, topology } = listed
        // Slices carry it in `ready` already.
        const published = service.publishNotReadyAddresses && group.object.startsWith('Endpoints ')
        const endpoint: Endpoint = {
          key,
          address,
          weight: 1,
          ready: ready || published,
          serving,
          terminating,
          nodeName,
          zone,
          zoneHints,
          nodeHints,
          topology,
        }
        const known = byAddress.get(key)
        if (!known || rank(endpoint) > rank(known)) byAddress.set(key, endpoint)
      }
    }
  }
  return [...byAddress.values()].sort(byKey)
}

/** The endpoints of one family that new sessions may use: the ready ones, which a terminating one is too where its
 *  Service publishes addresses that are not ready; where there are none, those that are terminating but still serve
 *  (Kubernetes' terminating fallback, KEP-1669). */
export function usableEndpoints(all: readonly Endpoint[], family: 4 | 6): readonly Endpoint[] {
  const ofFamily = all.filter((endpoint) => familyOf(endpoint.address.ip) === family)
  const ready = ofFamily.filter((endpoint) => endpoint.ready)
  if (ready.length > 0) return ready
  return ofFamily.filter((endpoint) => endpoint.serving && endpoint.terminating)
}
