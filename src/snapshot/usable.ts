import type { Endpoint, EndpointGroup } from '../model/endpoint.ts'
import { endpointKey, familyOf } from '../model/keys.ts'
import type { Located } from '../model/objects.ts'
import type { Service, ServicePort } from '../model/service.ts'
import type { EndpointSets, NodeContext } from '../model/snapshot.ts'
import { preferred } from './topology.ts'

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
  const { weights, backups } = service.options
  const isBackup = new Set(backups)
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
          weight: weights[listed.ip] ?? group.weight ?? 1,
          backup: group.backup || isBackup.has(listed.ip),
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

/** Which endpoints of one family new sessions may use (Kubernetes' CategorizeEndpoints): those that are ready; where none
 *  is, those that are terminating and still serve (KEP-1669), decided for the cluster and this node by itself. An endpoint
 *  that terminates counts as ready where its Service publishes addresses that are not. `accessible`: whether the Service
 *  port answers on an address meant for clients outside the cluster. */
export function endpointSets(
  service: Service,
  all: readonly Endpoint[],
  family: 4 | 6,
  node: NodeContext,
  accessible: boolean,
): EndpointSets {
  const ofFamily = all.filter((endpoint) => familyOf(endpoint.address.ip) === family)
  const ready = ofFamily.filter((endpoint) => endpoint.ready)
  const stopping = ofFamily.filter((endpoint) => endpoint.serving && endpoint.terminating)
  const { internalTrafficPolicy, externalTrafficPolicy } = service
  const usesLocal = internalTrafficPolicy === 'Local' || (accessible && externalTrafficPolicy === 'Local')
  // Also under an external policy of Local: clients on this node may use any endpoint.
  const usesCluster = internalTrafficPolicy === 'Cluster' || accessible
  return {
    cluster: usesCluster ? preferred(service, ready.length > 0 ? ready : stopping, ready.length > 0, node) : undefined,
    local: usesLocal ? orElse(ready.filter(isOn(node)), () => stopping.filter(isOn(node))) : undefined,
    hasAny: ready.length > 0 || stopping.length > 0,
  }
}

function orElse(list: readonly Endpoint[], other: () => readonly Endpoint[]): readonly Endpoint[] {
  return list.length > 0 ? list : other()
}

function isOn({ name }: NodeContext): (endpoint: Endpoint) => boolean {
  return (endpoint) => name !== '' && endpoint.nodeName === name
}
