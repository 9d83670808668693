import type { Endpoint } from '../model/endpoint.ts'
import type { EndpointKey, ServicePortKey } from '../model/keys.ts'
import type { CompiledService } from '../model/snapshot.ts'

/** An endpoint that is listed for a Service port. */
export interface ListedEndpoint {
  readonly service: ServicePortKey
  readonly endpoint: EndpointKey
}

/** Endpoints that are listed now and were not before. */
export function arrived(before: CompiledService | undefined, now: CompiledService): readonly ListedEndpoint[] {
  return changed(before, now, (_, known) => known === undefined)
}

/** Endpoints that are not ready now and were, or were not listed. One that is about to end is ready enough for the sessions it
 *  has as long as it serves. */
export function turnedUnready(before: CompiledService, now: CompiledService): readonly ListedEndpoint[] {
  return changed(before, now, (endpoint, known) => isUnready(endpoint) && !(known && isUnready(known)))
}

/** Endpoints that were listed and not ready, and are ready now. */
export function turnedReady(before: CompiledService, now: CompiledService): readonly ListedEndpoint[] {
  return changed(before, now, (endpoint, known) => !isUnready(endpoint) && known !== undefined && isUnready(known))
}

function isUnready({ ready, serving, terminating }: Endpoint): boolean {
  return !ready && !(serving && terminating)
}

function changed(
  before: CompiledService | undefined,
  now: CompiledService,
  isMeant: (endpoint: Endpoint, known: Endpoint | undefined) => boolean,
): readonly ListedEndpoint[] {
  const found: ListedEndpoint[] = []
  for (const [service, { all }] of now.ports) {
    const known = new Map(before?.ports.get(service)?.all.map((endpoint) => [endpoint.key, endpoint]))
    for (const endpoint of all) {
      if (isMeant(endpoint, known.get(endpoint.key))) found.push({ service, endpoint: endpoint.key })
    }
  }
  return found
}
