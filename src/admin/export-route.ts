import type { ObjectValue } from '../store/store.ts'
import type { AdminRegistrar } from './front/registrar.ts'
import { ownerOf } from './object-owner.ts'

/** What is served; namespaces come by themselves. */
const KINDS = ['Service', 'EndpointSlice', 'Endpoints']
/** What an API server gives, not who writes an object. */
const GIVEN = new Set(['uid', 'resourceVersion', 'generation', 'managedFields'])

/** `GET /portald/v1/objects`: what was written through the API, as a List that a file may hold and that `kubectl apply` takes. */
export const registerExport: AdminRegistrar = (app, { store }) => {
  app.get('/portald/v1/objects', () => ({
    apiVersion: 'v1',
    kind: 'List',
    items: KINDS.flatMap((kind) => store.list(kind))
      .filter((object) => ownerOf(object) === undefined)
      .map(({ value }) => written(value)),
  }))
}

function written({ metadata = {}, status: _, ...rest }: ObjectValue): ObjectValue {
  const { apiVersion, kind, ...more } = rest
  const own = Object.fromEntries(Object.entries(metadata).filter(([field]) => !GIVEN.has(field)))
  return { apiVersion, kind, metadata: own, ...more }
}
