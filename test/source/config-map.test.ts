import { mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { namesOf, service, watchSource } from './watched-source.ts'

/** Mounts or updates a ConfigMap as kubelet does: a new folder, `..data` switched to it, links for new files, links of gone
 *  files removed, the old folder removed. */
function mount(folder: string, version: number, names: readonly string[], gone: readonly string[] = []): void {
  const target = `..2024_${version}`
  mkdirSync(`${folder}/${target}`)
  for (const name of names) writeFileSync(`${folder}/${target}/${name}.yaml`, service(`${name}-${version}`))
  const old = version > 0 ? readlinkSync(`${folder}/..data`) : undefined
  symlinkSync(target, `${folder}/..data_tmp`)
  renameSync(`${folder}/..data_tmp`, `${folder}/..data`)
  for (const name of names) {
    rmSync(`${folder}/${name}.yaml`, { force: true })
    symlinkSync(`..data/${name}.yaml`, `${folder}/${name}.yaml`)
  }
  for (const name of gone) rmSync(`${folder}/${name}.yaml`)
  if (old) rmSync(`${folder}/${old}`, { recursive: true })
}

describe.concurrent('a mounted ConfigMap', () => {
  it('is seen at every swap', async () => {
    using folder = makeTemporaryFolder()
    mount(folder.path, 0, ['a', 'b'])
    await using watched = await watchSource(folder.path)
    const state = await watched.services('a-0', 'b-0')
    expect(state.objects[1]?.origin.place).toBe(`${folder.path}/b.yaml`)
    for (const version of [1, 2, 3]) {
      mount(folder.path, version, ['a', 'b'])
      await watched.services(`a-${version}`, `b-${version}`)
    }
  })

  it('is seen at every swap when only one of its files is watched', async () => {
    using folder = makeTemporaryFolder()
    mount(folder.path, 0, ['a', 'b'])
    await using watched = await watchSource(`${folder.path}/a.yaml`)
    await watched.services('a-0')
    for (const version of [1, 2, 3]) {
      mount(folder.path, version, ['a', 'b'])
      await watched.services(`a-${version}`)
    }
  })

  it('gains and loses files with the swap', async () => {
    using folder = makeTemporaryFolder()
    mount(folder.path, 0, ['a', 'b'])
    await using watched = await watchSource(folder.path)
    await watched.services('a-0', 'b-0')
    mount(folder.path, 1, ['b', 'c'], ['a'])
    await watched.services('b-1', 'c-1')
    expect(watched.states.flatMap((state) => state.problems)).toEqual([])
  })

  it('may have other files beside it', async () => {
    using folder = makeTemporaryFolder()
    mount(folder.path, 0, ['a'])
    writeFileSync(`${folder.path}/own.yaml`, service('own'))
    await using watched = await watchSource(folder.path)
    await watched.services('a-0', 'own')
    mount(folder.path, 1, ['a'])
    await watched.services('a-1', 'own')
  })

  it('is never seen half old and half new, however fast it swaps', async () => {
    using folder = makeTemporaryFolder()
    mount(folder.path, 0, ['a', 'b'])
    await using watched = await watchSource(folder.path)
    let version = 0
    await eventually(() => {
      mount(folder.path, ++version, ['a', 'b'])
      expect(watched.states.length).toBeGreaterThan(10)
    })
    await watched.services(`a-${version}`, `b-${version}`)
    for (const state of watched.states) {
      const [a, b] = namesOf(state)
      expect(b).toBe(a?.replace('a', 'b'))
      expect(state).toMatchObject({ synced: true, problems: [] })
    }
  })
})
