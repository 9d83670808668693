import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Calls } from '../../src/lib/libc/calls.ts'
import type { ERRNO } from '../../src/lib/libc/errno.ts'
import type { Libc } from '../../src/lib/libc/load.ts'
import type { Cidr } from '../../src/model/keys.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { echoDatagram } from '../support/echo.ts'
import { EngineWorld, type TestListener } from '../support/engine-world.ts'
import { eventually } from '../support/eventually.ts'
import { libc, nativeEngine, WITHOUT_NATIVE } from '../support/native-engine.ts'
import { knock } from '../support/tcp-client.ts'
import { Trouble, troubledLibc } from '../support/trouble.ts'
import { LINE_PRELUDE } from './engine-proxy.cases.ts'

type Errno = keyof typeof ERRNO

const EXHAUSTED: readonly Errno[] = ['ENOBUFS', 'EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOMEM']
const BROKEN: readonly Errno[] = ['EPIPE', 'ECONNRESET', 'ETIMEDOUT', 'ECONNREFUSED', 'EHOSTUNREACH']
const ODD: readonly Errno[] = ['EINTR', 'EAGAIN', 'EINVAL', 'EBADF', 'EPERM', 'ENOSYS']
const ALL = [...EXHAUSTED, ...BROKEN, ...ODD]

/** Calls that a worker makes for sessions. */
const CALLS: readonly (keyof Calls)[] = [
  'accept4',
  'socket',
  'connect',
  'setsockopt',
  'getsockopt',
  'getsockname',
  'epoll_ctl',
  'recv',
  'send',
  'shutdown',
  'close',
  'splice',
  'pipe2',
  'fcntl',
  'ioctl',
  'recvmmsg',
  'sendmmsg',
  'sendmsg',
  'read',
]
/** Once, and for as long as the work takes. */
const TIMES = [1, -1]
const ACCEPT = { from: ['127.0.0.0/8' as Cidr], withinMs: 600_000 }
const MIB = 2 ** 20
/** A share of one core that a process with nothing to do does not use. */
const SPINNING = 0.6
const QUIET_MS = 120

describe.skipIf(!libc)(`whatever the system refuses a native worker${WITHOUT_NATIVE}`, () => {
  const trouble = new Trouble()
  const deaths: string[] = []
  let world: EngineWorld
  let echo: TestListener
  let bulk: TestListener
  let flood: TestListener
  let retried: TestListener
  let introduced: TestListener
  let udp: TestListener
  let udpRetried: TestListener

  beforeAll(async () => {
    const openEngine = nativeEngine({ workers: 1, trouble: trouble.words, onDeath: (_, reason) => deaths.push(reason) })
    world = await EngineWorld.open({ network: '127.42.3', firstPort: 15_000, workers: 1, openEngine })
    const endpoint = await world.tcpEndpoint('echo')
    const answering = await world.udpEndpoint(echoDatagram)
    const refusing = await world.refusingEndpoint()
    echo = await world.listen({ endpoints: [endpoint] })
    bulk = await world.listen({ endpoints: [await world.tcpEndpoint('send 1M, shut')] })
    flood = await world.listen({ endpoints: [await world.tcpEndpoint('send 64M')] })
    retried = await world.listen({ endpoints: [refusing, endpoint] })
    introduced = await world.listen({ endpoints: [refusing, endpoint], acceptProxy: ACCEPT, prelude: LINE_PRELUDE })
    udp = await world.listen({ protocol: 'UDP', endpoints: [answering] })
    udpRetried = await world.listen({ protocol: 'UDP', endpoints: [refusing, answering] })
  })
  afterAll(() => world[Symbol.asyncDispose]())

  /** Some of everything, which may or may not come to a good end, but comes to an end. */
  async function work(): Promise<void> {
    const small = [echo.start(), retried.start(), echo.start(), retried.start()]
    const heard = [introduced.start(), introduced.start()]
    const big = bulk.start()
    const clients = [await udp.udpClient(), await udpRetried.udpClient()]
    for (const client of small) void client.send('hello').then(() => client.halfClose())
    for (const client of heard) void client.send('PROXY UNKNOWN\r\nhello').then(() => client.halfClose())
    for (const client of clients) for (let n = 0; n < 5; n++) client.send('hello')
    void big.send('x')
    await eventually(() => expect(small.every(({ closed, text }) => closed || text === 'hello') || trouble.hits > 0).toBe(true))
    await eventually(() =>
      expect(heard.every(({ closed, text }) => closed || /^PROXY TCP4 .*\r\nhello$/.test(text)) || trouble.hits > 0).toBe(true),
    )
    // Whoever met the trouble, or waits for somebody who did, leaves.
    await eventually(() => expect(big.closed || big.received.bytes === MIB || trouble.hits > 0).toBe(true))
    for (const client of [...small, ...heard, big]) client.reset()
    for (const client of clients) await client[Symbol.asyncDispose]()
  }

  async function worksAgain(): Promise<void> {
    trouble.stop()
    const client = await echo.connect()
    await client.send('hello')
    await client.receives('hello')
    client.halfClose()
    expect(await client.closes()).toBe('end')
    await using asking = await udp.udpClient()
    expect(`${await asking.askAgain('hello')}`).toBe('hello')
    await world.engine.cut({}, 'killed')
    await eventually(() => expect(world.engine.sessions()).toBe(0))
    // Before the rings are full.
    world.records()
  }

  for (const call of CALLS) {
    it(`at ${call}, it lives on, and nothing is left behind`, async () => {
      await worksAgain()
      await work()
      await worksAgain()
      const before = openDescriptors()
      for (const errno of ALL) {
        for (const times of TIMES) {
          trouble.inject(call, errno, { times })
          await work()
        }
        await worksAgain()
        expect(deaths).toEqual([])
      }
      await eventually(() => expect(openDescriptors()).toBeLessThanOrEqual(before + 2))
    }, 120_000)
  }

  for (const call of ['accept4', 'recvmmsg', 'epoll_ctl', 'socket', 'splice'] as const) {
    for (const errno of [...EXHAUSTED, 'EPERM', 'EINVAL'] as const) {
      it(`at ${call} for long (${errno}), it does not spin`, async () => {
        trouble.inject(call, errno, { times: -1 })
        const waiting = [echo.start(), call === 'splice' ? flood.start() : echo.start()]
        const asking = await udp.udpClient()
        asking.send('hello')
        await eventually(() => expect(trouble.hits).toBeGreaterThan(0))
        await eventually(async () => expect(await busyShare()).toBeLessThan(SPINNING))
        for (const client of waiting) client.reset()
        await asking[Symbol.asyncDispose]()
        await worksAgain()
        expect(deaths).toEqual([])
      })
    }
  }

  it('at epoll_wait, it is interrupted or replaced', async () => {
    trouble.inject('epoll_wait', 'EINTR', { times: 20 })
    await work()
    await worksAgain()
    expect(deaths).toEqual([])
    trouble.inject('epoll_wait', 'EINVAL', { times: 1 })
    await work()
    await eventually(() => expect(deaths).toEqual(['epoll_wait: EINVAL: use --engine node']))
    await worksAgain()
  })
})

