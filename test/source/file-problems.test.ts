import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { namesOf, readAgain, service, watchSource } from './watched-source.ts'

const BROKEN = 'apiVersion: v1\nkind: Service\nmetadata: {name: [\n'

describe.concurrent('a file source that starts without anything to read', () => {
  it('is not synced while its path is missing, and says so', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/none.yaml`
    await using watched = await watchSource(path)
    const state = await watched.problems('file-missing')
    expect(state).toMatchObject({ synced: false, objects: [] })
    expect(state.problems[0]).toMatchObject({ severity: 'error', place: path, message: expect.stringContaining('no such file') })
  })

  it('is not synced while its path leads through something that is no folder', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/a/b.yaml`
    writeFileSync(`${folder.path}/a`, '')
    await using watched = await watchSource(path)
    const state = await watched.problems('file-unreadable')
    expect(state).toMatchObject({ synced: false, problems: [{ place: path, message: expect.stringContaining('ENOTDIR') }] })
    rmSync(`${folder.path}/a`)
    mkdirSync(`${folder.path}/a`)
    writeFileSync(path, service('b'))
    await watched.services('b')
  })

  it('is not synced while its file is empty or broken, until it is right', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, '')
    await using watched = await watchSource(path)
    const empty = await watched.problems('file-empty')
    expect(empty).toMatchObject({ synced: false, problems: [{ severity: 'warning', place: path }] })
    writeFileSync(path, BROKEN)
    const broken = await watched.problems('yaml-syntax')
    expect(broken).toMatchObject({ synced: false, problems: [{ severity: 'error', place: `${path}:4:1` }] })
    writeFileSync(path, service('web'))
    expect(await watched.services('web')).toMatchObject({ synced: true, problems: [] })
  })

  it('gives the files of a folder that are right, but is synced only when all are', async () => {
    using folder = makeTemporaryFolder()
    writeFileSync(`${folder.path}/a.yaml`, service('a'))
    writeFileSync(`${folder.path}/b.yaml`, BROKEN)
    await using watched = await watchSource(folder.path)
    const state = await watched.problems('yaml-syntax')
    expect(namesOf(state)).toEqual(['a'])
    expect(state).toMatchObject({ synced: false, problems: [{ place: `${folder.path}/b.yaml:4:1` }] })
    writeFileSync(`${folder.path}/b.yaml`, service('b'))
    expect(await watched.services('a', 'b')).toMatchObject({ synced: true, problems: [] })
  })

  it('is synced with an empty folder, and with files that hold nothing, and warns', async () => {
    using folder = makeTemporaryFolder()
    await using watched = await watchSource(folder.path)
    expect(await watched.problems('folder-empty')).toMatchObject({
      synced: true,
      problems: [{ severity: 'warning', place: folder.path }],
    })
    writeFileSync(`${folder.path}/a.yaml`, '# nothing yet\n')
    expect(await watched.problems('no-objects')).toMatchObject({
      synced: true,
      problems: [{ severity: 'warning', place: folder.path }],
    })
    writeFileSync(`${folder.path}/a.yaml`, service('a'))
    await watched.services('a')
  })
})

