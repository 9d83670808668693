import { execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { ProxyError } from '../../src/lib/errors.ts'
import { dampLogger } from '../../src/observe/log-damper.ts'
import { createLogStream } from '../../src/observe/log-stream.ts'
import { createLogger, type Logger, silentLogger } from '../../src/observe/logger.ts'

type Line = Record<string, unknown>

function captured(level: 'debug' | 'info' | 'silent' = 'debug'): { logger: Logger; lines: Line[] } {
  const lines: Line[] = []
  return { logger: createLogger({ level, stream: { write: (line) => void lines.push(JSON.parse(line)) } }), lines }
}

describe('logger', () => {
  it('writes one JSON line with level, time, component, event, fields and message', () => {
    const { logger, lines } = captured()
    logger.child({ component: 'pool' }).info('listener.opened', 'accepting clients', { key: 'TCP/127.0.0.1:80', listener: 3 })
    expect(lines).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        pid: process.pid,
        component: 'pool',
        event: 'listener.opened',
        key: 'TCP/127.0.0.1:80',
        listener: 3,
        msg: 'accepting clients',
      },
    ])
  })

  it('leaves out what is below its level', () => {
    const { logger, lines } = captured('info')
    logger.debug('snapshot.applied', 'a session ended')
    logger.warn('listener.failed', 'cannot listen')
    expect(lines.map((line) => line['level'])).toEqual(['warn'])
  })

  it('takes a message literally', () => {
    const { logger, lines } = captured()
    logger.info('object.note', '100%d %s %% of "x"\n{}')
    expect(lines[0]?.['msg']).toBe('100%d %s %% of "x"\n{}')
  })

  it('shows an expected error as its message and code, without a stack', () => {
    const { logger, lines } = captured()
    const error = Object.assign(new Error('listen: address in use'), { code: 'EADDRINUSE' })
    logger.warn('listener.failed', 'cannot listen', { error })
    expect(lines[0]).toMatchObject({ error: 'listen: address in use', code: 'EADDRINUSE' })
    expect(lines[0]).not.toHaveProperty('stack')
  })

  it('shows the stack of an error nobody foresaw', () => {
    const { logger, lines } = captured()
    logger.error('snapshot.failed', 'a session failed', { error: new TypeError('x is undefined') })
    logger.error('snapshot.failed', 'a session failed', { error: new ProxyError('E_INTERNAL', 'bug', 'lease ended twice') })
    expect(lines.map((line) => String(line['stack']).includes('logger.test.ts'))).toEqual([true, true])
  })

  it('writes for people when asked to', () => {
    const lines: string[] = []
    const logger = createLogger({ level: 'info', pretty: true, stream: { write: (line) => void lines.push(line) } })
    logger.child({ component: 'pool' }).info('listener.opened', 'accepting clients', { key: 'TCP/127.0.0.1:80' })
    expect(lines[0]).toMatch(/^\[[\d:.]+\] INFO: pool: accepting clients \{"key":"TCP\/127.0.0.1:80"\}\n$/)
  })

  it('says nothing when silent', () => {
    const { logger, lines } = captured('silent')
    logger.error('source.failed', 'no')
    silentLogger.child({ component: 'x' }).error('source.failed', 'no')
    expect(lines).toEqual([])
  })

  it('has written its last line when the process exits at once', async () => {
    const script = `import { createLogger } from ${JSON.stringify(new URL('../../src/observe/logger.ts', import.meta.url).href)}
      createLogger({ level: 'info' }).info('proxy.drained', 'last words')
      process.exit(0)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'ignore', 'pipe'] })
    let text = ''
    for await (const chunk of child.stderr) text += chunk
    expect(text).toContain('last words')
  })
})

describe('log stream', () => {
  it('keeps lines for a reader that is behind, loses the rest and says how many', () => {
    const folder = mkdtempSync(join(tmpdir(), 'portald-log-'))
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
    const fd = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK)
    const clock = manualClock()
    const lost: number[] = []
    const stream = createLogStream({ fd, clock, onCaughtUp: (count) => lost.push(count) })
    const line = (n: number) => `${String(n).padStart(999, '.')}\n`
    for (let n = 0; n < 3000; n++) stream.write(line(n))

    let text = ''
    const buffer = Buffer.alloc(1 << 20)
    for (let round = 0; round < 100; round++) {
      try {
        for (let size = 1; size > 0; ) {
          size = readSync(reader, buffer)
          text += buffer.toString('latin1', 0, size)
        }
      } catch {
        clock.advance(50)
      }
    }
    closeSync(reader)
    closeSync(fd)
    rmSync(folder, { recursive: true })
    const kept = 3000 - (lost[0] ?? 0)
    expect(lost).toHaveLength(1)
    expect(kept).toBeGreaterThan(1000)
    expect(text).toBe(Array.from({ length: kept }, (_, n) => line(n)).join(''))
  })

  it('survives a full disk', () => {
    const fd = openSync('/dev/full', 'w')
    const stream = createLogStream({ fd, clock: manualClock(), onCaughtUp: () => {} })
    expect(() => stream.write('line\n')).not.toThrow()
    closeSync(fd)
  })
})

describe('log damper', () => {
  function damped() {
    const { logger, lines } = captured()
    const clock = manualClock()
    return { logger: dampLogger(logger, { clock }), lines, clock }
  }
  const message = (line: Line) => line['msg']

  it('writes a repeated line once and its count at the end of the time', () => {
    const { logger, lines, clock } = damped()
    for (let n = 1; n <= 5; n++) logger.warn('listener.failed', 'refused', { key: '10.0.0.1:80/TCP', n })
    expect(lines.map(message)).toEqual(['refused'])
    clock.advance(30_000)
    expect(lines.map(message)).toEqual(['refused', 'refused (4 more within 30 s)'])
    expect(lines[1]).toMatchObject({ level: 'warn', event: 'listener.failed', key: '10.0.0.1:80/TCP', again: 4, n: 5 })
  })

  it('says it every 30 s while it goes on, then forgets it', () => {
    const { logger, lines, clock } = damped()
    for (let second = 0; second < 70; second++) {
      logger.warn('listener.failed', 'refused', { key: 'a' })
      clock.advance(1000)
    }
    expect(lines.map((line) => line['again'])).toEqual([undefined, 29, 30])
    clock.advance(60_000)
    expect(clock.pending).toBe(0)
    logger.warn('listener.failed', 'refused', { key: 'a' })
    expect(lines.at(-1)).not.toHaveProperty('again')
  })

  it('tells lines of other keys, events, messages and components apart', () => {
    const { logger, lines } = damped()
    logger.warn('listener.failed', 'refused', { key: 'a' })
    logger.warn('listener.failed', 'refused', { key: 'b' })
    logger.warn('listener.failed', 'timed out', { key: 'a' })
    logger.warn('probe.failed', 'refused', { key: 'a' })
    logger.child({ component: 'pool' }).warn('listener.failed', 'refused', { key: 'a' })
    expect(lines).toHaveLength(5)
  })

  it('never holds back a line without a key', () => {
    const { logger, lines, clock } = damped()
    logger.info('snapshot.applied', 'in force')
    logger.info('snapshot.applied', 'in force')
    expect(lines).toHaveLength(2)
    expect(clock.pending).toBe(0)
  })

  it('says what it held back when it is disposed', () => {
    const { logger, lines, clock } = damped()
    logger.error('listener.failed', 'in use', { key: 'a' })
    logger.error('listener.failed', 'in use', { key: 'a' })
    logger[Symbol.dispose]()
    logger[Symbol.dispose]()
    expect(lines.map(message)).toEqual(['in use', 'in use (1 more within 30 s)'])
    expect(clock.pending).toBe(0)
  })
})
