import { beforeEach, describe, expect, it } from 'vitest'
import { type Mirror, openMirror } from '../../src/admin/kube/mirror.ts'
import { silentLogger } from '../../src/observe/logger.ts'
import type { SourceReading } from '../../src/runtime/control-plane.ts'
import { KubeWorld } from '../support/kube-world.ts'
import type { Json } from '../support/objects.ts'
import { SERVICES, service, slice } from './cases.ts'

const web = service({ clusterIP: '127.1.1.1', ports: [{ port: 80 }] })

describe('objects of files and clusters', () => {
  let world: KubeWorld
  let mirror: Mirror
  let sources: SourceReading[]
  const say = async (objects: readonly Json[], { synced = true, name = '/etc/web.yaml' } = {}) => {
    const listed = objects.map((value, n) => ({ value, origin: { place: name, line: n + 1, lines: undefined } }))
    const state = { version: `${Math.random()}`, synced, objects: listed, problems: [], readAtMs: 0 }
    sources = [{ name, state, readAtMs: 0 }]
    await mirror.settle()
  }
  beforeEach(async () => {
    world = await KubeWorld.open()
    sources = []
    const { store, clock } = world
    mirror = openMirror({ store, clock, logger: silentLogger, api: 'api', startedAtMs: 0, read: () => sources })
    return () => mirror[Symbol.dispose]()
  })

  it('are listed and watched like others', async () => {
    const watch = await world.watch(`${SERVICES}?watch=true`)
    await say([web, slice()])
    await say([{ ...web, spec: { ...(web['spec'] as Json), sessionAffinity: 'ClientIP' } }])
    await say([])
    expect(watch.seen()).toEqual(['ADDED web', 'MODIFIED web', 'DELETED web'])
  })

  it('keep their identity, and are written once', async () => {
    await say([web])
    const first = (await world.ask('GET', `${SERVICES}/web`)).body
    await say([web])
    await say([service({}, { name: 'other' }), web])
    const { uid } = first['metadata'] as Json
    const again = (await world.ask('GET', `${SERVICES}/web`)).body['metadata'] as Json
    expect(again['uid']).toBe(uid)
  })

  it.each([
    ['PUT', web, undefined],
    ['PATCH', { metadata: { labels: { a: 'b' } } }, 'application/merge-patch+json'],
    ['DELETE', undefined, undefined],
  ])('cannot be changed here by %s, which says where they can', async (method, body, type) => {
    await say([web])
    const answer = await world.ask(method, `${SERVICES}/web`, body, type ? { type } : {})
    expect(answer.code).toBe(403)
    expect(answer.body['message']).toBe('services "web" is forbidden: it comes from /etc/web.yaml:1; change it there')
  })

  it('cannot be created here, and are not deleted with a collection or a Service', async () => {
    await say([web, slice()])
    expect((await world.ask('POST', SERVICES, web)).body['message']).toBe(
      'services "web" already exists: it comes from /etc/web.yaml:1',
    )
    expect((await world.ask('DELETE', SERVICES)).body['items']).toEqual([])
    expect((await world.ask('GET', `${SERVICES}/web`)).code).toBe(200)
  })

  it('do not take the place of what was written here', async () => {
    await world.ask('POST', SERVICES, service({ ports: [{ port: 81 }] }))
    await say([web])
    await say([])
    expect((await world.ask('GET', `${SERVICES}/web`)).body['spec']).toMatchObject({ ports: [{ port: 81 }] })
  })

  it('stay until every source has spoken', async () => {
    await say([web])
    await say([], { synced: false })
    expect((await world.ask('GET', `${SERVICES}/web`)).code).toBe(200)
    await say([])
    expect((await world.ask('GET', `${SERVICES}/web`)).code).toBe(404)
  })

  it('are shown as they are served: with defaults, and the address they were assigned', async () => {
    world.facts.set('default/web', { clusterIps: ['127.10.0.7'] })
    await say([service({ ports: [{ port: 80 }] })])
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
    const [row] = (await world.ask('GET', SERVICES, undefined, { accept })).body['rows'] as { cells: unknown[] }[]
    expect(row?.cells.slice(0, 5)).toEqual(['web', 'ClusterIP', '127.10.0.7', '<none>', '80/TCP'])
  })

  it('are shown whatever is wrong with them', async () => {
    await say([service({ ports: 'many' }), { kind: 'Service' }, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } }])
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
    const { body } = await world.ask('GET', SERVICES, undefined, { accept })
    expect(body['rows']).toHaveLength(1)
  })
})
