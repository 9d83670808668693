import { beforeEach, describe, expect, it } from 'vitest'
import { KubeWorld } from '../support/kube-world.ts'
import type { Json } from '../support/objects.ts'
import { SERVICES, service, slice } from './cases.ts'

const V1_SLICES = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'
const BETA_SLICES = '/apis/discovery.k8s.io/v1beta1/namespaces/default/endpointslices'
const HTTP = { name: 'http', port: 80 }
const named = (name: string, spec: object = {}, metadata: object = {}) =>
  service({ ports: [HTTP], ...spec }, { name, ...metadata })

let world: KubeWorld
beforeEach(async () => {
  world = await KubeWorld.open()
})

const create = async (object: Json, path = SERVICES) => (await world.ask('POST', path, object)).body
const specOf = (object: Json) => object['spec'] as Json
const metadataOf = (object: Json) => object['metadata'] as Json
const namesIn = (list: Json) => (list['items'] as Json[]).map((item) => metadataOf(item)['name'])

describe('a new object', () => {
  it('gets a uid, a time, a version and what Kubernetes fills in', async () => {
    const web = await create(named('web'))
    expect(metadataOf(web)).toMatchObject({
      name: 'web',
      namespace: 'default',
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
    })
    expect(metadataOf(web)['uid']).toMatch(/^[0-9a-f-]{36}$/)
    expect(metadataOf(web)['resourceVersion']).toMatch(/^\d+$/)
    expect(specOf(web)).toEqual({
      type: 'ClusterIP',
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
      clusterIP: expect.stringMatching(/^127\.10\./),
      clusterIPs: [specOf(web)['clusterIP']],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      ports: [{ ...HTTP, protocol: 'TCP', targetPort: 80 }],
    })
  })

  it('gets another clusterIP than all others, even in one moment', async () => {
    const made = await Promise.all(Array.from({ length: 50 }, (_, n) => create(named(`web-${n}`))))
    expect(new Set(made.map((one) => specOf(one)['clusterIP'])).size).toBe(50)
  })

  it('gets no address that a Service of a file was assigned', async () => {
    world = await KubeWorld.open(['127.10.0.0/30'])
    const value = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'filed', namespace: 'default' }, spec: {} }
    const key = { kind: 'Service', namespace: 'default', name: 'filed' }
    await world.store.commit(() => [{ key, value, aside: { owner: '/etc/web.yaml' } }])
    world.holdings = [{ service: 'default/filed', ips: ['127.10.0.1'], ports: [] }] as unknown as typeof world.holdings
    expect(specOf(await create(named('a')))['clusterIP']).toBe('127.10.0.2')
    const full = await world.ask('POST', SERVICES, named('b'))
    expect(full.body['message']).toContain('range 127.10.0.0/30 is full')
  })

  it('gets an address of each family where it wants two', async () => {
    world = await KubeWorld.open(['127.10.0.0/16', 'fd00::/108'])
    const families = async (name: string, spec: object) => {
      const made = specOf(await create(named(name, spec)))
      return [made['ipFamilies'], (made['clusterIPs'] as string[]).map((ip) => (ip.includes(':') ? 6 : 4))]
    }
    expect(await families('a', {})).toEqual([['IPv4'], [4]])
    expect(await families('b', { ipFamilyPolicy: 'PreferDualStack' })).toEqual([
      ['IPv4', 'IPv6'],
      [4, 6],
    ])
    expect(await families('c', { ipFamilies: ['IPv6'] })).toEqual([['IPv6'], [6]])
    expect(await families('d', { ipFamilies: ['IPv6', 'IPv4'], ipFamilyPolicy: 'RequireDualStack' })).toEqual([
      ['IPv6', 'IPv4'],
      [6, 4],
    ])
    world = await KubeWorld.open()
    expect(await families('e', { ipFamilyPolicy: 'PreferDualStack' })).toEqual([['IPv4'], [4]])
    const refused = await world.ask('POST', SERVICES, named('f', { ipFamilyPolicy: 'RequireDualStack' }))
    expect(refused.body['message']).toContain('spec.ipFamilies[1]')
  })

  it('gets nodePorts and a health check port where its type has them', async () => {
    const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', loadBalancerIP: '192.0.2.7' }
    const web = await create(named('web', spec))
    const [port] = specOf(web)['ports'] as Json[]
    expect(port?.['nodePort']).toBeGreaterThanOrEqual(30_000)
    expect(specOf(web)['healthCheckNodePort']).toBeGreaterThanOrEqual(30_000)
    expect(specOf(web)['healthCheckNodePort']).not.toBe(port?.['nodePort'])
    expect(web['status']).toEqual({ loadBalancer: { ingress: [{ ip: '192.0.2.7', ipMode: 'VIP' }] } })
  })

  it('keeps what was assigned when an update does not mention it', async () => {
    const before = await create(named('web', { type: 'NodePort' }))
    const { body: after } = await world.ask(
      'PUT',
      `${SERVICES}/web`,
      named('web', { type: 'NodePort', sessionAffinity: 'ClientIP' }),
    )
    expect(specOf(after)['clusterIP']).toBe(specOf(before)['clusterIP'])
    expect(specOf(after)['ports']).toEqual(specOf(before)['ports'])
    expect(metadataOf(after)['generation']).toBe(2)
  })

  it('gives nodePorts up when it becomes a ClusterIP', async () => {
    await create(named('web', { type: 'NodePort' }))
    const type = 'application/merge-patch+json'
    const { body } = await world.ask('PATCH', `${SERVICES}/web`, { spec: { type: 'ClusterIP' } }, { type })
    expect(specOf(body)['ports']).toEqual([{ ...HTTP, protocol: 'TCP', targetPort: 80 }])
    expect(specOf(body)['externalTrafficPolicy']).toBeUndefined()
  })

  it('is not stored by a dry run', async () => {
    const { code, body } = await world.ask('POST', `${SERVICES}?dryRun=All`, named('web'))
    expect(code).toBe(201)
    expect(specOf(body)['clusterIP']).toMatch(/^127\.10\./)
    expect((await world.ask('GET', `${SERVICES}/web`)).code).toBe(404)
  })

  it('makes its namespace', async () => {
    await create(named('web', {}, { namespace: 'blue' }), '/api/v1/namespaces/blue/services')
    expect(namesIn((await world.ask('GET', '/api/v1/namespaces')).body)).toEqual(['blue', 'default'])
  })

  it('tells of fields that nobody knows, or is refused for them', async () => {
    const odd = named('web', { colour: 'red' })
    const told = await world.ask('POST', SERVICES, odd)
    expect(told.warnings).toEqual(['unknown field "spec.colour"'])
    expect(specOf(told.body)['colour']).toBeUndefined()
    const strict = await world.ask('POST', `${SERVICES}?fieldValidation=Strict`, { ...odd, metadata: { name: 'b' } })
    expect(strict.code).toBe(400)
    expect((await world.ask('POST', `${SERVICES}?fieldValidation=Ignore`, { ...odd, metadata: { name: 'c' } })).warnings).toEqual(
      [],
    )
  })

  it('is read and written as YAML', async () => {
    const yaml = 'apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n'
    const answer = await world.ask('POST', SERVICES, yaml, { type: 'application/yaml', accept: 'application/yaml' })
    expect(answer).toMatchObject({ code: 201, contentType: 'application/yaml' })
  })

  it.each([
    ['application/vnd.kubernetes.protobuf', 400],
    ['text/plain', 415],
  ])('is refused as %s', async (type, code) => {
    expect((await world.ask('POST', SERVICES, named('web'), { type })).code).toBe(code)
  })

  it('is not shown as protobuf', async () => {
    expect((await world.ask('GET', SERVICES, undefined, { accept: 'application/vnd.kubernetes.protobuf' })).code).toBe(406)
    const either = 'application/vnd.kubernetes.protobuf,application/json'
    expect((await world.ask('GET', SERVICES, undefined, { accept: either })).code).toBe(200)
  })
})

