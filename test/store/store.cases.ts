import { describe, expect, it } from 'vitest'
import type { Change, ObjectKey, ObjectStore, ObjectValue, Write } from '../../src/store/store.ts'

/** Opens an empty store. */
export type OpenStore = () => Promise<ObjectStore>

export const service = (name: string, namespace = 'default'): ObjectKey => ({ kind: 'Service', namespace, name })

export function put(key: ObjectKey, more: object = {}, labels?: Readonly<Record<string, string>>): Write {
  const { namespace, name } = key
  const value: ObjectValue = { kind: key.kind, metadata: { namespace, name, ...(labels ? { labels } : {}) }, ...more }
  return { key, value }
}

export const remove = (key: ObjectKey): Write => ({ key, value: undefined })

/** `added Service default/web`. */
export function show({ type, object: { key } }: Change): string {
  return `${type} ${key.kind} ${key.namespace}/${key.name}`
}

/** What every store promises, whatever its journal. */
export function describeStore(name: string, open: OpenStore): void {
  describe(`object store: ${name}`, () => {
    it('keeps what was written, stamped with the resourceVersion of the write', async () => {
      await using store = await open()
      const before = store.resourceVersion
      const [change] = await store.commit(() => [put(service('web'), { spec: { a: 1 } })])
      expect(change?.type).toBe('added')
      expect(change?.resourceVersion).toBeGreaterThan(before)
      expect(store.resourceVersion).toBe(change?.resourceVersion)
      expect(store.get(service('web'))).toBe(change?.object)
      expect(change?.object.value).toEqual({
        kind: 'Service',
        metadata: { namespace: 'default', name: 'web', resourceVersion: String(change?.resourceVersion) },
        spec: { a: 1 },
      })
    })

    it('replaces and deletes, and tells what was there before', async () => {
      await using store = await open()
      const [added] = await store.commit(() => [put(service('web'), { spec: 1 })])
      const [modified] = await store.commit(() => [put(service('web'), { spec: 2 })])
      expect(modified).toMatchObject({ type: 'modified', before: added?.object, object: { value: { spec: 2 } } })
      const [deleted] = await store.commit(() => [remove(service('web'))])
      expect(deleted).toMatchObject({ type: 'deleted', before: modified?.object, object: { value: { spec: 2 } } })
      const version = String(deleted?.resourceVersion)
      expect(deleted?.object.value.metadata).toMatchObject({ resourceVersion: version })
      expect(store.get(service('web'))).toBeUndefined()
      expect(await store.commit(() => [remove(service('web'))])).toEqual([])
      expect(store.resourceVersion).toBe(deleted?.resourceVersion)
    })

    it('lists one kind, in one namespace or all, by namespace and name', async () => {
      await using store = await open()
      const keys = [service('b', 'y'), service('c', 'x'), service('a', 'y'), { kind: 'Endpoints', namespace: 'x', name: 'c' }]
      await store.commit(() => keys.map((key) => put(key)))
      const names = (list: readonly { key: ObjectKey }[]) => list.map(({ key }) => `${key.namespace}/${key.name}`)
      expect(names(store.list('Service'))).toEqual(['x/c', 'y/a', 'y/b'])
      expect(names(store.list('Service', 'y'))).toEqual(['y/a', 'y/b'])
      expect(names(store.list('Endpoints'))).toEqual(['x/c'])
      expect(store.list('Namespace')).toEqual([])
      await store.commit(() => [remove(service('a', 'y'))])
      expect(names(store.list('Service'))).toEqual(['x/c', 'y/b'])
    })

    it('keeps beside an object what is not shown, and forgets it where the next write has none', async () => {
      await using store = await open()
      await store.commit(() => [{ ...put(service('web')), aside: { kubectl: { spec: 1 } } } as Write])
      expect(store.get(service('web'))?.aside).toEqual({ kubectl: { spec: 1 } })
      expect(JSON.stringify(store.get(service('web'))?.value)).not.toContain('kubectl')
      await store.commit(() => [put(service('web'))])
      expect(store.get(service('web'))?.aside).toBeUndefined()
    })

    it('decides on what was accepted, persisted or not, and shows what was persisted', async () => {
      await using store = await open()
      const seen: unknown[] = []
      const look = (view: Pick<ObjectStore, 'get' | 'list'>) =>
        seen.push([view.get(service('web'))?.value['spec'], view.list('Service').map(({ key }) => key.name)])
      const count = () =>
        store.commit((now) => {
          look(now)
          return [put(service('web'), { spec: Number(now.get(service('web'))?.value['spec'] ?? 0) + 1 })]
        })
      const writes = [count(), count(), store.commit(() => [remove(service('web'))]), count(), count()]
      expect(seen).toEqual([
        [undefined, []],
        [1, ['web']],
        [undefined, []],
        [1, ['web']],
      ])
      expect(store.get(service('web'))).toBeUndefined()
      const changes = (await Promise.all(writes)).flat()
      expect(changes.map(({ type }) => type)).toEqual(['added', 'modified', 'deleted', 'added', 'modified'])
      expect(changes.map(({ object }) => object.value['spec'])).toEqual([1, 2, 2, 1, 2])
      expect(store.get(service('web'))?.value['spec']).toBe(2)
    })

    it('counts exactly, however many write at once', async () => {
      await using store = await open()
      const one = () =>
        store.commit((now) => [put(service('web'), { spec: Number(now.get(service('web'))?.value['spec'] ?? 0) + 1 })])
      const changes = (await Promise.all(Array.from({ length: 500 }, one))).flat()
      expect(store.get(service('web'))?.value['spec']).toBe(500)
      expect(new Set(changes.map(({ resourceVersion }) => resourceVersion)).size).toBe(500)
    })

    it('writes several objects together, each with a resourceVersion of its own', async () => {
      await using store = await open()
      const changes = await store.commit(() => [put(service('a')), put(service('b')), remove(service('c'))])
      expect(changes.map(show)).toEqual(['added Service default/a', 'added Service default/b'])
      expect(changes[1]?.resourceVersion).toBeGreaterThan(changes[0]?.resourceVersion ?? 0)
    })

    it('writes nothing where deciding throws', async () => {
      await using store = await open()
      const version = store.resourceVersion
      const refusing = store.commit(() => {
        throw new RangeError('no')
      })
      await expect(refusing).rejects.toThrow('no')
      expect(await store.commit(() => [])).toEqual([])
      expect(store.resourceVersion).toBe(version)
    })

    it('tells a follower of what it missed and of what comes, in order and once', async () => {
      await using store = await open()
      const [first] = await store.commit(() => [put(service('a'))])
      const [second] = await store.commit(() => [put(service('b'))])
      const seen: Change[] = []
      const following = store.follow(first?.resourceVersion ?? 0, (changes) => seen.push(...changes)) as Disposable
      expect(seen).toEqual([second])
      const third = await store.commit(() => [remove(service('a')), put(service('b'), { spec: 2 })])
      expect(seen).toEqual([second, ...third])
      following[Symbol.dispose]()
      await store.commit(() => [put(service('c'))])
      expect(seen).toHaveLength(3)
    })

    it('tells followers before it answers', async () => {
      await using store = await open()
      const order: string[] = []
      store.follow(store.resourceVersion, () => order.push('told'))
      await store.commit(() => [put(service('a'))]).then(() => order.push('answered'))
      expect(order).toEqual(['told', 'answered'])
    })

    it('says which resourceVersions cannot be followed', async () => {
      await using store = await open()
      await store.commit(() => [put(service('a'))])
      expect(store.follow(store.resourceVersion + 1, () => {})).toBe('ahead')
      expect(store.follow(store.oldestVersion - 1, () => {})).toBe('expired')
      expect(store.follow(store.oldestVersion, () => {})).toMatchObject({})
    })

    it('forgets old changes and no object', async () => {
      await using store = await open()
      const [first] = await store.commit(() => [put(service('first'))])
      for (let n = 0; n < 9; n++) {
        await store.commit(() => Array.from({ length: 1000 }, (_, k) => put(service(`s${k}`), { spec: n })))
      }
      expect(store.follow(first?.resourceVersion ?? 0, () => {})).toBe('expired')
      const seen: Change[] = []
      store.follow(store.oldestVersion, (changes) => seen.push(...changes))
      expect(seen).toHaveLength(8192)
      expect(seen[0]?.resourceVersion).toBe(store.oldestVersion + 1)
      expect(store.get(service('first'))).toBe(first?.object)
      expect(store.list('Service')).toHaveLength(1001)
    })

    it('takes nothing when it was disposed, and persists what it took before', async () => {
      const store = await open()
      const writing = store.commit(() => [put(service('a'))])
      await store[Symbol.asyncDispose]()
      expect(await writing).toHaveLength(1)
      await expect(store.commit(() => [put(service('b'))])).rejects.toMatchObject({ code: 'E_STORE' })
    })
  })
}
