import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { manualClock, systemClock } from '../../src/lib/clock.ts'
import { ACCESS_FIELDS, parseAccessFormat } from '../../src/model/access-format.ts'
import type { SessionRecord } from '../../src/model/session.ts'
import { accessLine } from '../../src/observe/access-line.ts'
import { openAccessLog } from '../../src/observe/access-log.ts'
import { accessSample } from '../../src/observe/access-sample.ts'
import { createLogger, silentLogger } from '../../src/observe/logger.ts'

const TCP: SessionRecord = {
  id: 12,
  startedAtMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  durationMs: 1500.12345,
  connectMs: 0.4321987,
  client: '127.0.0.1:40000',
  local: '127.96.0.10:80',
  service: 'default/web:http/TCP',
  endpoint: '10.1.2.3:8080/TCP',
  protocol: 'TCP',
  scheduler: 'rr',
  attempts: 1,
  bytesFromClient: 5,
  bytesFromEndpoint: 2 ** 40,
  datagramsFromClient: 0,
  datagramsFromEndpoint: 0,
  end: 'client-closed',
}

let folder: string
let path: string
const lines = (file = path) =>
  readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
const ids = (file = path) => lines(file).map((line) => line['id'])

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portald-access-'))
  path = join(folder, 'access.log')
})
afterEach(() => rmSync(folder, { recursive: true }))

function eventLog() {
  const events: Record<string, unknown>[] = []
  return { events, logger: createLogger({ level: 'info', stream: { write: (line) => void events.push(JSON.parse(line)) } }) }
}

describe('the format of the access log', () => {
  const line = (template: string, record = TCP) => accessLine(record, parseAccessFormat(template))

  it('is JSON, or a text with fields in it', () => {
    expect(line('json')).toBe(accessLine(TCP))
    expect(line('{client} -> {endpoint} {durationMs}ms {end}')).toBe(
      '127.0.0.1:40000 -> 10.1.2.3:8080/TCP 1500.123ms client-closed\n',
    )
    expect(line('plain')).toBe('plain\n')
    expect(line('{{id} is {id}}')).toBe('{id} is 12}\n')
  })

  it('has every field that the JSON form has, and - for what there is not', () => {
    for (const field of ACCESS_FIELDS) expect(line(`{${field}}`)).not.toBe('\n')
    expect(Object.keys(JSON.parse(accessLine({ ...TCP, protocol: 'UDP' })))).toEqual(ACCESS_FIELDS)
    expect(line('{endpoint} {connectMs}', { ...TCP, endpoint: undefined, connectMs: undefined })).toBe('- -\n')
  })

  it.each(['', '{', '{nothing}', '{id', 'a\nb', '{ id }', '{}', 'x'.repeat(1025)])('is not %j', (text) => {
    expect(parseAccessFormat(text)).toBeUndefined()
  })
})

describe('the sample of the access log', () => {
  it('has one in so many of the sessions that ended well, and all others', () => {
    const tellsOf = accessSample(10)
    const ids = Array.from({ length: 100 }, (_, id) => id)
    expect(ids.filter((id) => tellsOf(id, 'client-closed'))).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90])
    expect(ids.filter((id) => tellsOf(id, 'completed'))).toHaveLength(10)
    expect(ids.filter((id) => tellsOf(id, 'endpoint-reset'))).toHaveLength(100)
  })
})

