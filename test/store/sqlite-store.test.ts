import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { manualClock, systemClock } from '../../src/lib/clock.ts'
import { openObjectStore } from '../../src/store/open-store.ts'
import type { Write } from '../../src/store/store.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { describeStore, put, remove, service } from './store.cases.ts'

const openIn = (folder: string, clock = systemClock) => openObjectStore({ folder, clock })
const open = async (folder: string) => (await openIn(folder)).store

describeStore('in a file', async () => {
  const folder = makeTemporaryFolder()
  const store = await open(join(folder.path, 'state'))
  const dispose = store[Symbol.asyncDispose].bind(store)
  store[Symbol.asyncDispose] = async () => {
    await dispose()
    folder[Symbol.dispose]()
  }
  return store
})

describe('object store in a file', () => {
  it('makes nothing before the first object, and then nothing that others may read', async () => {
    using folder = makeTemporaryFolder()
    const state = join(folder.path, 'a/b')
    await using store = await open(state)
    expect(existsSync(state)).toBe(false)
    await store.commit(() => [put(service('web'))])
    expect(statSync(state).mode & 0o777).toBe(0o700)
    expect(readdirSync(state).map((name) => [name, statSync(join(state, name)).mode & 0o777])).toEqual([
      ['objects.db', 0o600],
      ['objects.db-wal', 0o600],
    ])
  })

  it('has after a restart what it had before, but what was not to be kept, and larger numbers', async () => {
    using folder = makeTemporaryFolder()
    const before = await open(folder.path)
    await before.commit(() => [
      { ...put(service('web'), { spec: 1 }), aside: { m: 1 } } as Write,
      put(service('gone')),
      { ...put(service('passing')), kept: false } as Write,
    ])
    await before.commit(() => [{ ...put(service('web'), { spec: 2 }), aside: { m: 2 } } as Write])
    await before.commit(() => [remove(service('gone')), { ...put(service('passing')), kept: false } as Write])
    const [object, version] = [before.get(service('web')), before.resourceVersion]
    await before[Symbol.asyncDispose]()

    await using after = await open(folder.path)
    expect(after.list('Service')).toEqual([object])
    expect(after.get(service('web'))?.aside).toEqual({ m: 2 })
    expect(after.resourceVersion).toBeGreaterThan(version)
    expect(after.follow(version, () => {})).toBe('expired')
    const [next] = await after.commit(() => [put(service('web'))])
    expect(next?.type).toBe('modified')
  })

  it.each([
    ['is no database', (path: string) => writeFileSync(path, 'not a database, by far')],
    [
      'has bytes changed in the middle',
      (path: string) => {
        const bytes = readFileSync(path)
        for (let page = 1; page * 4096 < bytes.length; page++) bytes.fill(0xa5, page * 4096, page * 4096 + 200)
        writeFileSync(path, bytes)
      },
    ],
    ['is cut short', (path: string) => writeFileSync(path, readFileSync(path).subarray(0, 9000))],
    [
      'has an object that is none',
      (path: string) => {
        const database = new DatabaseSync(path)
        database.exec("UPDATE objects SET json = substr(json, 1, 10) WHERE name = 's7'")
        database.close()
      },
    ],
  ])('moves a file aside that %s, says so, and begins anew with larger numbers', async (_name, spoil) => {
    using folder = makeTemporaryFolder()
    const path = join(folder.path, 'objects.db')
    const clock = manualClock()
    const { store: before } = await openIn(folder.path, clock)
    await before.commit(() => Array.from({ length: 100 }, (_, k) => put(service(`s${k}`), { text: 'x'.repeat(200) })))
    const version = before.resourceVersion
    await before[Symbol.asyncDispose]()
    spoil(path)
    const spoilt = readFileSync(path)
    clock.advance(60_000)
    const { store, damage } = await openIn(folder.path, clock)
    await using after = store
    expect(readFileSync(damage?.movedTo ?? '')).toEqual(spoilt)
    expect(after.list('Service')).toEqual([])
    expect(after.resourceVersion).toBeGreaterThan(version)
    expect(after.follow(version, () => {})).toBe('expired')
    expect(await after.commit(() => [put(service('web'))])).toHaveLength(1)
  })

  it('leaves a file alone that another process has, or that a later version wrote', async () => {
    using folder = makeTemporaryFolder()
    const store = await open(folder.path)
    await store.commit(() => [put(service('web'))])
    await expect(open(folder.path)).rejects.toMatchObject({
      code: 'E_STORE',
      message: expect.stringContaining('another process has it'),
    })
    expect(await store.commit(() => [put(service('web'))])).toHaveLength(1)
    await store[Symbol.asyncDispose]()
    const database = new DatabaseSync(join(folder.path, 'objects.db'))
    database.exec('PRAGMA user_version = 2')
    database.close()
    await expect(open(folder.path)).rejects.toMatchObject({ code: 'E_STORE', message: expect.stringContaining('later version') })
    expect(readdirSync(folder.path)).toEqual(['objects.db'])
  })

  it('takes no change where the folder cannot be made, and goes on as soon as it can', async () => {
    using folder = makeTemporaryFolder()
    const state = join(folder.path, 'state')
    writeFileSync(state, 'in the way')
    await using store = await open(state)
    await expect(store.commit(() => [put(service('web'))])).rejects.toMatchObject({ code: 'E_STORE' })
    expect(store.list('Service')).toEqual([])
    rmSync(state)
    expect(await store.commit(() => [put(service('web'))])).toHaveLength(1)
  })

  it('takes no change when its file was removed or replaced under it', async () => {
    using folder = makeTemporaryFolder()
    const path = join(folder.path, 'objects.db')
    await using store = await open(folder.path)
    await store.commit(() => [put(service('a'))])
    renameSync(path, `${path}.mine`)
    await expect(store.commit(() => [put(service('b'))])).rejects.toMatchObject({ code: 'E_STORE' })
    renameSync(`${path}.mine`, path)
    expect(await store.commit(() => [put(service('b'))])).toHaveLength(1)
  })

  it('takes no change where another process has made the file meanwhile', async () => {
    using folder = makeTemporaryFolder()
    const store = await open(folder.path)
    const other = await open(folder.path)
    await other.commit(() => [put(service('a'))])
    await other[Symbol.asyncDispose]()
    await expect(store.commit(() => [put(service('b'))])).rejects.toMatchObject({ code: 'E_STORE' })
    await store[Symbol.asyncDispose]()
    await using again = await open(folder.path)
    expect(again.list('Service').map(({ key }) => key.name)).toEqual(['a'])
  })
})