describe.concurrent('a file source keeps the last good state', () => {
  it('of a file that is half-written, emptied or broken', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/a.yaml`
    const whole = `${service('a')}---\n${service('b')}`
    writeFileSync(path, whole)
    await using watched = await watchSource(path)
    const good = await watched.services('a', 'b')

    truncateSync(path)
    const empty = await watched.problems('file-empty')
    expect(empty.objects).toEqual(good.objects)
    expect(empty.problems[0]).toMatchObject({ severity: 'warning', message: expect.stringContaining('stays in force') })
    appendFileSync(path, whole.slice(0, whole.lastIndexOf('metadata') + 4))
    expect((await watched.problems('yaml-syntax')).objects).toEqual(good.objects)
    writeFileSync(path, 'metadata: {name: a}\n')
    expect((await watched.problems('no-kind')).objects).toEqual(good.objects)
    writeFileSync(path, Buffer.from([0, 1, 2]))
    expect((await watched.problems('file-binary')).objects).toEqual(good.objects)

    writeFileSync(path, whole)
    const again = await watched.problems()
    expect(again.objects[0]).toBe(good.objects[0])
    expect(again.synced).toBe(true)
  })

  it('of each file of a folder by itself', async () => {
    using folder = makeTemporaryFolder()
    for (const name of ['a', 'b', 'c']) writeFileSync(`${folder.path}/${name}.yaml`, service(name))
    await using watched = await watchSource(folder.path)
    await watched.services('a', 'b', 'c')
    writeFileSync(`${folder.path}/a.yaml`, BROKEN)
    writeFileSync(`${folder.path}/b.yaml`, service('b2'))
    unlinkSync(`${folder.path}/c.yaml`)
    const state = await watched.services('a', 'b2')
    expect(state.problems.map((problem) => problem.place)).toEqual([`${folder.path}/a.yaml:4:1`])
    unlinkSync(`${folder.path}/a.yaml`)
    expect((await watched.services('b2')).problems).toEqual([])
  })

  it('when something that is no file takes its place', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/a.yaml`
    for (const shown of [path, folder.path]) {
      writeFileSync(path, service('a'))
      await using watched = await watchSource(shown)
      await watched.services('a')
      rmSync(path)
      execFileSync('mkfifo', [path])
      const fifo = await watched.problems('not-a-file')
      expect(namesOf(fifo)).toEqual(['a'])
      expect(fifo.problems[0]?.place).toBe(path)

      rmSync(path)
      symlinkSync('/dev/zero', path)
      expect(namesOf(await watched.problems('not-a-file'))).toEqual(['a'])

      rmSync(path)
      const socket = createServer().listen(path)
      expect(namesOf(await watched.problems('not-a-file'))).toEqual(['a'])
      await new Promise((resolve) => socket.close(resolve))

      writeFileSync(path, service('b'))
      expect((await watched.services('b')).problems).toEqual([])
      rmSync(path)
    }
  })

  it('of a file in whose place there is a folder, or a link to nothing', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, service('a'))
    await using watched = await watchSource(folder.path)
    await watched.services('a')
    rmSync(path)
    mkdirSync(path)
    expect(namesOf(await watched.problems('not-a-file'))).toEqual(['a'])
    rmSync(path, { recursive: true })
    symlinkSync('nowhere', path)
    expect(namesOf(await watched.problems('file-missing'))).toEqual(['a'])
    writeFileSync(`${folder.path}/nowhere`, service('b'))
    await watched.services('b')
  })

  it('of a folder that was replaced by an empty one, until files appear in it', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/conf`
    mkdirSync(path)
    writeFileSync(`${path}/a.yaml`, service('a'))
    await using watched = await watchSource(path)
    await watched.services('a')
    rmSync(path, { recursive: true })
    mkdirSync(path)
    const state = await watched.problems('folder-empty')
    expect(namesOf(state)).toEqual(['a'])
    expect(state.problems[0]?.message).toMatch(/stays in force$/)
    writeFileSync(`${path}/b.yaml`, service('b'))
    expect((await watched.services('b')).problems).toEqual([])
    unlinkSync(`${path}/b.yaml`)
    expect(await watched.services()).toMatchObject({ problems: [{ code: 'folder-empty' }] })
  })

  it('of a file that grows too large', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, service('a'))
    await using watched = await watchSource(path)
    await watched.services('a')
    truncateSync(path, 64 * 2 ** 20 + 1)
    const state = await watched.problems('file-too-large')
    expect(namesOf(state)).toEqual(['a'])
    writeFileSync(path, service('b'))
    expect((await watched.services('b')).problems).toEqual([])
  })

  it('of a file that someone writes to all the time, and says so', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, service('a'))
    await using watched = await watchSource(path)
    await watched.services('a')
    writeFileSync(path, service('b'))
    // Every prefix of this is a valid file: nothing but its growing tells that it is not whole.
    const problem = await eventually(() => {
      appendFileSync(path, '# still writing\n')
      expect(watched.last.problems.map(({ code }) => code)).toEqual(['file-being-written'])
      return watched.last.problems[0]
    })
    expect(problem).toMatchObject({ severity: 'warning', place: path, message: expect.stringContaining('rename') })
    expect(namesOf(watched.last)).toEqual(['a'])
    expect((await watched.services('b')).problems).toEqual([])
  })

  it('but reads a file that is replaced all the time', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, service('v0'))
    await using watched = await watchSource(path)
    await watched.services('v0')
    let version = 0
    await eventually(() => {
      writeFileSync(`${folder.path}/new`, service(`v${++version}`))
      renameSync(`${folder.path}/new`, path)
      expect(watched.states.length).toBeGreaterThan(2)
    })
    await watched.services(`v${version}`)
  })
})

describe.concurrent('a file source that is disposed', () => {
  it('ends its watches, and is not troubled by being disposed again or asked more', async () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, service('a'))
    const watched = await watchSource(path)
    await watched.services('a')
    await readAgain(watched)
    const ended = (async () => {
      for await (const _ of watched.source.watch(new AbortController().signal));
    })()
    watched.source.refresh()
    await watched.source[Symbol.asyncDispose]()
    await watched.source[Symbol.asyncDispose]()
    await ended
    watched.source.refresh()
    await watched[Symbol.asyncDispose]()
  })
})