describe('access line', () => {
  it('tells of a TCP session', () => {
    const line = accessLine(TCP)
    expect(line.endsWith('}\n')).toBe(true)
    expect(JSON.parse(line)).toEqual({
      time: '2026-01-02T03:04:06.500Z',
      id: 12,
      protocol: 'TCP',
      client: '127.0.0.1:40000',
      local: '127.96.0.10:80',
      service: 'default/web:http/TCP',
      endpoint: '10.1.2.3:8080/TCP',
      scheduler: 'rr',
      attempts: 1,
      connectMs: 0.432,
      durationMs: 1500.123,
      bytesFromClient: 5,
      bytesFromEndpoint: 2 ** 40,
      end: 'client-closed',
    })
  })

  it('tells of the datagrams of a UDP session, and of the messages of an SCTP session', () => {
    for (const protocol of ['UDP', 'SCTP'] as const) {
      const record = { ...TCP, protocol, datagramsFromClient: 3, datagramsFromEndpoint: 2 }
      expect(JSON.parse(accessLine(record))).toMatchObject({ datagramsFromClient: 3, datagramsFromEndpoint: 2 })
    }
  })

  it('leaves out the endpoint and connect time of a session that had none', () => {
    const line = JSON.parse(accessLine({ ...TCP, endpoint: undefined, connectMs: undefined, end: 'no-endpoint' }))
    expect(line).not.toHaveProperty('endpoint')
    expect(line).not.toHaveProperty('connectMs')
  })

  it('does not fail on a time that is no time', () => {
    expect(() => accessLine({ ...TCP, startedAtMs: Number.NaN })).not.toThrow()
  })
})

