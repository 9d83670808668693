import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { KINDS, storedKind } from '../../src/admin/kube/kinds.ts'
import type { Schema } from '../../src/admin/kube/schema.ts'
import { endpointsSchema, sliceSchema } from '../../src/model/endpoint-schema.ts'
import { serviceSchema } from '../../src/model/service-schema.ts'
import { KubeWorld } from '../support/kube-world.ts'
import type { Json } from '../support/objects.ts'

/** The fields of a schema, as paths. */
function fieldsOf(schema: Schema | undefined, path = ''): string[] {
  const inner = schema as (Schema & { anyOf?: readonly Schema[] }) | undefined
  const alternatives = (inner?.anyOf ?? []).flatMap((one) => fieldsOf(one, path))
  const items = inner?.items ? fieldsOf(inner.items, path) : []
  const own = Object.entries(inner?.properties ?? {}).flatMap(([name, field]) => {
    const at = path === '' ? name : `${path}.${name}`
    return [at, ...fieldsOf(field, at)]
  })
  return [...own, ...alternatives, ...items]
}

describe('what the API says of itself', () => {
  // The rules stand in model/, the types and words in the shapes: what is read must be known to both.
  it.each([
    ['services', serviceSchema],
    ['endpointslices', sliceSchema],
    ['endpoints', endpointsSchema],
  ] as const)('knows every field of %s that is read', (resource, rules) => {
    const read = fieldsOf(z.toJSONSchema(rules, { io: 'input', unrepresentable: 'any' }) as Schema)
    const known = new Set(KINDS.filter((kind) => kind.resource === resource).flatMap((kind) => fieldsOf(kind.schema)))
    expect(read.length).toBeGreaterThan(10)
    expect(read.filter((field) => !known.has(field))).toEqual([])
  })

  it('describes every field', () => {
    const undescribed = (schema: Schema, path: string): string[] =>
      Object.entries(schema.properties ?? {}).flatMap(([name, field]) => [
        ...(field.description ? [] : [`${path}.${name}`]),
        ...undescribed(field, `${path}.${name}`),
        ...(field.items ? undescribed(field.items, `${path}.${name}[]`) : []),
      ])
    expect(KINDS.flatMap((kind) => undescribed(kind.schema, kind.kind))).toEqual([])
  })

  it('names the keys that ports are merged by', () => {
    const ports = storedKind('services').schema.properties?.['spec']?.properties?.['ports']
    expect(ports).toMatchObject({ 'x-kubernetes-list-map-keys': ['port', 'protocol'], 'x-kubernetes-patch-merge-key': 'port' })
  })

  it('has a document behind every address of the index', async () => {
    const world = await KubeWorld.open()
    const index = (await world.ask('GET', '/openapi/v3')).body as { paths: Record<string, { serverRelativeURL: string }> }
    expect(Object.keys(index.paths).sort()).toEqual(['api/v1', 'apis/discovery.k8s.io/v1', 'apis/discovery.k8s.io/v1beta1'])
    for (const { serverRelativeURL } of Object.values(index.paths)) {
      const { code, body } = await world.ask('GET', serverRelativeURL)
      expect(code).toBe(200)
      const { patch } = Object.values(body['paths'] as Record<string, { patch?: Json }>).find((one) => one.patch) as {
        patch: Json
      }
      const parameters = (patch['parameters'] as Json[]).map(({ name }) => name)
      expect(parameters).toEqual(expect.arrayContaining(['fieldValidation', 'dryRun', 'fieldManager']))
    }
  })

  it('lists its resources, one by one and all at once', async () => {
    const world = await KubeWorld.open()
    const core = (await world.ask('GET', '/api/v1')).body['resources'] as Json[]
    expect(core.map(({ name }) => name)).toEqual(['services', 'services/status', 'endpoints', 'namespaces', 'namespaces/status'])
    expect((await world.ask('GET', '/apis')).body['groups']).toMatchObject([
      { name: 'discovery.k8s.io', preferredVersion: { version: 'v1' } },
    ])
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json'
    const all = await world.ask('GET', '/apis', undefined, { accept })
    expect(all.contentType).toContain('APIGroupDiscoveryList')
    expect(all.body['items']).toMatchObject([
      { metadata: { name: 'discovery.k8s.io' }, versions: [{ version: 'v1' }, { version: 'v1beta1' }] },
    ])
  })

  it.each([
    ['GET', '/api/v2', 404],
    ['GET', '/apis/apps/v1/deployments', 404],
    ['GET', '/api/v1/services/web', 404],
    ['GET', '/api/v1/namespaces/default/services/web/scale', 404],
    ['POST', '/version', 405],
    ['PUT', '/api/v1/namespaces/default/services', 405],
    ['POST', '/api/v1/services', 405],
  ])('answers %s %s with %i', async (method, path, code) => {
    const world = await KubeWorld.open()
    const body = method === 'POST' ? { metadata: { name: 'web' } } : undefined
    expect(await world.ask(method, path, body)).toMatchObject({ code, body: { kind: 'Status', status: 'Failure' } })
  })
})