describe.skipIf(!libc)(`whatever the system refuses the native engine${WITHOUT_NATIVE}`, () => {
  it('at opening an address, it says so, holds nothing, and opens it when it can', async () => {
    const trouble = new Trouble()
    const mainLibc = troubledLibc(libc as Libc, trouble.words)
    const openEngine = nativeEngine({ workers: 2, mainLibc })
    await using world = await EngineWorld.open({ network: '127.42.3', firstPort: 16_000, workers: 2, openEngine })
    const endpoint = await world.tcpEndpoint('say hello')
    // The workers are up.
    await (await world.listen({ endpoints: [endpoint] })).close()
    const before = openDescriptors()
    for (const call of ['socket', 'setsockopt', 'bind', 'listen'] as const) {
      for (const errno of [...EXHAUSTED, 'EACCES', 'EPERM', 'EADDRINUSE'] as const) {
        for (const protocol of ['TCP', 'UDP'] as const) {
          if (call === 'listen' && protocol === 'UDP') continue
          const listener = await world.claim({ protocol, endpoints: [endpoint] })
          trouble.inject(call, errno, { pass: call === 'bind' || call === 'listen' ? 1 : 0, times: -1 })
          const status = await listener.open()
          trouble.stop()
          expect([call, errno, status.state]).toEqual([call, errno, 'failed'])
          expect('code' in status && status.code).toBe(errno)
          expect(openDescriptors()).toBeLessThanOrEqual(before)
          expect((await listener.open()).state).toBe('listening')
          await listener.close()
        }
      }
    }
  })

  it('at opening a parked address again, it refuses clients until it can', async () => {
    const trouble = new Trouble()
    const openEngine = nativeEngine({ workers: 2, mainLibc: troubledLibc(libc as Libc, trouble.words) })
    await using world = await EngineWorld.open({ network: '127.42.3', firstPort: 16_500, workers: 2, openEngine })
    const listener = await world.listen({ endpoints: [await world.tcpEndpoint('say hello')] })
    await listener.park()
    // The first worker's socket listens already when the second's fails.
    trouble.inject('listen', 'EADDRINUSE', { pass: 1 })
    expect(await listener.open()).toMatchObject({ state: 'failed', code: 'EADDRINUSE' })
    for (let n = 0; n < 8; n++) expect(await knock(listener.address)).toBe('refused')
    expect((await listener.open()).state).toBe('listening')
    await (await listener.connect()).receives('hello')
  })

  for (const call of ['mmap', 'epoll_create1', 'epoll_ctl'] as const) {
    it(`at starting a worker (${call}), another one is tried until one lives`, async () => {
      const trouble = new Trouble()
      const deaths: string[] = []
      trouble.inject(call, 'ENOMEM', { times: -1 })
      const openEngine = nativeEngine({ workers: 1, trouble: trouble.words, onDeath: (_, reason) => deaths.push(reason) })
      await using world = await EngineWorld.open({ network: '127.42.3', firstPort: 17_000, workers: 1, openEngine })
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('say hello')] })
      await eventually(() => expect(deaths.length).toBeGreaterThan(1))
      trouble.stop()
      expect(new Set(deaths.map((reason) => reason.includes('ENOMEM')))).toEqual(new Set([true]))
      await (await listener.connect()).receives('hello')
    })
  }
})

/** The share of one core that this process uses while the test does nothing. */
async function busyShare(): Promise<number> {
  const before = process.cpuUsage()
  const startedMs = performance.now()
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS))
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / (performance.now() - startedMs)
}
