import type { Endpoint } from '../model/endpoint.ts'
import { ANY_NODE, HOSTNAME_LABEL, labelOf, ZONE_LABEL } from '../model/labels.ts'
import type { Service } from '../model/service.ts'
import type { NodeContext } from '../model/snapshot.ts'

/** The endpoints of a cluster-wide set that suit this node. Hints are a preference, never applied to the terminating
 *  fallback (`ready` false) and never leaving nothing; `topologyKeys` are a constraint, always applied, and may. */
export function preferred(
  service: Service,
  endpoints: readonly Endpoint[],
  ready: boolean,
  node: NodeContext,
): readonly Endpoint[] {
  if (service.topologyKeys.length > 0) return byKeys(endpoints, service.topologyKeys, node)
  return ready ? byHints(endpoints, service, node) : endpoints
}

type Hints = (endpoint: Endpoint) => readonly string[]

/** All or nothing: hints count where every endpoint has one, and one of them is for us. This node goes before its zone. */
function byHints(endpoints: readonly Endpoint[], service: Service, node: NodeContext): readonly Endpoint[] {
  const { trafficDistribution: wish } = service
  // Whoever wrote the endpoints usually turned the wish into hints; in plain files nobody did.
  const given = !wish || endpoints.some(({ nodeHints, zoneHints }) => nodeHints.length > 0 || zoneHints.length > 0)
  const nodeHints: Hints = given ? (endpoint) => endpoint.nodeHints : ({ nodeName }) => own(nodeName)
  const zoneHints: Hints = given ? (endpoint) => endpoint.zoneHints : ({ zone }) => own(zone)
  const onNode = given || wish === 'same-node' ? hinted(endpoints, nodeHints, node.name) : undefined
  return onNode ?? hinted(endpoints, zoneHints, labelOf(node.labels, ZONE_LABEL)) ?? endpoints
}

function own(place: string | undefined): readonly string[] {
  return place ? [place] : []
}

function hinted(endpoints: readonly Endpoint[], hints: Hints, place: string | undefined): readonly Endpoint[] | undefined {
  if (!place) return undefined
  const ours: Endpoint[] = []
  for (const endpoint of endpoints) {
    const places = hints(endpoint)
    if (places.length === 0) return undefined
    if (places.includes(place)) ours.push(endpoint)
  }
  return ours.length > 0 ? ours : undefined
}

/** What the first key matches that matches anything. */
function byKeys(endpoints: readonly Endpoint[], keys: readonly string[], node: NodeContext): readonly Endpoint[] {
  for (const key of keys) {
    if (key === ANY_NODE) return endpoints
    const place = labelOfNode(node, key)
    const matching = place === undefined ? [] : endpoints.filter((endpoint) => labelOfEndpoint(endpoint, key) === place)
    if (matching.length > 0) return matching
  }
  return []
}

/** Names stand for the label of the host name: endpoints know no other. */
function labelOfNode({ name, labels }: NodeContext, key: string): string | undefined {
  return key === HOSTNAME_LABEL ? name || undefined : labelOf(labels, key)
}

function labelOfEndpoint({ nodeName, zone, topology }: Endpoint, key: string): string | undefined {
  if (key === HOSTNAME_LABEL) return nodeName
  return key === ZONE_LABEL ? zone : labelOf(topology, key)
}
