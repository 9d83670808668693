import {
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { eventually } from '../support/eventually.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { namesOf, openBlindWatch, readAgain, service, watchSource } from './watched-source.ts'

/** Each way to change is tried several times over: a watch that stays with the first inode sees only the first. */
const ROUNDS = [1, 2, 3]

describe.concurrent('a watched file', () => {
  it('is seen when it is written in place', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, service('v0'))
    await using watched = await watchSource(path)
    await watched.services('v0')
    for (const round of ROUNDS) {
      writeFileSync(path, service(`v${round}`))
      await watched.services(`v${round}`)
    }
  })

  it('is seen when another is renamed over it, as sed and most programs do', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, service('v0'))
    await using watched = await watchSource(path)
    await watched.services('v0')
    for (const round of ROUNDS) {
      writeFileSync(`${folder.path}/sedXYZ`, service(`v${round}`))
      renameSync(`${folder.path}/sedXYZ`, path)
      await watched.services(`v${round}`)
    }
    expect(watched.states.flatMap((state) => state.problems)).toEqual([])
  })

  it('is seen when it is moved aside and written anew, as vim does', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, service('v0'))
    await using watched = await watchSource(path)
    await watched.services('v0')
    for (const round of ROUNDS) {
      renameSync(path, `${path}~`)
      writeFileSync(path, service(`v${round}`))
      unlinkSync(`${path}~`)
      await watched.services(`v${round}`)
    }
    expect(watched.states.flatMap((state) => state.problems)).toEqual([])
  })

  it('is kept while it is gone, and seen when it is back', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, service('v0'))
    await using watched = await watchSource(path)
    await watched.services('v0')
    for (const round of ROUNDS) {
      unlinkSync(path)
      const state = await watched.problems('file-missing')
      expect(state.problems[0]).toMatchObject({
        severity: 'error',
        place: path,
        message: expect.stringContaining('stays in force'),
      })
      expect(namesOf(state)).toEqual([`v${round - 1}`])
      writeFileSync(path, service(`v${round}`))
      expect((await watched.services(`v${round}`)).problems).toEqual([])
    }
  })

  it('is seen when it comes late, with the folders around it', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/some/where/a.yaml`
    await using watched = await watchSource(path)
    expect(await watched.problems('file-missing')).toMatchObject({ synced: false, objects: [] })
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, service('v0'))
    expect(await watched.services('v0')).toMatchObject({ synced: true, problems: [] })
    writeFileSync(path, service('v1'))
    await watched.services('v1')
  })

  it('is seen when it is a symlink that is switched, and when what it points to is written', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/a.yaml`
    for (const round of ROUNDS) writeFileSync(`${folder.path}/v${round}.txt`, service(`v${round}`))
    writeFileSync(`${folder.path}/v0.txt`, service('v0'))
    symlinkSync('v0.txt', path)
    await using watched = await watchSource(path)
    await watched.services('v0')
    for (const round of ROUNDS) {
      symlinkSync(`v${round}.txt`, `${folder.path}/new`)
      renameSync(`${folder.path}/new`, path)
      await watched.services(`v${round}`)
      writeFileSync(`${folder.path}/v${round}.txt`, service(`v${round}b`))
      await watched.services(`v${round}b`)
    }
  })

  it('is seen when neither its size nor its time of modification changes', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/a.yaml`
    const time = new Date(1_700_000_000_000)
    writeFileSync(path, service('v0'))
    utimesSync(path, time, time)
    await using watched = await watchSource(path)
    await watched.services('v0')
    for (const round of ROUNDS) {
      const file = openSync(path, 'r+')
      writeSync(file, service(`v${round}`))
      closeSync(file)
      utimesSync(path, time, time)
      await watched.services(`v${round}`)
    }
  })

  it('says nothing when nothing changed', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, service('v0'))
    await using watched = await watchSource(path)
    await watched.services('v0')
    watched.source.refresh()
    writeFileSync(path, service('v0'))
    writeFileSync(`${folder.path}/b.yaml`, service('other'))
    await readAgain(watched)
    writeFileSync(path, service('v1'))
    await watched.services('v1')
    expect(watched.states).toHaveLength(2)
  })

  it('is looked at every five seconds, and read only if it looks different', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/current`
    for (const version of [0, 1]) {
      mkdirSync(`${folder.path}/v${version}`)
      writeFileSync(`${folder.path}/v${version}/a.yaml`, service(`a${version}`))
    }
    symlinkSync('v0', path)
    const clock = manualClock()
    // Hints would make it read more often: those of a watch that stands late come at any time.
    await using watched = await watchSource(path, clock, { openWatch: openBlindWatch })
    await eventually(() => {
      clock.advance(100)
      expect(watched.states).toHaveLength(1)
    })
    for (let count = 0; count < 3; count++) clock.advance(5_000)
    symlinkSync('v1', `${folder.path}/new`)
    renameSync(`${folder.path}/new`, path)
    await eventually(() => {
      // In small steps: by a clock that runs ahead of the machine, every read takes too long.
      clock.advance(100)
      expect(namesOf(watched.last)).toEqual(['a1'])
    })
    expect(watched.reads).toBe(2)
  })

  it('gives the same objects when only a comment changed, at their new lines', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, service('v0'))
    await using watched = await watchSource(path)
    const before = await watched.services('v0')
    writeFileSync(path, `# a comment\n${service('v0')}`)
    const after = await eventually(() => {
      expect(watched.last.version).not.toBe(before.version)
      return watched.last
    })
    expect(after.objects[0]?.value).toBe(before.objects[0]?.value)
    expect(after.objects[0]?.origin.line).toBe(2)
  })
})

