import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/lib/random.ts'
import { type JournalBatch, NO_JOURNAL } from '../../src/store/journal.ts'
import { JournaledStore } from '../../src/store/object-store.ts'
import type { StoredObject, StoreView, Write } from '../../src/store/store.ts'
import { describeStore, put, remove, service } from './store.cases.ts'

describeStore('in memory', async () => new JournaledStore({ journal: NO_JOURNAL }))

/** A journal whose every batch waits until it is let go, or made to fail. */
function heldJournal() {
  const batches: { readonly batch: JournalBatch; readonly done: PromiseWithResolvers<void> }[] = []
  return {
    batches,
    commit(batch: JournalBatch) {
      const done = Promise.withResolvers<void>()
      batches.push({ batch, done })
      return done.promise
    },
    async [Symbol.asyncDispose]() {},
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('object store', () => {
  it('lists in order whatever came and went, on disk or not yet, and never changes a list it gave', async () => {
    const random = seededRandom(7)
    const journal = heldJournal()
    const store = new JournaledStore({ journal })
    const there = new Set<string>()
    const sorted = () => [...there].sort()
    const names = (list: readonly StoredObject[]) => list.map(({ key }) => `${key.namespace}/${key.name}`)
    const given: { list: readonly StoredObject[]; names: readonly string[] }[] = []
    const writing: Promise<unknown>[] = []
    for (let n = 0; n < 600; n++) {
      const key = service(`n${random.below(30)}`, `s${random.below(3)}`)
      const place = `${key.namespace}/${key.name}`
      const goes = random.below(3) === 0
      const decide = (view: StoreView) => {
        expect(names(view.list('Service'))).toEqual(sorted())
        return [goes ? remove(key) : put(key)]
      }
      writing.push(store.commit(decide))
      if (goes) there.delete(place)
      else there.add(place)
      if (random.below(4) > 0) continue
      for (let turns = 0; turns < 4; turns++) {
        journal.batches.at(-1)?.done.resolve()
        await turn()
      }
      const list = store.list('Service')
      expect(names(list)).toEqual(sorted())
      given.push({ list, names: sorted() })
    }
    for (const one of given) expect(names(one.list)).toEqual(one.names)
    expect(given.length).toBeGreaterThan(50)
  })

  it('shows and answers nothing before it is persisted; what comes meanwhile goes to the journal together', async () => {
    const journal = heldJournal()
    const store = new JournaledStore({ journal })
    const told: number[] = []
    store.follow(store.resourceVersion, (changes) => told.push(changes.length))
    const first = store.commit(() => [put(service('a'))])
    await turn()
    const others = ['b', 'c', 'd'].map((name) => store.commit(() => [put(service(name))]))
    await turn()
    expect(journal.batches).toHaveLength(1)
    expect([store.get(service('a')), told]).toEqual([undefined, []])
    journal.batches[0]?.done.resolve()
    expect(await first).toHaveLength(1)
    await turn()
    expect([store.get(service('a'))?.key.name, store.get(service('b')), told]).toEqual(['a', undefined, [1]])
    expect(journal.batches[1]?.batch.entries.map(({ key }) => key.name)).toEqual(['b', 'c', 'd'])
    journal.batches[1]?.done.resolve()
    await Promise.all(others)
    expect(told).toEqual([1, 3])
  })

  it('takes back what could not be persisted and all that was decided on top of it, and goes on', async () => {
    const journal = heldJournal()
    const store = new JournaledStore({ journal })
    const version = store.resourceVersion
    const first = store.commit(() => [put(service('a'))])
    await turn()
    const second = store.commit((now) => (now.get(service('a')) ? [put(service('b'))] : []))
    journal.batches[0]?.done.reject(new Error('disk full'))
    await expect(first).rejects.toMatchObject({ code: 'E_STORE', cause: { message: 'disk full' } })
    await expect(second).rejects.toMatchObject({ code: 'E_STORE' })
    expect([store.resourceVersion, store.list('Service')]).toEqual([version, []])
    const third = store.commit((now) => (now.get(service('a')) ? [] : [put(service('c'))]))
    await turn()
    journal.batches[1]?.done.resolve()
    const [change] = await third
    // The numbers that were given are not given again.
    expect(change?.resourceVersion).toBe(version + 3)
  })

  it('writes down every object that is to be kept, and that it is gone', async () => {
    const journal = heldJournal()
    const store = new JournaledStore({ journal })
    const writing = [
      store.commit(() => [put(service('a'))]),
      store.commit(() => [{ ...put(service('a'), { spec: 1 }), aside: [1] } as Write, put(service('b'))]),
      store.commit(() => [remove(service('b'))]),
    ]
    await turn()
    const { afterVersion, version, entries = [] } = journal.batches[0]?.batch ?? {}
    expect([afterVersion, version]).toEqual([1, 5])
    expect(entries.map(({ key, json }) => [key.name, json && JSON.parse(json)])).toEqual([
      ['a', { kind: 'Service', metadata: { namespace: 'default', name: 'a', resourceVersion: '2' } }],
      ['a', { kind: 'Service', metadata: { namespace: 'default', name: 'a', resourceVersion: '3' }, spec: 1 }],
      ['b', { kind: 'Service', metadata: { namespace: 'default', name: 'b', resourceVersion: '4' } }],
      ['b', undefined],
    ])
    expect(entries.map((entry) => (entry.json === undefined ? '-' : entry.aside))).toEqual(['', '[1]', '', '-'])
    journal.batches[0]?.done.resolve()
    await Promise.all(writing)
  })

  it('does not write down what is not to be kept, but that it took the place of something that was', async () => {
    const journal = heldJournal()
    const store = new JournaledStore({ journal })
    const passing = (name: string) => ({ ...put(service(name)), kept: false }) as Write
    expect(await store.commit(() => [passing('a')])).toHaveLength(1)
    expect(await store.commit(() => [passing('a'), passing('b')])).toHaveLength(2)
    expect(await store.commit(() => [remove(service('b'))])).toHaveLength(1)
    expect(journal.batches).toEqual([])
    expect(store.get(service('a'))?.kept).toBe(false)
    const keeping = store.commit(() => [put(service('a'))])
    await turn()
    journal.batches[0]?.done.resolve()
    await keeping
    const replacing = store.commit(() => [passing('a'), passing('c')])
    await turn()
    expect(journal.batches[1]?.batch.entries).toEqual([{ key: service('a'), json: undefined }])
    journal.batches[1]?.done.resolve()
    await replacing
  })

  it('takes nothing of a write whose object has no JSON', async () => {
    const store = new JournaledStore({ journal: NO_JOURNAL })
    await expect(store.commit(() => [put(service('a')), put(service('b'), { spec: 1n })])).rejects.toThrow(TypeError)
    expect(await store.commit((now) => (now.get(service('a')) ? [] : [put(service('c'))]))).toHaveLength(1)
    expect(store.resourceVersion).toBe(2)
  })

  it('begins with what the journal held, and with a number that is larger than any before', async () => {
    const key = service('a')
    const json = '{"metadata":{"labels":{"app":"y"}}}'
    const content = { version: 43, objects: [{ key, resourceVersion: 41, json, aside: '{"m":1}' }] }
    const store = new JournaledStore({ journal: NO_JOURNAL, content, firstVersion: 1000 })
    expect(store.get(key)).toEqual({ key, resourceVersion: 41, value: JSON.parse(json), aside: { m: 1 }, kept: true })
    expect([store.resourceVersion, store.follow(43, () => {}), store.oldestVersion]).toEqual([1000, 'expired', 1000])
    expect((await store.commit(() => [put(service('b'))]))[0]?.resourceVersion).toBe(1001)
    // A clock that was set back does no harm.
    expect(new JournaledStore({ journal: NO_JOURNAL, content, firstVersion: 7 }).resourceVersion).toBe(43)
  })

  it('refuses more objects than it may hold, and takes changes of those it has', async () => {
    const store = new JournaledStore({ journal: NO_JOURNAL, mostObjects: 2 })
    await store.commit(() => [put(service('a')), put(service('b'))])
    await expect(store.commit(() => [put(service('c'))])).rejects.toMatchObject({ code: 'E_STORE' })
    expect(await store.commit(() => [put(service('b'), { spec: 2 })])).toHaveLength(1)
    await store.commit(() => [remove(service('a'))])
    expect(await store.commit(() => [put(service('c'))])).toHaveLength(1)
  })
})
