import { beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { KubeWorld } from '../support/kube-world.ts'
import type { Json } from '../support/objects.ts'
import { SERVICES, service } from './cases.ts'

const ports = [{ port: 80 }]
const named = (name: string, labels: object = {}) => service({ ports }, { name, labels })
const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'

describe('a watch', () => {
  let world: KubeWorld
  beforeEach(async () => {
    world = await KubeWorld.open()
    await world.ask('POST', SERVICES, named('a', { app: 'web' }))
    await world.ask('POST', SERVICES, named('b'))
  })
  const version = () => world.store.resourceVersion
  const label = (name: string, app: string | null) =>
    world.ask('PATCH', `${SERVICES}/${name}`, { metadata: { labels: { app } } }, { type: 'application/merge-patch+json' })

  it('tells of changes from a version on', async () => {
    const from = version()
    await world.ask('POST', SERVICES, named('c'))
    const watch = await world.watch(`${SERVICES}?watch=true&resourceVersion=${from}`)
    expect(watch.seen()).toEqual(['ADDED c'])
    await label('c', 'x')
    await world.ask('DELETE', `${SERVICES}/c`)
    expect(watch.seen()).toEqual(['ADDED c', 'MODIFIED c', 'DELETED c'])
    const { object } = watch.events[2] as { object: Json }
    expect((object['metadata'] as Json)['resourceVersion']).toBe(String(version()))
  })

  it.each(['', '&resourceVersion=0'])('without a version begins with what is there (%s)', async (query) => {
    const watch = await world.watch(`${SERVICES}?watch=1${query}`)
    expect(watch.seen()).toEqual(['ADDED a', 'ADDED b'])
  })

  it('of very many objects tells of them in turns, and misses none of the changes meanwhile', async () => {
    const many = Array.from({ length: 450 }, (_, n) => `many-${String(n).padStart(3, '0')}`)
    const key = (name: string) => ({ kind: 'Service', namespace: 'default', name })
    const write = (names: readonly string[], spec: number) =>
      world.store.commit(() => names.map((name) => ({ key: key(name), value: { metadata: { name }, spec } })))
    await write(many, 1)
    const watch = await world.watch(`${SERVICES}?watch=1`)
    expect(watch.events).toHaveLength(100)
    await world.store.commit(() => [{ key: key('many-000'), value: undefined }])
    await write(many.slice(1), 2)
    await world.store.commit(() => [{ key: key('many-449'), value: undefined }])
    const added = ['a', 'b', ...many].map((name) => `ADDED ${name}`)
    const changed = ['DELETED many-000', ...many.slice(1).map((name) => `MODIFIED ${name}`), 'DELETED many-449']
    await eventually(() => expect(watch.seen()).toEqual([...added, ...changed]))
    // At once again, to one that was up to date.
    await write(many, 3)
    await eventually(() => expect(watch.events).toHaveLength(902 + 450 + 1))
    await label('a', 'x')
    await eventually(() => expect(watch.seen().at(-1)).toBe('MODIFIED a'))
    const turns = [0, ...watch.heldBack, watch.events.length]
    expect(Math.max(...turns.slice(1).map((events, n) => events - (turns[n] ?? 0)))).toBeLessThanOrEqual(101)
  })

  it('of labels sees objects come and go with them', async () => {
    const watch = await world.watch(`${SERVICES}?watch=True&resourceVersion=${version()}&labelSelector=app%3Dweb`)
    await label('b', 'web')
    await label('b', 'other')
    await label('b', 'third')
    await label('a', 'web')
    await world.ask('DELETE', `${SERVICES}/a`)
    expect(watch.seen()).toEqual(['ADDED b', 'DELETED b', 'DELETED a'])
  })

  it('of one object sees nothing else', async () => {
    const watch = await world.watch(`${SERVICES}/a?watch=true&resourceVersion=${version()}`)
    await label('b', 'x')
    await label('a', 'x')
    expect(watch.seen()).toEqual(['MODIFIED a'])
  })

  it('of another namespace or kind sees nothing', async () => {
    const others = await world.watch(`/api/v1/namespaces/blue/services?watch=true&resourceVersion=${version()}`)
    const slices = await world.watch(`/apis/discovery.k8s.io/v1/endpointslices?watch=true&resourceVersion=${version()}`)
    await label('a', 'x')
    expect([...others.seen(), ...slices.seen()]).toEqual([])
  })

  it('says when the list it begins with is complete', async () => {
    const query = 'watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan'
    const watch = await world.watch(`${SERVICES}?${query}`)
    expect(watch.seen()).toEqual(['ADDED a', 'ADDED b', 'BOOKMARK'])
    expect(watch.events[2]?.object).toMatchObject({
      kind: 'Service',
      metadata: { resourceVersion: String(version()), annotations: { 'k8s.io/initial-events-end': 'true' } },
    })
  })

  it('sends bookmarks every minute and before it ends', async () => {
    const query = `watch=true&allowWatchBookmarks=true&timeoutSeconds=150&resourceVersion=${version()}`
    const watch = await world.watch(`${SERVICES}?${query}`)
    world.clock.advance(120_000)
    expect(watch.seen()).toEqual(['BOOKMARK', 'BOOKMARK'])
    world.clock.advance(30_000)
    expect(watch.seen()).toHaveLength(3)
    expect(watch.ended).toBe(true)
    expect(world.clock.pending).toBe(0)
  })

  it('from a version that is not there yet, or forgotten, is told so', async () => {
    for (const from of [version() + 1, 1_000_000]) {
      const watch = await world.watch(`${SERVICES}?watch=true&resourceVersion=${from}`)
      expect(watch.events).toMatchObject([{ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } }])
      expect(watch.ended).toBe(true)
    }
  })

  it('in tables names its columns once', async () => {
    const watch = await world.watch(`${SERVICES}?watch=true`, { accept: TABLE })
    const columns = watch.events.map(({ object }) => (object['columnDefinitions'] as unknown[]).length)
    expect(columns).toEqual([11, 0])
  })

  it('leaves nothing behind when its client goes', async () => {
    const watch = await world.watch(`${SERVICES}?watch=true&allowWatchBookmarks=true&resourceVersion=${version()}`)
    watch.end()
    expect(world.clock.pending).toBe(0)
    await label('a', 'x')
    expect(watch.seen()).toEqual([])
  })
})