describe('an object that grows', () => {
  it('is refused when it is larger than any body may be', async () => {
    await create(named('web'))
    const type = 'application/json-patch+json'
    const big = (n: number) => [{ op: 'add', path: '/spec/externalName', value: 'x'.repeat(n) }]
    expect((await world.ask('PATCH', `${SERVICES}/web`, big(3_200_000), { type })).code).toBe(413)
    const copies = Array.from({ length: 20 }, (_, n) => ({
      op: 'copy',
      from: '/metadata/annotations',
      path: `/metadata/annotations/a${n}`,
    }))
    const first = { op: 'add', path: '/metadata/annotations', value: { b: 'x'.repeat(1000) } }
    const answer = await world.ask('PATCH', `${SERVICES}/web`, [first, ...copies], { type })
    expect(answer.body['message']).toContain('copy operations may copy')
  })
})

describe('a slice', () => {
  it('is one object in two versions', async () => {
    const topology = { 'topology.kubernetes.io/zone': 'a', 'kubernetes.io/hostname': 'node-1' }
    const old = slice({ endpoints: [{ addresses: ['192.0.2.1'], topology }] })
    const answer = await world.ask('POST', BETA_SLICES, old)
    expect(answer.warnings[0]).toContain('is deprecated')
    const { body } = await world.ask('GET', `${V1_SLICES}/web-1`)
    expect(body).toMatchObject({ apiVersion: 'discovery.k8s.io/v1', endpoints: [{ nodeName: 'node-1', zone: 'a' }] })
    const back = (await world.ask('GET', `${BETA_SLICES}/web-1`)).body
    expect(back).toMatchObject({ apiVersion: 'discovery.k8s.io/v1beta1', endpoints: [{ topology }] })
  })

  it('goes with its Service, as do Endpoints of its name', async () => {
    await create(named('web'))
    await create(slice(), BETA_SLICES)
    await create(slice({}, { name: 'db-1', labels: { 'kubernetes.io/service-name': 'db' } }), BETA_SLICES)
    await create({ metadata: { name: 'web' }, subsets: [] }, '/api/v1/namespaces/default/endpoints')
    expect((await world.ask('DELETE', `${SERVICES}/web`)).body).toMatchObject({
      status: 'Success',
      details: { name: 'web', kind: 'services' },
    })
    expect(namesIn((await world.ask('GET', V1_SLICES)).body)).toEqual(['db-1'])
    expect(namesIn((await world.ask('GET', '/api/v1/endpoints')).body)).toEqual([])
  })
})