describe.concurrent('a watched folder', () => {
  const write = (folder: string, names: readonly string[], version = '') => {
    for (const name of names) writeFileSync(`${folder}/${name}.yaml`, service(`${name}${version}`))
  }

  it('holds the objects of its files in the order of their names', async () => {
    using folder = makeTemporaryFolder()
    for (const name of ['b.yml', 'a.yaml', 'B.yaml', 'c.json', 'a-b.yaml']) {
      const json = JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name } })
      writeFileSync(`${folder.path}/${name}`, name.endsWith('.json') ? json : service(name))
    }
    await using watched = await watchSource(`${folder.path}/`)
    const state = await watched.services('B.yaml', 'a-b.yaml', 'a.yaml', 'b.yml', 'c.json')
    expect(state.objects[0]?.origin.place).toBe(`${folder.path}/B.yaml`)
    expect(state.synced).toBe(true)
  })

  it('is not searched for other files, nor deeper', async () => {
    using folder = makeTemporaryFolder()
    for (const name of [
      '.hidden.yaml',
      'a.yaml~',
      '.a.yaml.swp',
      'a.yaml.swp',
      'a.yaml.tmp',
      'a.bak',
      'a.yaml.bak',
      'README.md',
      'yaml',
      '.yaml',
    ]) {
      writeFileSync(`${folder.path}/${name}`, service(name))
    }
    mkdirSync(`${folder.path}/below`)
    write(`${folder.path}/below`, ['x'])
    write(folder.path, ['a'])
    await using watched = await watchSource(folder.path)
    expect((await watched.services('a')).problems).toEqual([])
  })

  it('is seen when files come, change and go, each with its objects', async () => {
    using folder = makeTemporaryFolder()
    write(folder.path, ['a', 'b'])
    await using watched = await watchSource(folder.path)
    const first = await watched.services('a', 'b')
    write(folder.path, ['c'])
    await watched.services('a', 'b', 'c')
    write(folder.path, ['b'], '2')
    await watched.services('a', 'b2', 'c')
    unlinkSync(`${folder.path}/b.yaml`)
    const last = await watched.services('a', 'c')
    expect(last.objects[0]).toBe(first.objects[0])
    renameSync(`${folder.path}/c.yaml`, `${folder.path}/c.yaml.bak`)
    await watched.services('a')
  })

  it('is kept while it is gone, and seen again and again when it is back', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/conf`
    mkdirSync(path)
    write(path, ['a', 'b'])
    await using watched = await watchSource(path)
    await watched.services('a', 'b')
    for (const round of ROUNDS) {
      rmSync(path, { recursive: true })
      expect(namesOf(await watched.problems('file-missing'))).toHaveLength(2)
      mkdirSync(path)
      write(path, ['a', 'b'], `${round}`)
      expect((await watched.services(`a${round}`, `b${round}`)).problems).toEqual([])
      write(path, ['b'], `${round}b`)
      await watched.services(`a${round}`, `b${round}b`)
    }
  })

  it('is seen when it is replaced at once', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/conf`
    mkdirSync(path)
    write(path, ['a', 'b'])
    await using watched = await watchSource(path)
    await watched.services('a', 'b')
    for (const round of ROUNDS) {
      rmSync(path, { recursive: true })
      mkdirSync(path)
      write(path, ['a', 'b'], `${round}`)
      await watched.services(`a${round}`, `b${round}`)
    }
    expect(watched.states.every((state) => state.objects.length === 2)).toBe(true)
  })

  it('is seen when it is a symlink that is switched, and in its new place', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/current`
    for (const version of [0, 1]) {
      mkdirSync(`${folder.path}/v${version}`)
      write(`${folder.path}/v${version}`, ['a', 'b'], `${version}`)
    }
    symlinkSync('v0', path)
    await using watched = await watchSource(path)
    await watched.services('a0', 'b0')
    symlinkSync('v1', `${folder.path}/new`)
    renameSync(`${folder.path}/new`, path)
    const state = await watched.services('a1', 'b1')
    expect(state.objects[0]?.origin.place).toBe(`${path}/a.yaml`)
    write(`${folder.path}/v1`, ['b'], '2')
    await watched.services('a1', 'b2')
  })

  it('is read again when asked, long before anyone would have looked', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/current`
    for (const version of [0, 1]) {
      mkdirSync(`${folder.path}/v${version}`)
      write(`${folder.path}/v${version}`, ['a'], `${version}`)
    }
    symlinkSync('v0', path)
    const from = performance.now()
    await using watched = await watchSource(path)
    await watched.services('a0')
    symlinkSync('v1', `${folder.path}/new`)
    renameSync(`${folder.path}/new`, path)
    watched.source.refresh()
    await watched.services('a1')
    expect(performance.now() - from).toBeLessThan(4_500)
  })
})
