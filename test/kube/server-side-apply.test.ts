import { beforeEach, describe, expect, it } from 'vitest'
import { KubeWorld } from '../support/kube-world.ts'
import type { Json } from '../support/objects.ts'
import { SERVICES } from './cases.ts'

const PATH = `${SERVICES}/web`
const A = { name: 'a', port: 80, protocol: 'TCP' }
const B = { name: 'b', port: 81, protocol: 'TCP' }

describe('server-side apply', () => {
  let world: KubeWorld
  beforeEach(async () => {
    world = await KubeWorld.open()
  })

  const apply = (manager: string, spec: object, { force = false, metadata = {} } = {}) => {
    const body = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', ...metadata }, spec }
    const query = `fieldManager=${manager}${force ? '&force=true' : ''}`
    return world.ask('PATCH', `${PATH}?${query}`, body, { type: 'application/apply-patch+yaml' })
  }
  const read = async () => (await world.ask('GET', PATH)).body
  const spec = async () => (await read())['spec'] as Json
  const portNames = async () => ((await spec())['ports'] as Json[]).map(({ name }) => name)
  const managers = async () =>
    ((await read())['metadata'] as { managedFields: Json[] }).managedFields.map((one) => `${one['operation']} ${one['manager']}`)

  it('creates what is not there, and applying the same again changes nothing', async () => {
    expect((await apply('one', { ports: [A] })).code).toBe(201)
    const first = await read()
    world.clock.advance(5000)
    expect((await apply('one', { ports: [A] })).code).toBe(200)
    expect(await read()).toEqual(first)
    expect(await managers()).toEqual(['Apply one'])
  })

  it('takes away what is not sent any more, and leaves what others sent', async () => {
    await apply('one', { ports: [A, B], sessionAffinity: 'ClientIP' })
    await apply('two', { ports: [B] })
    await apply('one', { ports: [A] })
    expect(await portNames()).toEqual(['a', 'b'])
    expect((await spec())['sessionAffinity']).toBe('None')
    await apply('two', { ports: [] })
    expect(await portNames()).toEqual(['a'])
  })

  it('refuses to change what another one manages, and takes it when forced', async () => {
    await apply('one', { ports: [A], sessionAffinity: 'ClientIP' })
    const refused = await apply('two', { ports: [A], sessionAffinity: 'None' })
    expect(refused.code).toBe(409)
    expect(refused.body['details']).toEqual({
      causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.spec.sessionAffinity' }],
    })
    expect((await apply('two', { ports: [A], sessionAffinity: 'None' }, { force: true })).code).toBe(200)
    // It is no longer the first one's to take away.
    await apply('one', { ports: [A] })
    expect((await spec())['sessionAffinity']).toBe('None')
    expect((await apply('one', { ports: [A], sessionAffinity: 'ClientIP' })).code).toBe(409)
  })

  it('knows what was written without apply', async () => {
    await world.ask(
      'POST',
      SERVICES,
      { metadata: { name: 'web', labels: { app: 'web' } }, spec: { ports: [A] } },
      { userAgent: 'curl/8' },
    )
    const refused = await apply('one', { ports: [A] }, { metadata: { labels: { app: 'db' } } })
    expect(refused.body['message']).toBe('Apply failed with 1 conflict: conflict with "curl" using v1: .metadata.labels.app')
    await world.ask(
      'PATCH',
      PATH,
      { metadata: { labels: { app: null } } },
      { type: 'application/merge-patch+json', userAgent: 'curl/8' },
    )
    expect((await apply('one', { ports: [A] }, { metadata: { labels: { app: 'db' } } })).code).toBe(200)
    expect(await managers()).toEqual(['Update curl', 'Apply one'])
  })

  it('lets an update take over what was applied', async () => {
    await apply('one', { ports: [A], sessionAffinity: 'ClientIP' })
    await world.ask(
      'PATCH',
      PATH,
      { spec: { sessionAffinity: 'None' } },
      { type: 'application/merge-patch+json', userAgent: 'curl/8' },
    )
    await apply('one', { ports: [A] })
    expect((await spec())['sessionAffinity']).toBe('None')
  })

  it('does not count as a conflict what the server filled in', async () => {
    const ports = [{ name: 'a', port: 80 }]
    const slice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 's' },
      addressType: 'IPv4',
      ports,
    }
    const path = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'
    await world.ask('POST', path, slice)
    const type = 'application/apply-patch+yaml'
    expect((await world.ask('PATCH', `${path}/s?fieldManager=one`, slice, { type })).code).toBe(200)
    const other = { ...slice, ports: [{ name: 'a', port: 81 }] }
    expect((await world.ask('PATCH', `${path}/s?fieldManager=one`, other, { type })).code).toBe(409)
  })

  it('reads YAML', async () => {
    const yaml = 'apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  ports: [{port: 80}]\n'
    const answer = await world.ask('PATCH', `${PATH}?fieldManager=one`, yaml, { type: 'application/apply-patch+yaml' })
    expect(answer.code).toBe(201)
  })
})
