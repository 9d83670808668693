import { expect, it } from 'vitest'
import { TcpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { aService } from '../support/objects.ts'
import { ProxyProcess } from '../support/proxy-process.ts'
import { patternSha256 } from '../support/tally.ts'
import { connectTcp } from '../support/tcp-client.ts'
import type { TcpPeer } from '../support/tcp-peer.ts'
import { addressOf, describeOnEngines, slicesOf, worldInputs } from '../support/world.ts'

const NETWORK = '127.70.9'
const WEB = addressOf('127.70.9.1:8080')
const MIB = 2 ** 20
const BYTES = 256 * MIB
const web = aService('web', { clusterIP: '127.70.9.1', ports: [{ port: 8080 }] })

/** Resolves once a sender cannot get rid of any more. */
async function stalls(sender: TcpPeer): Promise<void> {
  let last = -1
  let same = 0
  await eventually(() => {
    same = sender.sent === last ? same + 1 : 0
    last = sender.sent
    expect(same).toBeGreaterThan(20)
  })
}

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
    await stalls(session)
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
    await stalls(client)
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
    for (let n = 0; n < 20; n++) {
      const slow = stack.use(await connectTcp(WEB))
      slow.pause()
      await slow.send('x')
    }
    for (let n = 0; n < 20; n++) await stalls(await endpoint.session(n))
    for (let n = 0; n < 100; n++) {
      await using client = await connectTcp(addressOf('127.70.9.2:8080'))
      await client.receives('a')
    }
    const { cpuMs } = await proxy.measure()
    const startedMs = performance.now()
    await stalls(await endpoint.session(0))
    const elapsedMs = performance.now() - startedMs
    expect(((await proxy.measure()).cpuMs - cpuMs) / elapsedMs).toBeLessThan(0.5)
  })
})
