import { describe, expect, it } from 'vitest'
import { type JournalBatch, NO_JOURNAL } from '../../src/store/journal.ts'
import { JournaledStore } from '../../src/store/object-store.ts'
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

  it('writes down what changed: all of an object, and what it was where its labels were others', async () => {
    const journal = heldJournal()
    const store = new JournaledStore({ journal })
    const writing = [
      store.commit(() => [put(service('a'), {}, { app: 'x' })]),
      store.commit(() => [put(service('a'), { spec: 1 }, { app: 'x' })]),
      store.commit(() => [put(service('a'), { spec: 1 }, { app: 'y' })]),
      store.commit(() => [remove(service('a'))]),
    ]
    await turn()
    const { entries = [] } = journal.batches[0]?.batch ?? {}
    expect(entries.map(({ type, before }) => [type, before === '' ? '' : JSON.parse(before).metadata.labels])).toEqual([
      ['added', ''],
      ['modified', ''],
      ['modified', { app: 'x' }],
      ['deleted', ''],
    ])
    expect(
      entries.map(({ json, resourceVersion }) => JSON.parse(json).metadata.resourceVersion === String(resourceVersion)),
    ).toEqual([true, true, true, true])
    journal.batches[0]?.done.resolve()
    await Promise.all(writing)
  })

  it('begins with what the journal held, and tells of changes from before', async () => {
    const key = service('a')
    const json = '{"metadata":{"labels":{"app":"y"}}}'
    const before = '{"metadata":{"labels":{"app":"x"}}}'
    const entry = { key, resourceVersion: 41, json, aside: '{"m":1}' }
    const changes = [{ ...entry, type: 'modified', before } as const]
    const content = { resourceVersion: 43, oldestVersion: 40, objects: [entry], changes }
    const store = new JournaledStore({ journal: NO_JOURNAL, content })
    expect([store.resourceVersion, store.oldestVersion]).toEqual([43, 40])
    expect(store.get(key)).toEqual({ key, resourceVersion: 41, value: JSON.parse(json), aside: { m: 1 } })
    const told: unknown[] = []
    store.follow(40, ([change]) => told.push(change?.type, change?.before?.value))
    expect(told).toEqual(['modified', JSON.parse(before)])
    expect((await store.commit(() => [put(service('b'))]))[0]?.resourceVersion).toBe(44)
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