describe('deleting', () => {
  it('waits for finalizers', async () => {
    await create(named('web', {}, { finalizers: ['example.com/wait'] }))
    await world.ask('DELETE', `${SERVICES}/web`)
    const waiting = (await world.ask('GET', `${SERVICES}/web`)).body
    expect(metadataOf(waiting)['deletionTimestamp']).toBe('2026-01-01T00:00:00Z')
    await world.ask('PATCH', `${SERVICES}/web`, { metadata: { finalizers: null } }, { type: 'application/merge-patch+json' })
    expect((await world.ask('GET', `${SERVICES}/web`)).code).toBe(404)
  })

  it('takes a collection by its labels', async () => {
    await create(named('a', {}, { labels: { app: 'x' } }))
    await create(named('b'))
    await world.ask('DELETE', `${SERVICES}?labelSelector=app%3Dx`)
    expect(namesIn((await world.ask('GET', SERVICES)).body)).toEqual(['b'])
  })

  it('of a namespace takes everything in it; default stays', async () => {
    await create(named('web', {}, { namespace: 'blue' }), '/api/v1/namespaces/blue/services')
    expect((await world.ask('DELETE', '/api/v1/namespaces/blue')).code).toBe(200)
    expect(namesIn((await world.ask('GET', '/api/v1/services')).body)).toEqual([])
    expect((await world.ask('DELETE', '/api/v1/namespaces/default')).code).toBe(403)
  })
})

describe('a list', () => {
  beforeEach(async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await create(named(name))
  })

  it('comes in pages of one moment', async () => {
    const first = (await world.ask('GET', `${SERVICES}?limit=2`)).body
    expect(namesIn(first)).toEqual(['a', 'b'])
    expect(metadataOf(first)).toMatchObject({ remainingItemCount: 3 })
    await world.ask('DELETE', `${SERVICES}/c`)
    await create(named('bb'))
    const next = (await world.ask('GET', `${SERVICES}?limit=2&continue=${metadataOf(first)['continue']}`)).body
    expect(namesIn(next)).toEqual(['c', 'd'])
    expect(metadataOf(next)['resourceVersion']).toBe(metadataOf(first)['resourceVersion'])
    const last = (await world.ask('GET', `${SERVICES}?limit=2&continue=${metadataOf(next)['continue']}`)).body
    expect(namesIn(last)).toEqual(['e'])
    expect(metadataOf(last)['continue']).toBeUndefined()
  })

  it('is refused from a version that is not there yet', async () => {
    const { code, body } = await world.ask('GET', `${SERVICES}?resourceVersion=1000000`)
    expect(code).toBe(504)
    expect(body).toMatchObject({ reason: 'Timeout', details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } })
  })

  it('is refused from a version that is forgotten', async () => {
    const token = Buffer.from('[0,"default\\u0000a"]').toString('base64url')
    expect(await world.ask('GET', `${SERVICES}?limit=2&continue=${token}`)).toMatchObject({
      code: 410,
      body: { reason: 'Expired' },
    })
  })

  it('is a table for those who show it', async () => {
    world.facts.set('default/a', { state: 'Listening', ready: 2, endpoints: 3, sessions: 7 })
    world.clock.advance(90_000)
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'
    const { body } = await world.ask('GET', SERVICES, undefined, { accept })
    const columns = (body['columnDefinitions'] as Json[]).map(({ name, priority }) => `${name}${priority}`)
    expect(columns).toEqual([
      ...['Name0', 'Type0', 'Cluster-IP0', 'External-IP0', 'Port(s)0', 'Endpoints0', 'Sessions0', 'State0', 'Age0'],
      ...['Message1', 'Owner1'],
    ])
    const [row] = body['rows'] as { cells: unknown[]; object: Json }[]
    expect(row?.cells).toEqual([
      'a',
      'ClusterIP',
      expect.any(String),
      '<none>',
      '80/TCP',
      '2/3',
      7,
      'Listening',
      '90s',
      '',
      'api',
    ])
    expect(row?.object['kind']).toBe('PartialObjectMetadata')
  })
})