describe('access log', () => {
  it('appends to what is there', async () => {
    for (const id of [1, 2]) {
      await using log = await openAccessLog({ destination: path, clock: systemClock, logger: silentLogger })
      log.append({ ...TCP, id })
    }
    expect(ids()).toEqual([1, 2])
  })

  it('writes lines together after a moment', async () => {
    const clock = manualClock()
    await using log = await openAccessLog({ destination: path, clock, logger: silentLogger, batchMs: 100 })
    log.append({ ...TCP, id: 1 })
    log.append({ ...TCP, id: 2 })
    expect(readFileSync(path, 'utf8')).toBe('')
    clock.advance(100)
    await vi.waitFor(() => expect(ids()).toEqual([1, 2]))
  })

  it('does not let a full batch wait', async () => {
    const clock = manualClock()
    await using log = await openAccessLog({ destination: path, clock, logger: silentLogger })
    for (let id = 0; id < 1000; id++) log.append({ ...TCP, id })
    await vi.waitFor(() => expect(lines().length).toBeGreaterThan(100))
  })

  it('has written every line, in order, once it is disposed', async () => {
    const log = await openAccessLog({ destination: path, clock: systemClock, logger: silentLogger })
    for (let id = 0; id < 10_000; id++) log.append({ ...TCP, id })
    await log[Symbol.asyncDispose]()
    await log[Symbol.asyncDispose]()
    log.append(TCP)
    expect(ids()).toEqual(Array.from({ length: 10_000 }, (_, id) => id))
    expect(log.dropped()).toBe(1)
  })

  it('says what to do when the file cannot be opened', async () => {
    const opening = openAccessLog({ destination: join(folder, 'no', 'such'), clock: systemClock, logger: silentLogger })
    await expect(opening).rejects.toMatchObject({ code: 'E_CONFIG', message: expect.stringContaining('choose a file') })
  })

  it('drops and counts lines on a full disk, says so once, and closes in time', async () => {
    const clock = manualClock()
    const { events, logger } = eventLog()
    const log = await openAccessLog({ destination: '/dev/full', clock, logger, longestBacklogBytes: 1000 })
    for (let id = 0; id < 10; id++) log.append(TCP)
    const kept = 10 - log.dropped()
    expect(kept).toBe(Math.floor(1000 / accessLine(TCP).length))
    for (let n = 0; n < 3; n++) {
      clock.advance(1000)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    const failed = events.filter(({ event }) => event === 'access-log.failed')
    expect(failed).toHaveLength(1)
    const disposed = log[Symbol.asyncDispose]()
    clock.advance(1000)
    await disposed
    expect(log.dropped()).toBe(10)
  })

  it('says which error stops it', async () => {
    const clock = manualClock()
    const { events, logger } = eventLog()
    const log = await openAccessLog({ destination: '/dev/full', clock, logger })
    log.append(TCP)
    clock.advance(250)
    await vi.waitFor(() => expect(events.at(-1)).toMatchObject({ event: 'access-log.failed', code: 'ENOSPC', key: '/dev/full' }))
    const disposed = log[Symbol.asyncDispose]()
    clock.advance(1000)
    await disposed
  })

  it('keeps what fits for a reader that stalls, and breaks no line', async () => {
    execFileSync('mkfifo', [path])
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const { events, logger } = eventLog()
    const log = await openAccessLog({ destination: path, clock: systemClock, logger, longestBacklogBytes: 200_000 })
    for (let id = 0; id < 5000; id++) log.append({ ...TCP, id })
    expect(log.dropped()).toBeGreaterThan(1000)

    let text = ''
    const buffer = Buffer.alloc(1 << 16)
    const read = () => {
      try {
        text += buffer.toString('utf8', 0, readSync(reader, buffer))
      } catch {
        // Nothing to read yet.
      }
    }
    await vi.waitFor(
      () => {
        read()
        expect(events.map(({ event }) => event)).toEqual(['access-log.opened', 'access-log.failed', 'access-log.recovered'])
      },
      { timeout: 5000, interval: 5 },
    )
    await log[Symbol.asyncDispose]()
    read()
    closeSync(reader)
    const seen = text.split('\n').slice(0, -1)
    expect(seen.map((line) => JSON.parse(line).id)).toEqual(Array.from({ length: 5000 - log.dropped() }, (_, id) => id))
    expect(events.at(-1)).toMatchObject({ dropped: log.dropped() })
  })

  it('refuses a pipe that nobody reads instead of waiting for a reader', async () => {
    execFileSync('mkfifo', [path])
    await expect(openAccessLog({ destination: path, clock: systemClock, logger: silentLogger })).rejects.toThrow('nobody reads')
  })

  it('goes on in a new file after the old one was moved away', async () => {
    await using log = await openAccessLog({ destination: path, clock: systemClock, logger: silentLogger, batchMs: 1 })
    log.append({ ...TCP, id: 1 })
    await vi.waitFor(() => expect(ids()).toEqual([1]))
    renameSync(path, `${path}.1`)
    log.append({ ...TCP, id: 2 })
    await vi.waitFor(() => expect(ids(`${path}.1`)).toEqual([1, 2]))
    await log.reopen()
    log.append({ ...TCP, id: 3 })
    await vi.waitFor(() => expect(ids()).toEqual([3]))
  })

  it('keeps the old file when the new one cannot be opened', async () => {
    const { events, logger } = eventLog()
    const deep = join(folder, 'deep')
    execFileSync('mkdir', [deep])
    const log = await openAccessLog({ destination: join(deep, 'a.log'), clock: systemClock, logger })
    renameSync(deep, `${deep}-away`)
    await log.reopen()
    log.append({ ...TCP, id: 5 })
    await log[Symbol.asyncDispose]()
    expect(ids(join(`${deep}-away`, 'a.log'))).toEqual([5])
    expect(events.at(-1)).toMatchObject({ event: 'access-log.failed', code: 'E_CONFIG' })
  })

  it('lets the process end in good order though nobody reads its stdout', async () => {
    execFileSync('mkfifo', [path])
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
    const url = (file: string) => JSON.stringify(new URL(`../../src/${file}`, import.meta.url).href)
    const script = `import { openAccessLog } from ${url('observe/access-log.ts')}
      import { silentLogger } from ${url('observe/logger.ts')}
      import { systemClock } from ${url('lib/clock.ts')}
      const log = await openAccessLog({ destination: '-', clock: systemClock, logger: silentLogger })
      for (let id = 0; id < 1000; id++) log.append({ ...${JSON.stringify(TCP)}, id })
      await log[Symbol.asyncDispose]()
      process.exitCode = log.dropped() > 0 ? 42 : 1`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', fd, 'inherit'] })
    const [code] = await once(child, 'exit')
    closeSync(fd)
    expect(code).toBe(42)
  })
})
