import { existsSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { echoDatagram, TcpEndpoint, UdpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { aService } from '../support/objects.ts'
import { serveFile } from '../support/served-file.ts'
import { patternSha256 } from '../support/tally.ts'
import { connectTcp, startTcpClient } from '../support/tcp-client.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { UdpClient } from '../support/udp-client.ts'
import { underLoad } from '../support/under-load.ts'
import { addressOf, describeOnEngines, slicesOf } from '../support/world.ts'

const NETWORK = '127.70.15'
const WEB = addressOf('127.70.15.1:8080')
const MIB = 2 ** 20
const BYTES = 32 * MIB
const LOAD = 4
const web = aService('web', { clusterIP: '127.70.15.1', ports: [{ port: 8080 }] })

async function ask(): Promise<string> {
  await using client = await connectTcp(WEB)
  await client.receives(1)
  return client.text
}

function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1)
}

/** What became of a client: served, or refused, or worse. */
async function outcomeOf(): Promise<string> {
  return await ask().catch((error: NodeJS.ErrnoException) => error.code ?? error.message)
}

describeOnEngines('SIGTERM', NETWORK, (_open, engine) => {
  // Case 90.
  it('under load lets every session finish, refuses new ones, and exits with 0', async () => {
    await using sending = await TcpEndpoint.open('127.70.15.101', 'read 4, send 32M, shut')
    await using named = await TcpEndpoint.open('127.70.15.102', 'say a, echo')
    const other = aService('other', { clusterIP: '127.70.15.2', ports: [{ port: 8080 }] })
    const objects = [web, other, slicesOf('web', [named]), slicesOf('other', [sending])]
    await using served = serveFile(engine, NETWORK, objects, ['--access-log', '-'])
    await served.command.event('proxy.ready')
    await using stack = new AsyncDisposableStack()
    const transfers = await Promise.all(
      Array.from({ length: 8 }, async () => stack.use(await connectTcp(addressOf('127.70.15.2:8080')))),
    )
    for (const client of transfers) {
      await client.send('more')
      await client.receives(1)
      client.pause()
    }
    const held = await Promise.all(Array.from({ length: 20 }, async () => stack.use(await connectTcp(WEB))))
    await Promise.all(held.map((client) => client.receives('a')))
    const outcomes = new Map<string, number>()
    const asking = async () => {
      const outcome = await outcomeOf()
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    await underLoad(LOAD, asking, async () => {
      await eventually(() => expect(outcomes.get('a')).toBeGreaterThan(50))
      served.command.process.kill('SIGTERM')
      await eventually(() => expect(outcomes.get('ECONNREFUSED')).toBeGreaterThan(0))
    })
    expect(await served.command.event('proxy.draining')).toMatchObject({ event: 'proxy.draining' })
    for (const client of held) {
      await client.send(' still')
      await client.receives('still')
    }
    for (const client of transfers) {
      expect(await client.resume().ends()).toBe('end')
      expect([client.received.bytes, client.received.sha256]).toEqual([BYTES, patternSha256(BYTES)])
      client.halfClose()
    }
    for (const client of held) client.halfClose()
    expect(await served.command.exit).toEqual({ code: 0, signal: null })
    expect(served.command.events('proxy.drained')).toHaveLength(1)
    // The queue was served. Between the last look into it and its end one more client may slip in, whom the system resets.
    const { a: asked = 0, ECONNREFUSED: _, ...others } = Object.fromEntries(outcomes)
    expect(Object.keys(others).filter((outcome) => !/^(ECONNRESET|reset after 0)/.test(outcome))).toEqual([])
    expect(
      Object.values(others).reduce((sum, count) => sum + count, 0),
      'clients that were reset',
    ).toBeLessThanOrEqual(1)
    const lines = served.command
      .out()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { end: string; bytesFromEndpoint: number })
    expect(lines.filter(({ bytesFromEndpoint }) => bytesFromEndpoint === BYTES)).toHaveLength(8)
    expect(lines.length).toBe(asked + 28)
  })

  it('cuts what still runs at the deadline, and says how many', async () => {
    await using named = await TcpEndpoint.open('127.70.15.102', 'say a, echo')
    await using served = serveFile(engine, NETWORK, [web, slicesOf('web', [named])], ['--drain-timeout', '300ms'])
    await served.command.event('proxy.ready')
    await using stack = new AsyncDisposableStack()
    const held = await Promise.all(Array.from({ length: 5 }, async () => stack.use(await connectTcp(WEB))))
    await Promise.all(held.map((client) => client.receives('a')))
    served.command.process.kill('SIGTERM')
    for (const client of held) expect(await client.ends()).toBe('reset')
    expect(await served.command.exit).toEqual({ code: 0, signal: null })
    expect(served.command.events('proxy.cut')).toEqual([expect.objectContaining({ cut: 5 })])
    expect(served.command.events('proxy.draining')).toEqual([expect.objectContaining({ sessions: 5 })])
  })

  it('a second time ends everything at once, with 1', async () => {
    await using named = await TcpEndpoint.open('127.70.15.102', 'say a, echo')
    await using served = serveFile(engine, NETWORK, [web, slicesOf('web', [named])])
    await served.command.event('proxy.ready')
    await using client = await connectTcp(WEB)
    await client.receives('a')
    served.command.process.kill('SIGTERM')
    await served.command.event('proxy.draining')
    served.command.process.kill('SIGINT')
    expect(await served.command.exit).toEqual({ code: 1, signal: null })
    expect(await client.ends()).toBe('reset')
  })

  it('a second time ends the shutdown delay, too', async () => {
    await using named = await TcpEndpoint.open('127.70.15.102', 'say a, echo')
    await using served = serveFile(engine, NETWORK, [web, slicesOf('web', [named])], ['--shutdown-delay', '10m'])
    await eventually(async () => expect(await served.readyz()).toBe(200))
    served.command.process.kill('SIGTERM')
    await eventually(async () => expect(await served.readyz()).toBe(503))
    expect(await ask()).toBe('a')
    // What changes meanwhile is still followed.
    served.write(web)
    await eventually(async () => expect(await outcomeOf()).toBe('ECONNREFUSED'))
    served.command.process.kill('SIGTERM')
    expect(await served.command.exit).toEqual({ code: 1, signal: null })
  })

  it('is not ready any more for as long as sessions finish', async () => {
    await using named = await TcpEndpoint.open('127.70.15.102', 'say a, echo')
    await using served = serveFile(engine, NETWORK, [web, slicesOf('web', [named])])
    await eventually(async () => expect(await served.readyz()).toBe(200))
    await using client = await connectTcp(WEB)
    await client.receives('a')
    served.command.process.kill('SIGTERM')
    await eventually(async () => expect(await served.readyz()).toBe(503))
    await client.send(' still')
    await client.receives('still')
    client.halfClose()
    expect((await served.command.exit).code).toBe(0)
  })

  it('leaves UDP sessions their answers until they fall silent', async () => {
    await using echo = await UdpEndpoint.open('127.70.15.103', echoDatagram)
    const dns = aService(
      'dns',
      { clusterIP: '127.70.15.1', ports: [{ port: 5353, protocol: 'UDP' }] },
      { annotations: { 'portald.io/udp-timeout': '1s' } },
    )
    await using served = serveFile(engine, NETWORK, [dns, slicesOf('dns', [echo], { protocol: 'UDP' })])
    await served.command.event('proxy.ready')
    await using client = await UdpClient.open(addressOf('127.70.15.1:5353'))
    await client.ask('before')
    served.command.process.kill('SIGTERM')
    await served.command.event('proxy.draining')
    expect(`${await client.ask('during')}`).toBe('during')
    expect(await served.command.exit).toEqual({ code: 0, signal: null })
  })

  it('before anything is served ends with 0', async () => {
    await using served = serveFile(engine, NETWORK, undefined)
    await served.command.event('proxy.starting')
    served.command.process.kill('SIGTERM')
    expect(await served.command.exit).toEqual({ code: 0, signal: null })
  })

  it('in the middle of starting ends with 0 within the drain timeout, whenever it comes', async () => {
    await using named = await TcpEndpoint.open('127.70.15.102', 'say a, echo')
    const services = Array.from({ length: 100 }, (_, n) =>
      aService(`s${n}`, { clusterIP: `127.70.15.${10 + (n % 50)}`, ports: [{ port: 9000 + n }] }),
    )
    const slices = services.flatMap((_, n) => slicesOf(`s${n}`, [named]))
    for (const event of ['engine.chosen', 'source.synced', 'listener.opened']) {
      await using served = serveFile(engine, NETWORK, [services, slices])
      await served.command.event(event)
      served.command.process.kill('SIGTERM')
      expect(await served.command.exit, event).toEqual({ code: 0, signal: null })
    }
  })
})

