import { expect, it } from 'vitest'
import { TcpEndpoint } from '../support/echo.ts'
import { aService } from '../support/objects.ts'
import { ProxyProcess } from '../support/proxy-process.ts'
import { steady } from '../support/steady.ts'
import { patternSha256 } from '../support/tally.ts'
import { connectTcp } from '../support/tcp-client.ts'
import { addressOf, describeOnEngines, slicesOf, worldInputs } from '../support/world.ts'

const NETWORK = '127.70.9'
const WEB = addressOf('127.70.9.1:8080')
const MIB = 2 ** 20
const BYTES = 256 * MIB
const SLOW = 12
const web = aService('web', { clusterIP: '127.70.9.1', ports: [{ port: 8080 }] })

describeOnEngines('a reader that is slow', NETWORK, (_open, engine) => {
  // Case 75.
  it('costs the proxy no memory, and gets every byte in the end: a client', async () => {
    await using endpoint = await TcpEndpoint.open('127.70.9.101', 'read 1, send 256M, shut')
    await using proxy = await ProxyProcess.open(worldInputs(engine, NETWORK), [web, ...slicesOf('web', [endpoint])])
    const before = await proxy.measure()
    await using client = await connectTcp(WEB)
    client.pause()
    await client.send('x')
    const session = await endpoint.session()
    await steady(() => session.sent)
    expect(session.sent).toBeLessThan(64 * MIB)
    expect(((await proxy.measure()).residentBytes - before.residentBytes) / MIB).toBeLessThan(32)
    expect(await client.resume().ends()).toBe('end')
    expect([client.received.bytes, client.received.sha256]).toEqual([BYTES, patternSha256(BYTES)])
  })

  it('costs the proxy no memory, and gets every byte in the end: an endpoint', async () => {
    await using endpoint = await TcpEndpoint.open('127.70.9.101', 'pause, read end, shut')
    await using proxy = await ProxyProcess.open(worldInputs(engine, NETWORK), [web, ...slicesOf('web', [endpoint])])
    const before = await proxy.measure()
    await using client = await connectTcp(WEB)
    const sending = client.sendPattern(BYTES)
    const session = await endpoint.session()
    await steady(() => client.sent)
    expect(client.sent).toBeLessThan(64 * MIB)
    expect(((await proxy.measure()).residentBytes - before.residentBytes) / MIB).toBeLessThan(32)
    session.resume()
    expect(await sending).toBe(true)
    client.halfClose()
    expect(await session.ends()).toBe('end')
    expect([session.received.bytes, session.received.sha256]).toEqual([BYTES, patternSha256(BYTES)])
  })

  it('delays nobody else, and costs no processor time while it waits', async () => {
    await using endpoint = await TcpEndpoint.open('127.70.9.101', 'read 1, send 256M, shut')
    await using named = await TcpEndpoint.open('127.70.9.102', 'say a, echo')
    const other = aService('other', { clusterIP: '127.70.9.2', ports: [{ port: 8080 }] })
    const objects = [web, other, ...slicesOf('web', [endpoint]), ...slicesOf('other', [named])]
    await using proxy = await ProxyProcess.open(worldInputs(engine, NETWORK), objects)
    await using stack = new AsyncDisposableStack()
    const slow = await Promise.all(Array.from({ length: SLOW }, async () => stack.use(await connectTcp(WEB))))
    for (const client of slow) await client.pause().send('x')
    const sessions = await Promise.all(slow.map((_, n) => endpoint.session(n)))
    const sent = () => sessions.reduce((sum, session) => sum + session.sent, 0)
    await steady(sent)
    for (let n = 0; n < 100; n++) {
      await using client = await connectTcp(addressOf('127.70.9.2:8080'))
      await client.receives('a')
    }
    const { cpuMs } = await proxy.measure()
    const startedMs = performance.now()
    await steady(sent)
    expect(((await proxy.measure()).cpuMs - cpuMs) / (performance.now() - startedMs)).toBeLessThan(0.5)
  })
})
