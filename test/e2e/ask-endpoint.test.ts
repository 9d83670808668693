import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { CheckAnswer, CheckRequest } from '../../src/health/ask.ts'
import { createAskEndpoint } from '../../src/health/checks/ask-endpoint.ts'
import { failureOf } from '../../src/health/checks/failures.ts'
import type { CheckQuestion } from '../../src/model/health.ts'
import type { ServicePortKey } from '../../src/model/keys.ts'
import { openBlackHole, openRefusing, TcpEndpoint, type TestEndpoint, UdpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { openHttpServer } from '../support/http-server.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const IP = '127.130.1.1'
const GOOD: CheckAnswer = { said: '' }
/** Long enough for an answer on loopback; where none comes, each test waits this long. */
const PATIENCE_MS = 500

const tcp = (send = '', expect = ''): CheckQuestion => ({ how: 'tcp', send, expect })
const udp = (expect = ''): CheckQuestion => ({ how: 'udp', send: 'ping', expect })
const http = (path = '/', ...statuses: [number, number][]): CheckQuestion => ({
  how: 'http',
  path,
  statuses: statuses.length > 0 ? statuses : [[200, 399]],
})

interface Asking extends Partial<Omit<CheckRequest, 'question'>> {
  readonly programs?: Record<string, readonly string[]>
  readonly patienceMs?: number
}

/** What becomes of a question. */
function ask(
  question: CheckRequest['question'],
  endpoint: TestEndpoint,
  { programs = {}, patienceMs = PATIENCE_MS, ...more }: Asking = {},
) {
  const request = {
    question,
    address: endpoint.address,
    service: 'default/web:http/TCP' as ServicePortKey,
    proxyHeader: undefined,
  }
  return createAskEndpoint(new Map(Object.entries(programs)))({ ...request, ...more }, AbortSignal.timeout(patienceMs))
}

const playing = (script: string) => TcpEndpoint.open(IP, script)

/** Says this to everyone who connects, at once, and then ends or says no more. */
async function openTalker(ip: string, said: string, ends: boolean): Promise<TestEndpoint> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on('error', () => {}))
    socket.resume().write(said)
    if (ends) socket.end()
  }).listen(0, ip)
  await once(server, 'listening')
  return {
    address: { ip, port: (server.address() as AddressInfo).port } as TestEndpoint['address'],
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

describe('a TCP check', () => {
  it.each([
    ['an endpoint that accepts', 'echo', tcp(), GOOD],
    ['one that closes at once', 'close', tcp(), GOOD],
    ['the right answer', 'read 6, say +PONG', tcp('PING\r\n', '+PONG'), GOOD],
    ['the right words of one that speaks first', 'say 220-ready-ESMTP', tcp('', 'ESMTP'), GOOD],
    ['an answer in pieces', 'read 6, say +PO, wait 30ms, say NG', tcp('PING\r\n', '+PONG'), GOOD],
    ['an answer of other bytes, and its end', 'read 6, say -ERR, shut', tcp('PING\r\n', '+PONG'), { failure: 'wrong answer' }],
    ['no answer but an end', 'read 6, shut', tcp('PING\r\n', '+PONG'), { failure: 'closed without an answer' }],
    ['an answer cut midway', 'read 6, say +PO, reset', tcp('PING\r\n', '+PONG'), { failure: 'connection reset' }],
    ['an answer that does not come', 'read 6, wait 5s', tcp('PING\r\n', '+PONG'), { failure: 'no answer in time' }],
  ])('makes of %s what it is', async (_, script, question, answer) => {
    await using endpoint = await playing(script)
    expect(await ask(question, endpoint)).toEqual(answer)
  })

  it('makes of nobody a refusal', async () => {
    await using nobody = await openRefusing(IP)
    expect(await ask(tcp(), nobody)).toEqual({ failure: 'connection refused' })
  })

  it('makes of a black hole that there was no connection in time', async () => {
    await using hole = await openBlackHole(IP)
    expect(await ask(tcp(), hole)).toEqual({ failure: 'no connection in time' })
  })

  it('reads no more than it has to of an endpoint that never stops', async () => {
    await using endpoint = await playing('send 1000000, wait 5s')
    expect(await ask(tcp('', 'no such words'), endpoint)).toEqual({ failure: 'the answer does not hold what it should' })
  })

  it('leaves no connection behind', async () => {
    await using endpoint = await playing('echo')
    await ask(tcp('PING', 'PING'), endpoint)
    await ask(tcp('PING', 'PONG'), endpoint)
    const sessions = await Promise.all([endpoint.session(0), endpoint.session(1)])
    await Promise.all(sessions.map((session) => session.ends()))
  })

  it.each([
    [1, 'PROXY UNKNOWN\r\n'],
    [2, '\r\n\r\n\0\r\nQUIT\n \0\0\0'],
  ] as const)('begins with a PROXY header of version %i that names nobody', async (proxyHeader, header) => {
    await using endpoint = await playing('echo')
    expect(await ask(tcp('PING', `${header}PING`), endpoint, { proxyHeader })).toEqual(GOOD)
    await ask(tcp(), endpoint, { proxyHeader })
    const session = await endpoint.session(1)
    await session.receives(header.length)
    expect(session.text).toBe(header)
  })
})

describe('an HTTP check', () => {
  it('makes a GET of a path, and judges the status', async () => {
    const lines: string[] = []
    await using server = await openHttpServer(IP, (path, { method, headers }) => {
      lines.push(`${method} ${path} ${headers.host}`)
      return path === '/healthz' ? 200 : path === '/moved' ? 302 : 503
    })
    expect(await ask(http('/healthz'), server)).toEqual(GOOD)
    expect(await ask(http('/moved'), server)).toEqual(GOOD)
    expect(await ask(http('/moved', [200, 299]), server)).toEqual({ failure: 'status 302' })
    expect(await ask(http('/broken'), server)).toEqual({ failure: 'status 503' })
    expect(await ask(http('/broken', [200, 299], [503, 503]), server)).toEqual(GOOD)
    expect(lines[0]).toBe(`GET /healthz ${IP}:${server.address.port}`)
  })

  it.each([
    ['what is no HTTP', 'hello\n', { failure: 'the answer is no HTTP' }],
    ['half a line', 'HTTP/1.1 200', { failure: 'wrong answer' }],
    ['a status that is none', 'HTTP/1.1 2000\n', { failure: 'the answer is no HTTP' }],
    ['a status and nothing else', 'HTTP/1.0 200\r\n', GOOD],
    ['the end', '', { failure: 'closed without an answer' }],
  ])('makes of %s what it is', async (_, said, answer) => {
    await using endpoint = await openTalker(IP, said, true)
    expect(await ask(http(), endpoint)).toEqual(answer)
  })
})

describe('a UDP check', () => {
  const answering = (answer: string | undefined) =>
    UdpEndpoint.open(IP, (datagram) => (answer === undefined || String(datagram) !== 'ping' ? undefined : Buffer.from(answer)))

  it.each([
    ['any answer', 'x', udp(), GOOD],
    ['an empty answer', '', udp(), GOOD],
    ['the right answer', 'it is a pong', udp('pong'), GOOD],
    ['another answer', 'ping', udp('pong'), { failure: 'wrong answer' }],
    ['silence', undefined, udp(), { failure: 'no answer in time' }],
  ])('makes of %s what it is', async (_, said, question, answer) => {
    await using endpoint = await answering(said)
    expect(await ask(question, endpoint)).toEqual(answer)
  })

  it('makes of nobody a refusal', async () => {
    const endpoint = await answering('x')
    await endpoint[Symbol.asyncDispose]()
    expect(await ask(udp(), endpoint)).toEqual({ failure: 'connection refused' })
  })
})

describe('the question to an agent', () => {
  it.each([
    ['a line', '75%\n', false, { said: '75%\n' }],
    ['a word and an end', 'up', true, { said: 'up' }],
    ['a word without an end', 'up', false, { failure: 'no answer in time' }],
  ])('is answered by %s as it says', async (_, said, ends, answer) => {
    await using endpoint = await openTalker(IP, said, ends)
    expect(await ask({ how: 'agent' }, endpoint)).toEqual(answer)
  })

  it('is not answered by silence, nor by a flood', async () => {
    await using silent = await playing('shut')
    expect(await ask({ how: 'agent' }, silent)).toEqual({ failure: 'closed without an answer' })
    await using flood = await playing('send 100000, wait 5s')
    expect(await ask({ how: 'agent' }, flood)).toEqual({ failure: 'the answer is too long' })
  })
})

describe('what we lack', () => {
  it('is not the fault of the endpoint', () => {
    const error = (code: string) => Object.assign(new Error(code), { code })
    expect(failureOf(error('EMFILE'))).toEqual({ unasked: 'EMFILE' })
    expect(failureOf(error('EADDRNOTAVAIL'))).toEqual({ unasked: 'EADDRNOTAVAIL' })
    expect(failureOf(error('EHOSTUNREACH'))).toEqual({ failure: 'no route to host' })
    expect(failureOf(error('ENOENT'), 'cannot run /x: ')).toEqual({ failure: 'cannot run /x: ENOENT' })
  })
})

describe('a program', () => {
  const exec: CheckQuestion = { how: 'exec', program: 'probe' }
  const nobody = { address: { ip: IP, port: 80 } as TestEndpoint['address'], [Symbol.asyncDispose]: async () => {} }
  const run = (argv: readonly string[], more: Asking = {}) =>
    ask(exec, nobody, { patienceMs: 20_000, ...more, programs: { probe: argv } })

  it('is good when it ends with 0', async () => {
    expect(await run(['/bin/true'])).toEqual(GOOD)
    expect(await run(['/bin/false'])).toEqual({ failure: 'exit code 1' })
    expect(await run(['/bin/sh', '-c', 'kill -9 $$'])).toEqual({ failure: 'killed by SIGKILL' })
    expect(await run(['/no/such/program'])).toEqual({ failure: 'cannot run /no/such/program: ENOENT' })
    expect(await ask(exec, nobody)).toEqual({ failure: 'there is no program probe' })
  })

  it('is told of the endpoint, word by word and through no shell, without our environment', async () => {
    using folder = makeTemporaryFolder()
    const out = join(folder.path, 'out')
    const script = join(folder.path, 'script')
    writeFileSync(script, `#!/bin/sh\nprintf '%s\\n' "$@" "$(env | sort | cut -d= -f1 | grep -v '^_$')" "$(pwd)" > ${out}\n`, {
      mode: 0o700,
    })
    process.env['PORTALD_TEST_SECRET'] = 'secret'
    const never = join(folder.path, 'never')
    const words = ['-h', '{ip}:{port}', '{service}', `$(touch ${never});x`, '{other}', '*']
    expect(await run([script, ...words])).toEqual(GOOD)
    delete process.env['PORTALD_TEST_SECRET']
    const printed = readFileSync(out, 'utf8').trimEnd().split('\n')
    expect(printed.slice(0, 6)).toEqual(['-h', `${IP}:80`, 'default/web:http/TCP', `$(touch ${never});x`, '{other}', '*'])
    expect(existsSync(never)).toBe(false)
    expect(printed.slice(6)).toEqual(['PATH', 'PWD', '/'])
  })

  it('is killed when its time is up, and with it what it started', async () => {
    using folder = makeTemporaryFolder()
    const pids = join(folder.path, 'pids')
    const script = join(folder.path, 'script')
    writeFileSync(script, `#!/bin/sh\ntrap '' TERM\nsleep 1000 &\necho "$$ $!" > ${pids}\nwait\n`, { mode: 0o700 })
    expect(await run([script], { patienceMs: 300 })).toEqual({ failure: 'no answer in time' })
    const started = readFileSync(pids, 'utf8').trim().split(' ').map(Number)
    expect(started).toHaveLength(2)
    await eventually(() => expect(started.filter(isRunning)).toEqual([]))
  })
})

/** Whether there is such a process that is more than a remainder nobody has asked for yet. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
