import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { createStoreSource } from '../../src/runtime/store-source.ts'
import type { SourceState } from '../../src/source/source.ts'
import { NO_JOURNAL } from '../../src/store/journal.ts'
import { JournaledStore } from '../../src/store/object-store.ts'
import type { Write } from '../../src/store/store.ts'
import { put, remove, service } from '../store/store.cases.ts'

async function next(states: AsyncIterator<SourceState>): Promise<SourceState> {
  const { value } = await states.next()
  return value as SourceState
}

const open = (store: JournaledStore) =>
  createStoreSource({ name: 'api', store, isOwn: ({ aside }) => aside === undefined, clock: manualClock() })

const places = ({ objects }: SourceState) => objects.map(({ origin }) => origin.place)

describe('source of the store', () => {
  it('holds what the control plane understands, each object under its own name', async () => {
    const store = new JournaledStore({ journal: NO_JOURNAL })
    await store.commit(() => [
      put(service('web')),
      put({ kind: 'Node', namespace: '', name: 'n1' }),
      put({ kind: 'Namespace', namespace: '', name: 'x' }),
    ])
    await using source = open(store)
    const states = source.watch(new AbortController().signal)[Symbol.asyncIterator]()
    const first = await next(states)
    expect([first.synced, places(first), first.objects[0]?.value]).toEqual([
      true,
      ['api:Service default/web', 'api:Node n1'],
      store.get(service('web'))?.value,
    ])
  })

  it('follows changes and keeps what did not change as it is', async () => {
    const store = new JournaledStore({ journal: NO_JOURNAL })
    await store.commit(() => [put(service('a')), put(service('b'))])
    await using source = open(store)
    const states = source.watch(new AbortController().signal)[Symbol.asyncIterator]()
    const first = await next(states)
    await store.commit(() => [put(service('b'), { spec: 2 }), put(service('c'))])
    const second = await next(states)
    expect(places(second)).toEqual(['api:Service default/a', 'api:Service default/b', 'api:Service default/c'])
    expect(second.objects[0]).toBe(first.objects[0])
    expect(second.version).not.toBe(first.version)
    await store.commit(() => [remove(service('a')), put({ kind: 'Namespace', namespace: '', name: 'x' })])
    expect(places(await next(states))).toEqual(['api:Service default/b', 'api:Service default/c'])
  })

  it('leaves out what belongs to somebody else, from the moment it does', async () => {
    const store = new JournaledStore({ journal: NO_JOURNAL })
    await store.commit(() => [put(service('a')), { ...put(service('b')), aside: { owner: 'x' } } as Write])
    await using source = open(store)
    const states = source.watch(new AbortController().signal)[Symbol.asyncIterator]()
    expect(places(await next(states))).toEqual(['api:Service default/a'])
    await store.commit(() => [{ ...put(service('a')), aside: { owner: 'x' } } as Write, put(service('b'))])
    expect(places(await next(states))).toEqual(['api:Service default/b'])
  })

  it('says nothing new when only what this program or a field manager noted about an object is another', async () => {
    const store = new JournaledStore({ journal: NO_JOURNAL })
    const web = (spec: number, conditions: unknown[], ip: string, managers: unknown[]): Write => ({
      key: service('web'),
      value: {
        metadata: { name: 'web', managedFields: managers },
        spec,
        status: { conditions, loadBalancer: { ingress: [{ ip, ports: conditions }] } },
      },
    })
    await store.commit(() => [web(1, [], '10.0.0.1', [])])
    await using source = open(store)
    const states = source.watch(new AbortController().signal)[Symbol.asyncIterator]()
    const { objects } = await next(states)
    await store.commit(() => [web(1, [{ type: 'portald.io/Listening' }], '10.0.0.1', ['me'])])
    await store.commit(() => [put({ kind: 'Node', namespace: '', name: 'n1' })])
    const second = await next(states)
    expect(places(second)).toEqual(['api:Service default/web', 'api:Node n1'])
    expect(second.objects[0]).toBe(objects[0])
    for (const write of [web(2, [], '10.0.0.1', []), web(2, [], '10.0.0.2', [])]) {
      await store.commit(() => [write])
      expect((await next(states)).objects[0]?.value).toBe(store.get(service('web'))?.value)
    }
  })

  it('says nothing new for what is not its concern', async () => {
    const store = new JournaledStore({ journal: NO_JOURNAL })
    await using source = open(store)
    const ended = new AbortController()
    const states = source.watch(ended.signal)[Symbol.asyncIterator]()
    await next(states)
    const waiting = states.next()
    await store.commit(() => [put({ kind: 'Namespace', namespace: '', name: 'x' })])
    ended.abort()
    expect(await waiting).toMatchObject({ done: true })
  })
})
