import type { Endpoint } from '../model/endpoint.ts'
import { type Cidr, familyOf } from '../model/keys.ts'
import type { Service, ServicePort } from '../model/service.ts'
import type { EndpointSets, Frontend, NodeContext, Route } from '../model/snapshot.ts'
import { sourceRangesOf } from './source-ranges.ts'

const NO_ENDPOINTS: readonly Endpoint[] = []
const NO_CLIENTS: readonly Cidr[] = []

/** Whether clients outside the cluster are meant to reach a Service port. */
export function isAccessible(frontends: readonly Frontend[], port: ServicePort, family: 4 | 6): boolean {
  return frontends.some(
    (frontend) => frontend.port === port && frontend.kind !== 'clusterIP' && familyOf(frontend.address.ip) === family,
  )
}

/** What a frontend does with the endpoints of its Service port and family; `before` itself where that is the same. One
 *  that no client may use has no endpoints: it is closed. */
export function routeOf(
  frontend: Frontend,
  service: Service,
  usable: EndpointSets | undefined,
  node: NodeContext,
  strictSourceRanges: boolean,
  before: Route | undefined,
): Route {
  const ranges = sourceRangesOf(frontend, service, node, strictSourceRanges)
  const sets = ranges === undefined ? undefined : usable
  const internal = frontend.kind === 'clusterIP'
  const policy = internal ? service.internalTrafficPolicy : service.externalTrafficPolicy
  const endpoints = sets?.[policy === 'Local' ? 'local' : 'cluster'] ?? NO_ENDPOINTS
  const shortCircuit = policy === 'Local' && !internal
  const route: Route = {
    ...frontend,
    service,
    policy,
    endpoints,
    localClientEndpoints: shortCircuit ? (sets?.cluster ?? NO_ENDPOINTS) : endpoints,
    localClients: shortCircuit ? node.clients : NO_CLIENTS,
    sourceRanges: ranges ?? NO_CLIENTS,
    holdMs: ranges === undefined || usable?.hasAny ? undefined : service.options.holdMs,
  }
  return before && sameRoute(before, route) ? before : route
}

function sameRoute(a: Route, b: Route): boolean {
  return (
    a.service === b.service &&
    a.port === b.port &&
    a.kind === b.kind &&
    a.endpoints === b.endpoints &&
    a.localClientEndpoints === b.localClientEndpoints &&
    a.localClients === b.localClients &&
    a.holdMs === b.holdMs &&
    a.sourceRanges.length === b.sourceRanges.length &&
    a.sourceRanges.every((range, n) => range === b.sourceRanges[n])
  )
}
