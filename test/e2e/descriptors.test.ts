import { expect, it } from 'vitest'
import { echoDatagram, sayName, TcpEndpoint, UdpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { aService } from '../support/objects.ts'
import { ProxyProcess } from '../support/proxy-process.ts'
import { connectTcp, startTcpClient } from '../support/tcp-client.ts'
import type { TcpPeer } from '../support/tcp-peer.ts'
import { UdpClient } from '../support/udp-client.ts'
import { addressOf, describeOnEngines, slicesOf, worldInputs } from '../support/world.ts'

const NETWORK = '127.70.10'
const WEB = addressOf('127.70.10.1:8080')
const DNS = addressOf('127.70.10.1:5353')
const METRICS = '127.70.10.254:10249'
const MIB = 2 ** 20
const web = aService('web', { clusterIP: '127.70.10.1', ports: [{ port: 8080 }] })
const dns = aService(
  'dns',
  { clusterIP: '127.70.10.1', ports: [{ port: 5353, protocol: 'UDP' }] },
  { annotations: { 'portald.io/udp-responses': '1' } },
)
const patientDns = aService('dns', { clusterIP: '127.70.10.1', ports: [{ port: 5353, protocol: 'UDP' }] })

async function ask(): Promise<string> {
  await using client = await connectTcp(WEB)
  await client.receives(1)
  return client.text
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`http://${METRICS}/metrics`)).text()
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length + 1),
  )
}

describeOnEngines('descriptors', NETWORK, (_open, engine) => {
  // Case 76.
  it('are as many as at first after thousands of sessions, orderly ones and others', { timeout: 60_000 }, async () => {
    await using a = await TcpEndpoint.open(`${NETWORK}.101`, 'say a, echo')
    await using hasty = await TcpEndpoint.open(`${NETWORK}.102`, 'say b, reset')
    await using gone = await TcpEndpoint.open(`${NETWORK}.103`, 'close')
    await gone[Symbol.asyncDispose]()
    await using echo = await UdpEndpoint.open(`${NETWORK}.104`, echoDatagram)
    const objects = [web, dns, ...slicesOf('web', [a, hasty, gone]), ...slicesOf('dns', [echo], { protocol: 'UDP' })]
    await using proxy = await ProxyProcess.open(worldInputs(engine, NETWORK), objects)
    const some = async (count: number) => {
      for (let n = 0; n < count; n++) {
        await using client = startTcpClient(WEB)
        await client.receives(1).catch(() => {})
        if (n % 3 === 0) client.reset()
        else if (n % 3 === 1) client.halfClose()
        if (n % 10 === 0) {
          await using asking = await UdpClient.open(DNS)
          await asking.ask('x')
        }
      }
    }
    await some(200)
    await eventually(async () => expect((await proxy.measure()).sessions).toBe(0))
    const before = await proxy.measure()
    await Promise.all([some(1_000), some(1_000), some(1_000)])
    await eventually(async () => expect((await proxy.measure()).sessions).toBe(0))
    await eventually(async () => expect((await proxy.measure()).descriptors).toBeLessThanOrEqual(before.descriptors + 2))
    const after = await proxy.measure()
    expect((after.heapBytes - before.heapBytes) / MIB).toBeLessThan(5)
    expect((after.residentBytes - before.residentBytes) / MIB).toBeLessThan(60)
  })

  // Case 84.
  it('that run out keep nobody from being served later, and the process alive and quiet', { timeout: 60_000 }, async () => {
    await using a = await TcpEndpoint.open(`${NETWORK}.101`, 'say a, echo')
    await using proxy = await ProxyProcess.open(worldInputs(engine, NETWORK), [web, ...slicesOf('web', [a])], 600)
    await using stack = new AsyncDisposableStack()
    const clients: TcpPeer[] = []
    for (let n = 0; n < 400; n++) clients.push(stack.use(startTcpClient(WEB)))
    const served = () => clients.filter((client) => client.received.bytes > 0 && client.outcome === undefined)
    await eventually(() => {
      expect(served().length).toBeGreaterThan(50)
      if (engine === 'node') expect(clients.filter(({ outcome }) => outcome === 'reset').length + served().length).toBe(400)
    })
    const full = await proxy.measure()
    expect(full.descriptors).toBeLessThan(600)
    // Sessions that run are not harmed, and nothing spins.
    const startedMs = performance.now()
    for (const client of served()) {
      await client.send(' still')
      await client.receives('still')
    }
    await eventually(() => expect(performance.now() - startedMs).toBeGreaterThan(500))
    expect(((await proxy.measure()).cpuMs - full.cpuMs) / (performance.now() - startedMs)).toBeLessThan(0.7)
    if (engine === 'native') {
      // The others wait in the queue, and come in as room is made.
      const waiting = () => clients.filter(({ received, outcome }) => received.bytes === 0 && outcome === undefined)
      expect(waiting().length + served().length).toBe(clients.length)
      expect(waiting().length).toBeGreaterThan(0)
      await eventually(() => {
        for (const client of served()) client.close()
        expect(waiting()).toEqual([])
      })
      expect(clients.filter(({ outcome }) => outcome !== undefined)).toEqual([])
    }
    for (const client of clients) client.close()
    await eventually(async () => expect(await ask().catch(() => '')).toBe('a'))
    await eventually(async () => expect((await proxy.measure()).sessions).toBe(0))
  })

  // Case 82.
  it('are shared out: the UDP client that was quiet for longest goes when there are too many, and TCP has its own', async () => {
    await using a = await TcpEndpoint.open(`${NETWORK}.101`, 'say a, echo')
    await using named = await UdpEndpoint.open(`${NETWORK}.104`, sayName('u'))
    const objects = [web, patientDns, ...slicesOf('web', [a]), ...slicesOf('dns', [named], { protocol: 'UDP' })]
    const inputs = { ...worldInputs(engine, NETWORK), workers: 1, metricsBindAddress: METRICS }
    await using proxy = await ProxyProcess.open(inputs, objects, 600)
    await using stack = new AsyncDisposableStack()
    const clients: UdpClient[] = []
    for (let n = 0; n < 300; n += 30) {
      const more = await Promise.all(Array.from({ length: 30 }, async () => stack.use(await UdpClient.open(DNS))))
      await Promise.all(more.map((client) => client.askAgain('x')))
      clients.push(...more)
    }
    const evicted = await metric('portald_udp_evictions_total{service="default/dns:",protocol="UDP"}')
    const active = await metric('portald_sessions_active{service="default/dns:",protocol="UDP"}')
    expect(evicted).toBeGreaterThan(0)
    expect(evicted + active).toBeGreaterThanOrEqual(300)
    expect(active).toBeLessThan(300)
    expect((await proxy.measure()).descriptors).toBeLessThan(600)
    // The first one went; it is served again with its next datagram, and TCP never noticed.
    expect(`${await (clients[0] as UdpClient).askAgain('again')}`).toBe('u')
    const held = await Promise.all(Array.from({ length: 60 }, async () => stack.use(await connectTcp(WEB))))
    await Promise.all(held.map((client) => client.receives('a')))
  })
})
