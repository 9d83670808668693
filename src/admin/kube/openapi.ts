import { hash } from 'node:crypto'
import { KINDS, type Kind } from './kinds.ts'
import type { Schema } from './schema.ts'

/** The documents that tell clients what there is and what it means, made of the same schemas that objects are checked by. */

interface Parameter {
  readonly name: string
  readonly in: 'query' | 'path'
  readonly description: string
}

const query = (name: string, description: string): Parameter => ({ name, in: 'query', description })

/** What kubectl looks for before it leaves validation and dry runs to the server. */
export const WRITE_PARAMETERS: readonly Parameter[] = [
  query('dryRun', 'All: says what would happen, and changes nothing.'),
  query('fieldManager', 'Name of the program that writes.'),
  query('fieldValidation', 'Ignore, Warn or Strict: what to do with unknown fields.'),
]
const READ_PARAMETERS: readonly Parameter[] = [
  query('labelSelector', 'Only objects with these labels.'),
  query('fieldSelector', 'Only objects with these fields.'),
  query('limit', 'So many at most; continue gets the rest.'),
  query('continue', 'What the page before ended with.'),
  query('resourceVersion', 'Not older than this.'),
  query('watch', 'true: tells of changes as they happen.'),
  query('timeoutSeconds', 'How long a watch lasts.'),
]

/** `io.k8s.api.core.v1.Service`. */
export function schemaName({ group, version, kind }: Kind): string {
  return `io.k8s.api.${group === '' ? 'core' : group.split('.')[0]}.${version}.${kind}`
}

export const gvkOf = ({ group, version, kind }: Kind) => ({ group, kind, version })

/** The schema of a kind, marked as such. */
export function markedSchema(kind: Kind): Schema & Readonly<Record<string, unknown>> {
  return { ...kind.schema, 'x-kubernetes-group-version-kind': [gvkOf(kind)] }
}

/** `/api/v1/namespaces/{namespace}/services`. */
export function collectionPath(kind: Kind, inNamespace: boolean): string {
  const base = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.apiVersion}`
  return inNamespace ? `${base}/namespaces/{namespace}/${kind.resource}` : `${base}/${kind.resource}`
}

/** `GET /openapi/v3`. */
export function openApiIndex(): object {
  const names = [...new Set(KINDS.map(groupVersionPath))]
  const paths = names.map((name) => {
    const sum = hash('sha256', JSON.stringify(openApiDocument(name)), 'hex')
      .slice(0, 32)
      .toUpperCase()
    return [name, { serverRelativeURL: `/openapi/v3/${name}?hash=${sum}` }] as const
  })
  return { paths: Object.fromEntries(paths) }
}

/** `api/v1`, `apis/discovery.k8s.io/v1`. */
function groupVersionPath(kind: Kind): string {
  return kind.group === '' ? `api/${kind.version}` : `apis/${kind.apiVersion}`
}

/** `GET /openapi/v3/api/v1`; undefined: there is no such group or version. */
export function openApiDocument(name: string): object | undefined {
  const kinds = KINDS.filter((kind) => groupVersionPath(kind) === name)
  if (kinds.length === 0) return undefined
  return {
    openapi: '3.0.0',
    info: { title: 'portald', version: kinds[0]?.version },
    paths: Object.fromEntries(kinds.flatMap(pathsOf)),
    components: { schemas: Object.fromEntries(kinds.map((kind) => [schemaName(kind), markedSchema(kind)])) },
  }
}

const MEDIA = 'application/json'
const PATCHES = ['json-patch+json', 'merge-patch+json', 'strategic-merge-patch+json', 'apply-patch+yaml']

function pathsOf(kind: Kind): [string, object][] {
  const ref = { $ref: `#/components/schemas/${schemaName(kind)}` }
  const content = { content: { [MEDIA]: { schema: ref } } }
  const operation = (action: string, parameters: readonly Parameter[], body?: object) => ({
    tags: [groupVersionPath(kind)],
    operationId: `${action}${kind.version}${kind.kind}`,
    parameters: parameters.map((one) => ({ ...one, schema: { type: 'string' } })),
    ...(body && { requestBody: body }),
    responses: { '200': { description: 'OK', ...content } },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvkOf(kind),
  })
  const patches = Object.fromEntries(PATCHES.map((type) => [`application/${type}`, { schema: { type: 'object' } }]))
  const collection = collectionPath(kind, kind.namespaced)
  const namespace = { name: 'namespace', in: 'path', required: true, schema: { type: 'string' } }
  const name = { ...namespace, name: 'name' }
  const one: [string, object] = [
    `${collection}/{name}`,
    {
      get: operation('get', []),
      put: operation('put', WRITE_PARAMETERS, content),
      patch: operation('patch', [...WRITE_PARAMETERS, query('force', 'true: takes fields from others.')], { content: patches }),
      delete: operation('delete', WRITE_PARAMETERS.slice(0, 1)),
      parameters: [name, ...(kind.namespaced ? [namespace] : [])],
    },
  ]
  const many: [string, object] = [
    collection,
    {
      get: operation('list', READ_PARAMETERS),
      post: operation('post', WRITE_PARAMETERS, content),
      delete: operation('deletecollection', READ_PARAMETERS),
      ...(kind.namespaced && { parameters: [namespace] }),
    },
  ]
  if (!kind.namespaced) return [many, one]
  return [[collectionPath(kind, false), { get: operation('list', READ_PARAMETERS) }], many, one]
}