describeOnEngines('SIGHUP', NETWORK, (_open, engine) => {
  it('again and again under load reads everything and harms nobody', async () => {
    await using named = await TcpEndpoint.open('127.70.15.102', 'say a, echo')
    await using served = serveFile(engine, NETWORK, [web, slicesOf('web', [named])])
    await served.command.event('proxy.ready')
    await using client = startTcpClient(WEB)
    await client.receives('a')
    for (let n = 0; n < 50; n++) {
      served.command.process.kill('SIGHUP')
      expect(await ask()).toBe('a')
    }
    await eventually(() => expect(served.command.events('signal.received').length).toBeGreaterThan(0))
    await client.send(' still')
    await client.receives('still')
    expect(served.command.events('listener.opened')).toHaveLength(1)
  })

  it.each(['SIGHUP', 'SIGUSR1'] as const)(
    'or SIGUSR1: %s opens the access log again, for a file that was moved away',
    async (signal) => {
      await using named = await TcpEndpoint.open('127.70.15.102', 'say a, echo')
      using folder = makeTemporaryFolder()
      const log = join(folder.path, 'access.log')
      await using served = serveFile(engine, NETWORK, [web, slicesOf('web', [named])], ['--access-log', log])
      await served.command.event('proxy.ready')
      await ask()
      await eventually(() => expect(linesOf(log)).toHaveLength(1))
      renameSync(log, `${log}.1`)
      await ask()
      served.command.process.kill(signal)
      await eventually(() => expect(existsSync(log)).toBe(true))
      await ask()
      served.command.process.kill('SIGTERM')
      expect((await served.command.exit).code).toBe(0)
      expect([...linesOf(`${log}.1`), ...linesOf(log)]).toHaveLength(3)
      expect(linesOf(log).length).toBeGreaterThan(0)
    },
  )
})
