import { expect, it } from 'vitest'
import { echoDatagram, silent, type UdpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { aService, type Json } from '../support/objects.ts'
import { EARLY_MS } from '../support/pass.ts'
import { patternAt } from '../support/tally.ts'
import { describeOnEngines, slicesOf, type World } from '../support/world.ts'

const DNS = '127.70.11.1:5353'
const SHORT_MS = 400
const service = (spec: Json = {}, annotations: Json = {}) =>
  aService('dns', { clusterIP: '127.70.11.1', ports: [{ port: 5353, protocol: 'UDP' }], ...spec }, { annotations })
const slices = (endpoints: readonly UdpEndpoint[]) => slicesOf('dns', endpoints, { protocol: 'UDP' })
const STICKY = { sessionAffinity: 'ClientIP' }

/** Sends every 50 ms or so, as a client does that does not wait, until the answers are those. */
async function sendsUntil(world: World, what: (lastAnswer: string) => void): Promise<void> {
  const client = await world.udpClient(DNS)
  await eventually(() => {
    client.send('x')
    what(`${client.replies.at(-1)}`)
  })
}

describeOnEngines('UDP', '127.70.11', (open) => {
  // Cases 39, 77 and 78.
  it('carries datagrams of every size whole, empty ones and the largest', async () => {
    await using world = await open()
    const echo = await world.udpEndpoint(echoDatagram)
    await world.apply(service(), slices([echo]))
    const client = await world.udpClient(DNS)
    const sizes = [0, 1, 4096, 4097, 8192, 9000, 65_507]
    for (const size of sizes) expect(Buffer.compare(await client.ask(patternAt(size, size)), patternAt(size, size))).toBe(0)
    expect(echo.received.map(({ datagram }) => datagram.length)).toEqual(sizes)
    expect(new Set(echo.received.map(({ port }) => port)).size).toBe(1)
  })

  // Case 40.
  it('ends a session after its idle timeout, and the next datagram begins another', async () => {
    await using world = await open()
    const echo = await world.udpEndpoint(echoDatagram)
    await world.apply(service({}, { 'portald.io/udp-timeout': `${SHORT_MS}ms` }), slices([echo]))
    const client = await world.udpClient(DNS)
    await client.ask('hello')
    expect(world.proxy.read().sessions).toBe(1)
    const [record] = await world.ended(1)
    expect(record).toMatchObject({ end: 'client-idle', datagramsFromClient: 1, datagramsFromEndpoint: 1 })
    expect(record?.durationMs).toBeGreaterThan(SHORT_MS - EARLY_MS)
    expect(world.proxy.read().sessions).toBe(0)
    await client.ask('hello again')
  })

  it('has the timeout of --udp-timeout where the Service says nothing', async () => {
    await using world = await open({ inputs: { udpTimeout: `${SHORT_MS}ms` } })
    await world.apply(service(), slices([await world.udpEndpoint(silent)]))
    const client = await world.udpClient(DNS)
    client.send('hello')
    expect((await world.ended(1))[0]).toMatchObject({ end: 'endpoint-idle', datagramsFromClient: 1, datagramsFromEndpoint: 0 })
  })

  it('ends a session after as many replies as its Service allows, live', async () => {
    await using world = await open()
    const echo = await world.udpEndpoint(echoDatagram)
    await world.apply(service({}, { 'portald.io/udp-responses': '1' }), slices([echo]))
    const client = await world.udpClient(DNS)
    for (let n = 1; n <= 3; n++) {
      await client.ask(`${n}`)
      expect((await world.ended(n))[n - 1]).toMatchObject({ end: 'completed', datagramsFromEndpoint: 1 })
    }
    expect(new Set(echo.received.map(({ port }) => port)).size).toBe(3)
    await world.apply(service({}, { 'portald.io/udp-responses': '2' }), slices([echo]))
    await client.ask('4')
    expect(world.proxy.read().sessions).toBe(1)
    await client.ask('5')
    expect((await world.ended(4))[3]).toMatchObject({ end: 'completed', datagramsFromEndpoint: 2 })
  })

  // Case 79.
  it('moves a session and its affinity from an endpoint whose port is closed', async () => {
    await using world = await open()
    const endpoints = (await world.udpEndpoints('a', 'b', 'c')) as [UdpEndpoint, UdpEndpoint, UdpEndpoint]
    await world.apply(service(STICKY), slices(endpoints))
    const client = await world.udpClient(DNS)
    const first = `${await client.ask('x')}`
    await (endpoints['abc'.indexOf(first)] as UdpEndpoint)[Symbol.asyncDispose]()
    const second = `${await client.askAgain('y')}`
    expect(second).not.toBe(first)
    for (let n = 0; n < 4; n++) expect(`${await (await world.udpClient(DNS)).ask('z')}`).toBe(second)
  })

  // Case 80.
  it('moves a session with the next datagram when its endpoint is removed', async () => {
    await using world = await open()
    const [a, b] = (await world.udpEndpoints('a', 'b')) as [UdpEndpoint, UdpEndpoint]
    await world.apply(service(STICKY), slices([a]))
    const client = await world.udpClient(DNS)
    expect(`${await client.ask('x')}`).toBe('a')
    await world.apply(service(STICKY), slices([b]))
    expect(`${await client.askAgain('y')}`).toBe('b')
    const before = a.received.length
    await sendsUntil(world, (answer) => expect(answer).toBe('b'))
    expect(a.received.length).toBe(before)
    expect((await world.ended(1))[0]).toMatchObject({ end: 'endpoint-removed' })
  })

  // Case 83.
  it('keeps two clients of one address apart, and together on one endpoint where there is affinity', async () => {
    await using world = await open()
    const endpoints = [await world.udpEndpoint(echoDatagram), await world.udpEndpoint(echoDatagram)]
    await world.apply(service(STICKY), slices(endpoints))
    const [one, two] = [await world.udpClient(DNS), await world.udpClient(DNS)]
    for (let n = 0; n < 10; n++) {
      one.send(`one ${n}`)
      two.send(`two ${n}`)
    }
    await eventually(() => expect([one.replies.length, two.replies.length]).toEqual([10, 10]))
    expect(one.replies.every((reply) => `${reply}`.startsWith('one'))).toBe(true)
    expect(two.replies.every((reply) => `${reply}`.startsWith('two'))).toBe(true)
    expect(world.proxy.read().sessions).toBe(2)
    expect(endpoints.map(({ received }) => received.length).sort((x, y) => x - y)).toEqual([0, 20])
    expect(new Set(endpoints.flatMap(({ received }) => received.map(({ port }) => port))).size).toBe(2)
  })

  it('answers from the address that the client used', async () => {
    await using world = await open()
    const spec = { type: 'NodePort', externalIPs: ['127.70.11.2'], ports: [{ port: 5353, protocol: 'UDP', nodePort: 30_053 }] }
    await world.apply(service(spec), slices([await world.udpEndpoint(echoDatagram)]))
    for (const address of [DNS, '127.70.11.2:5353', '127.70.11.250:30053']) {
      // A connected client hears nobody but whom it sends to.
      expect(`${await (await world.udpClient(address)).ask(address)}`).toBe(address)
    }
  })

  it('serves every client that goes on sending while its endpoints are replaced again and again', async () => {
    await using world = await open()
    const endpoints = (await world.udpEndpoints('a', 'b', 'c')) as UdpEndpoint[]
    const pair = (n: number) => slices([0, 1].map((next) => endpoints[(n + next) % 3] as UdpEndpoint))
    await world.apply(service(), pair(0))
    const clients = await Promise.all(Array.from({ length: 30 }, () => world.udpClient(DNS)))
    for (let n = 1; n <= 60; n++) {
      for (const client of clients) client.send(`${n}`)
      await world.apply(service(), pair(n))
    }
    await world.apply(service(), slices([endpoints[1] as UdpEndpoint]))
    for (const client of clients) {
      const before = client.replies.length
      expect(before).toBeGreaterThan(0)
      await eventually(() => {
        client.send('last')
        expect(`${client.replies.at(-1)}`).toBe('b')
      })
      expect(client.errors).toEqual([])
    }
  })

  it('is not begun again with every change that leaves its endpoint', async () => {
    await using world = await open()
    const [echo, other] = [await world.udpEndpoint(echoDatagram), await world.udpEndpoint(echoDatagram)]
    await world.apply(service(), slices([echo]))
    const client = await world.udpClient(DNS)
    for (let n = 0; n < 20; n++) {
      await client.ask(`${n}`)
      await world.apply(
        service(n % 3 === 0 ? { externalIPs: ['127.70.11.2'] } : {}),
        slices(n % 2 === 0 ? [echo, other] : [echo]),
      )
    }
    expect(new Set(echo.received.map(({ port }) => port)).size).toBe(1)
    expect(world.records).toEqual([])
  })
})
