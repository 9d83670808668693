import { execFileSync } from 'node:child_process'
import { statSync, writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import type { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { manualClock, systemClock } from '../../src/lib/clock.ts'
import { identityOf } from '../../src/source/file-identity.ts'
import { type FileParser, openFileParser, type ParsedFile } from '../../src/source/parser.ts'
import { eventually } from '../support/eventually.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const service = (name: string, spec = '') => `apiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\n${spec}`

async function parsed(parser: FileParser, path: string, previous?: ParsedFile): Promise<ParsedFile> {
  const outcome = await parser.parse({ path, place: path, expect: undefined, previous })
  if (outcome.kind !== 'parsed') throw new Error(JSON.stringify(outcome))
  return outcome.file
}

const problemOf = async (parser: FileParser, path: string) => {
  const outcome = await parser.parse({ path, place: 'shown.yaml', expect: undefined, previous: undefined })
  return outcome.kind === 'problem' ? outcome.problem : outcome
}

const valuesOf = (file: ParsedFile) => file.objects.map((object) => object.value)

describe('file parser', () => {
  it('reads a file in its thread', async () => {
    using folder = makeTemporaryFolder()
    await using parser = await openFileParser({ clock: systemClock })
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, `${service('web')}---\n${service('api', '__proto__: {a: 1}\nfloat: [.inf, -0.0, 1.5]\n')}`)
    const file = await parsed(parser, path)
    expect(file.objects).toMatchObject([
      { value: { metadata: { name: 'web' } }, origin: { place: path, line: 1, lines: Uint32Array.of(1, 4) } },
      { value: { float: [Infinity, -0, 1.5] }, origin: { place: path, line: 6, lines: Uint32Array.of(6, 9, 10, 11) } },
    ])
    expect(Object.keys(file.objects[1]?.value as object)).toContain('__proto__')
  })

  it('gives the same result for the same content', async () => {
    using folder = makeTemporaryFolder()
    await using parser = await openFileParser({ clock: systemClock })
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, service('web'))
    const first = await parsed(parser, path)
    writeFileSync(path, service('web'))
    expect(await parsed(parser, path, first)).toBe(first)
  })

  it('gives the same value for an unchanged object, and the same object where it did not even move', async () => {
    using folder = makeTemporaryFolder()
    await using parser = await openFileParser({ clock: systemClock })
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, [service('a'), service('b'), service('c')].join('---\n'))
    const first = await parsed(parser, path)
    writeFileSync(path, [service('a'), `# words\n${service('b')}`, service('c2'), service('d'), service('b')].join('---\n'))
    const second = await parsed(parser, path, first)

    expect(second.objects[0]).toBe(first.objects[0])
    expect(second.objects[1]?.value).toBe(first.objects[1]?.value)
    expect(second.objects[1]?.origin.line).toBe(7)
    expect(second.objects[2]?.value).toEqual({ ...(first.objects[2]?.value as object), metadata: { name: 'c2' } })
    expect(second.objects[4]?.value).toBe(first.objects[1]?.value)
    expect(second.objects[4]?.origin.line).toBe(22)
  })

  it('keeps ten thousand unchanged objects when one changes', async () => {
    using folder = makeTemporaryFolder()
    await using parser = await openFileParser({ clock: systemClock })
    const path = `${folder.path}/a.json`
    const items = Array.from({ length: 10_000 }, (_, index) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `s${index}` },
    }))
    writeFileSync(path, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
    const first = await parsed(parser, path)
    items.splice(5_000, 1)
    writeFileSync(path, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
    const second = await parsed(parser, path, first)
    const before = new Set(first.objects)
    expect(first.objects).toHaveLength(10_000)
    expect(second.objects).toHaveLength(9_999)
    expect(second.objects.filter((object) => before.has(object))).toHaveLength(9_999)
  })

  it('leaves the main thread free while it parses ten megabytes', async () => {
    using folder = makeTemporaryFolder()
    await using parser = await openFileParser({ clock: systemClock })
    const path = `${folder.path}/a.yaml`
    const spec = `spec:\n  ports:\n${Array.from({ length: 40 }, (_, port) => `  - {name: p${port}, port: ${port + 1}}\n`).join('')}`
    const one = service('name', spec)
    writeFileSync(path, Array.from({ length: Math.ceil(10e6 / one.length) }, () => one).join('---\n'))
    const delay = monitorEventLoopDelay({ resolution: 5 })
    delay.enable()
    const from = performance.now()
    const file = await parsed(parser, path)
    const tookMs = performance.now() - from
    delay.disable()
    expect(statSync(path).size).toBeGreaterThan(10e6)
    expect(file.objects.length).toBeGreaterThan(8_000)
    // Parsing it here would be one delay, as long as it all took.
    expect(delay.max / 1e6).toBeLessThan(tookMs / 2)
  })

  it('takes only the file that it is told to expect', async () => {
    using folder = makeTemporaryFolder()
    await using parser = await openFileParser({ clock: systemClock })
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, service('web'))
    const identity = identityOf(statSync(path, { bigint: true }))
    const ask = (expectation: string) => parser.parse({ path, place: path, expect: expectation, previous: undefined })
    expect(await ask(identity)).toMatchObject({ kind: 'parsed' })
    expect(await ask(`${identity}0`)).toEqual({ kind: 'moved' })
  })

  it('says what cannot be read, and never waits for it', async () => {
    using folder = makeTemporaryFolder()
    await using parser = await openFileParser({ clock: systemClock })
    const at = (name: string) => `${folder.path}/${name}`
    execFileSync('mkfifo', [at('fifo')])
    writeFileSync(at('latin1'), Buffer.from([0x61, 0x3a, 0x20, 0xe4, 0x0a]))
    writeFileSync(at('binary'), Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 0]))
    expect(await problemOf(parser, at('fifo'))).toMatchObject({ code: 'not-a-file', place: 'shown.yaml' })
    expect(await problemOf(parser, folder.path)).toMatchObject({ code: 'not-a-file' })
    expect(await problemOf(parser, '/dev/zero')).toMatchObject({ code: 'not-a-file' })
    expect(await problemOf(parser, at('fifo/a'))).toMatchObject({
      code: 'file-unreadable',
      message: expect.stringMatching(/^cannot be read: ENOTDIR/),
    })
    expect(await problemOf(parser, at('none'))).toEqual({ kind: 'moved' })
    expect(await problemOf(parser, at('latin1'))).toMatchObject({ code: 'file-binary' })
    expect(await problemOf(parser, at('binary'))).toMatchObject({ code: 'file-binary' })
  })

  it('does not read more than 64 MiB', async () => {
    using folder = makeTemporaryFolder()
    await using parser = await openFileParser({ clock: systemClock })
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, Buffer.alloc(64 * 2 ** 20, '#'))
    expect(valuesOf(await parsed(parser, path))).toEqual([])
    writeFileSync(path, Buffer.alloc(64 * 2 ** 20 + 1, '#'))
    expect(await problemOf(parser, path)).toMatchObject({ code: 'file-too-large' })
  })

  it('outlives a file that kills its thread', async () => {
    using folder = makeTemporaryFolder()
    await using parser = await openFileParser({ clock: systemClock, heapLimitMb: 24 })
    const [huge, small] = [`${folder.path}/huge.yaml`, `${folder.path}/small.yaml`]
    writeFileSync(huge, `a: [${'[],'.repeat(2_000_000)}]`)
    writeFileSync(small, service('web'))
    const [problem, file] = await Promise.all([problemOf(parser, huge), parsed(parser, small)])
    expect(problem).toMatchObject({ severity: 'error', code: 'parser-failed', message: expect.stringContaining('memory') })
    expect(file.objects).toHaveLength(1)
  })

  it('gives up a file that takes too long, and goes on with the next', async () => {
    using folder = makeTemporaryFolder()
    const clock = manualClock()
    await using parser = await openFileParser({ clock })
    const [slow, next] = [`${folder.path}/slow.yaml`, `${folder.path}/next.yaml`]
    writeFileSync(slow, 'a: [1, 2]\n'.repeat(1_000_000))
    writeFileSync(next, service('web'))
    const outcomes = Promise.all([problemOf(parser, slow), parsed(parser, next)])
    await eventually(() => expect(clock.pending).toBe(1))
    clock.advance(120_000)
    const [problem, file] = await outcomes
    expect(problem).toMatchObject({ code: 'parser-failed', message: 'could not be parsed: took longer than 120 s' })
    expect(file.objects).toHaveLength(1)
  })

  it('ends its thread when there was nothing to parse for a while, and starts another when there is', async () => {
    using folder = makeTemporaryFolder()
    const clock = manualClock()
    await using parser = await openFileParser({ clock })
    const path = `${folder.path}/a.yaml`
    const threads: string[] = []
    const noteThread = (thread: Worker) => {
      threads.push('starts')
      thread.once('exit', () => threads.push('ends'))
    }
    process.on('worker', noteThread)
    for (const name of ['web', 'api']) {
      writeFileSync(path, service(name))
      expect((await parsed(parser, path)).objects).toHaveLength(1)
      clock.advance(9_999)
      expect(threads.at(-1)).toBe('starts')
      clock.advance(1)
      await eventually(() => expect(threads.at(-1)).toBe('ends'))
    }
    process.off('worker', noteThread)
    expect(threads).toHaveLength(4)
    expect(clock.pending).toBe(0)
  })

  it('answers everyone who waits when it is disposed, and disposing twice is the same as once', async () => {
    using folder = makeTemporaryFolder()
    const parser = await openFileParser({ clock: systemClock })
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, service('web'))
    const waiting = [problemOf(parser, path), problemOf(parser, path)]
    await parser[Symbol.asyncDispose]()
    await parser[Symbol.asyncDispose]()
    expect(await Promise.all(waiting)).toEqual([{ kind: 'stopped' }, { kind: 'stopped' }])
    expect(await problemOf(parser, path)).toEqual({ kind: 'stopped' })
    parser.hold()[Symbol.dispose]()
  })

  it('keeps a process alive for as long as it is asked something, and no longer', () => {
    using folder = makeTemporaryFolder()
    const path = `${folder.path}/a.yaml`
    writeFileSync(path, service('web'))
    const from = (file: string) => JSON.stringify(fileURLToPath(new URL(`../../src/${file}`, import.meta.url)))
    const script = `
      import { systemClock } from ${from('lib/clock.ts')}
      import { openFileParser } from ${from('source/parser.ts')}
      import { openFileSource } from ${from('source/file-source.ts')}
      const parser = await openFileParser({ clock: systemClock })
      const source = await openFileSource(${JSON.stringify(path)}, { clock: systemClock, parser })
      for await (const state of source.watch(new AbortController().signal)) console.log(state.objects.length)
    `
    // It ends while it waits for a second state, which Node calls an unsettled await: 13.
    const child = () =>
      execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', timeout: 15_000, stdio: 'pipe' })
    expect(child).toThrow(expect.objectContaining({ status: 13, stdout: '1\n' }))
  })
})
