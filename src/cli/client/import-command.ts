import { messageOf, ProxyError } from '../../lib/errors.ts'
import { showProblem } from '../../model/problem.ts'
import { type SourceObject, showOrigin } from '../../model/source-object.ts'
import { EXIT } from '../command-context.ts'
import { readFiles } from '../read-files.ts'
import type { Asking } from './asking.ts'

/** Who owns the fields that an import sets, for server-side apply. */
const MANAGER = 'portald-import'

/** Where each kind is kept, by `apiVersion/kind`. */
const COLLECTIONS: Readonly<Record<string, string>> = {
  'v1/Service': 'services',
  'v1/Endpoints': 'endpoints',
  'discovery.k8s.io/v1/EndpointSlice': 'endpointslices',
}

/** Gives every object of some files and folders to a running portald, one after the other: what is there becomes what it says,
 *  what is not there is made. One that is refused stops nothing, and is said with its place. */
export async function importObjects({ client, words: paths, context: { output } }: Asking): Promise<number> {
  const { objects, problems } = await readFiles(paths)
  for (const problem of problems) output.err(showProblem(problem))
  let refused = problems.length
  for (const object of objects) {
    const place = placeOf(object)
    if (!place) {
      output.err(
        `${showOrigin(object.origin)}: not an object that portald keeps: Service, Endpoints or EndpointSlice, with a name`,
      )
      refused++
      continue
    }
    try {
      const { created } = await client.apply(`${place.path}?fieldManager=${MANAGER}&force=true`, place.body)
      output.out(`${place.name} ${created ? 'created' : 'set'}`)
    } catch (error) {
      if (!(error instanceof ProxyError) || error.code !== 'E_ASK' || error.cause !== undefined) throw error
      output.err(`${showOrigin(object.origin)}: ${place.name}: ${messageOf(error)}`)
      refused++
    }
  }
  if (objects.length === 0) output.err('there is no object in these files')
  return refused === 0 && objects.length > 0 ? EXIT.done : EXIT.problem
}

interface Place {
  readonly name: string
  readonly path: string
  readonly body: object
}

function placeOf({ value }: SourceObject): Place | undefined {
  const { apiVersion, kind, metadata } = (value ?? {}) as Record<string, unknown>
  const { name, namespace = 'default' } = (metadata ?? {}) as Record<string, unknown>
  const collection = COLLECTIONS[`${apiVersion}/${kind}`]
  if (!collection || typeof name !== 'string' || name === '' || typeof namespace !== 'string') return undefined
  const group = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`
  const path = `${group}/namespaces/${encodeURIComponent(namespace)}/${collection}/${encodeURIComponent(name)}`
  // What a server keeps about an object is not for whoever applies it.
  const {
    managedFields: _fields,
    resourceVersion: _version,
    uid: _uid,
    creationTimestamp: _created,
    ...own
  } = metadata as Record<string, unknown>
  const { status: _status, ...rest } = value as Record<string, unknown>
  return { name: `${kind} ${namespace}/${name}`, path, body: { ...rest, metadata: own } }
}
