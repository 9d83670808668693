import { expect, it } from 'vitest'
import type { SocketAddress } from '../../src/model/keys.ts'
import { TcpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { aService } from '../support/objects.ts'
import { ProxyProcess } from '../support/proxy-process.ts'
import { connectTcp } from '../support/tcp-client.ts'
import type { TcpPeer } from '../support/tcp-peer.ts'
import { underLoad } from '../support/under-load.ts'
import { addressOf, describeOnEngines, slicesOf, worldInputs } from '../support/world.ts'

const NETWORK = '127.70.4'
const WEB = addressOf('127.70.4.1:8080')
const MIB = 2 ** 20
const CHANGES = 1_000
const HELD = 200
const LOAD = 4

const web = aService('web', { clusterIP: '127.70.4.1', ports: [{ port: 8080 }] })

async function ask(address: SocketAddress): Promise<string> {
  await using client = await connectTcp(address)
  await client.receives(1)
  return client.text
}

/** What the proxy is told at step `n`: every one differs from the one before, and none is without endpoints. */
function step(endpoints: readonly TcpEndpoint[], n: number) {
  const some = [0, 1, 2].map((next) => endpoints[(n + next) % endpoints.length] as TcpEndpoint)
  const other = aService(`other-${n % 5}`, { clusterIP: `127.70.4.${2 + (n % 5)}`, ports: [{ port: 8080 + (n % 3) }] })
  return [
    web,
    slicesOf('web', some.slice(0, 1 + (n % 3))),
    ...(n % 4 === 0 ? [other, slicesOf(`other-${n % 5}`, some)] : []),
  ].flat()
}

describeOnEngines('a thousand endpoint changes in a row', NETWORK, (_open, engine) => {
  it('under load cut no session, refuse nobody, and leave nothing behind', { timeout: 120_000 }, async () => {
    await using stack = new AsyncDisposableStack()
    const endpoints: TcpEndpoint[] = []
    for (const [n, name] of ['a', 'b', 'c', 'd', 'e', 'f'].entries()) {
      endpoints.push(stack.use(await TcpEndpoint.open(`${NETWORK}.${101 + n}`, `say ${name}, echo`)))
    }
    const proxy = stack.use(await ProxyProcess.open(worldInputs(engine, NETWORK), step(endpoints, 0)))
    // What is loaded and compiled at first use is not what changes leave behind.
    for (let n = 1; n <= 50; n++) await proxy.apply(step(endpoints, n))
    for (let n = 0; n < 100; n++) await ask(WEB)
    await eventually(async () => expect((await proxy.measure()).sessions).toBe(0))
    const before = await proxy.measure()

    const held: TcpPeer[] = []
    for (let n = 0; n < HELD; n++) held.push(stack.use(await connectTcp(WEB)))
    await Promise.all(held.map((client) => client.receives(1)))
    const asking = async () => expect('abcdef').toContain(await ask(WEB))
    let pings = 0
    const pinging = async () => {
      const n = pings++
      const client = held[n % HELD] as TcpPeer
      await client.send(` ${n};`)
      await client.receives(` ${n};`)
    }
    const asked = await underLoad(LOAD, asking, async () => {
      await underLoad(1, pinging, async () => {
        for (let n = 1; n <= CHANGES; n++) await proxy.apply(step(endpoints, n))
      })
    })
    expect(asked).toBeGreaterThan(CHANGES / 10)
    expect(pings).toBeGreaterThan(HELD)
    for (const client of held) {
      await client.send(' the end')
      await client.receives('the end')
      expect(client.outcome).toBeUndefined()
    }
    expect((await proxy.measure()).sessions).toBeGreaterThanOrEqual(HELD)
    for (const client of held) client.close()
    await eventually(async () => expect((await proxy.measure()).sessions).toBe(0))
    await proxy.apply(step(endpoints, 50))
    await eventually(async () => expect((await proxy.measure()).descriptors).toBeLessThanOrEqual(before.descriptors + 5))
    const after = await proxy.measure()
    expect((after.heapBytes - before.heapBytes) / MIB).toBeLessThan(10)
    expect((after.residentBytes - before.residentBytes) / MIB).toBeLessThan(256)
  })
})
