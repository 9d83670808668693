import { expect, it } from 'vitest'
import { TcpEndpoint } from '../support/echo.ts'
import { hasIpv6, WITHOUT_IPV6 } from '../support/ipv6.ts'
import { aService, type Json } from '../support/objects.ts'
import { pass } from '../support/pass.ts'
import { describeOnEngines, slicesOf, type World } from '../support/world.ts'

const WEB = '127.70.2.1:8080'
/** The shortest timeout there is. */
const SHORT_MS = 1_000
const SHORT = { clientIP: { timeoutSeconds: SHORT_MS / 1000 } }
const clients = (count: number) => Array.from({ length: count }, (_, n) => `127.70.2.${201 + n}`)

function sticky(spec: Json = {}): Json {
  return aService('web', { clusterIP: '127.70.2.1', ports: [{ port: 8080 }], sessionAffinity: 'ClientIP', ...spec })
}

const plain = (): Json => aService('web', { clusterIP: '127.70.2.1', ports: [{ port: 8080 }] })

/** Who answers each client, each asked once. */
async function askEach(world: World, from: readonly string[], address = WEB): Promise<string[]> {
  const names: string[] = []
  for (const client of from) names.push(await world.ask(address, client))
  return names
}

describeOnEngines('ClientIP affinity', '127.70.2', (open) => {
  // Cases 15, 16, 22 and 23.
  it('brings every client address back to its endpoint, and spreads the addresses', async () => {
    await using world = await open()
    await world.apply(sticky(), slicesOf('web', await world.endpoints('a', 'b', 'c')))
    const first = await askEach(world, clients(3))
    expect(new Set(first).size).toBe(3)
    for (let n = 0; n < 4; n++) expect(await askEach(world, clients(3))).toEqual(first)
    expect((await Promise.all(clients(3).map((from) => world.askTimes(10, WEB, from)))).map((names) => new Set(names))).toEqual(
      first.map((name) => new Set([name])),
    )
    expect(await world.ask(WEB, '127.70.2.204')).toBe(first[0])
  })

  // Cases 17 and 18.
  it('moves only the clients of an endpoint that left, and nobody when one comes', async () => {
    await using world = await open()
    const [a, b, c, d] = await world.endpoints('a', 'b', 'c', 'd')
    const all = new Map(Object.entries({ a, b, c }))
    await world.apply(sticky(), slicesOf('web', [...all.values()] as TcpEndpoint[]))
    const first = await askEach(world, clients(3))
    all.delete(first[2] as string)
    await world.apply(sticky(), slicesOf('web', [...all.values()] as TcpEndpoint[]))
    const second = await askEach(world, clients(3))
    expect(second.slice(0, 2)).toEqual(first.slice(0, 2))
    expect([...all.keys()]).toContain(second[2])
    await world.apply(sticky(), slicesOf('web', [...all.values(), d] as TcpEndpoint[]))
    expect(await askEach(world, clients(3))).toEqual(second)
    expect(await askEach(world, clients(6).slice(3))).toContain('d')
  })

  // Case 28.
  it('lasts for as long as the client comes back within the timeout', async () => {
    await using world = await open()
    await world.apply(sticky({ sessionAffinityConfig: SHORT }), slicesOf('web', await world.endpoints('a', 'b')))
    const [client = ''] = clients(1)
    const first = await world.ask(WEB, client)
    const until = performance.now() + 2.5 * SHORT_MS
    let asked = 0
    let gapMs = 0
    for (let last = performance.now(); performance.now() < until; asked++) {
      expect(await world.ask(WEB, client)).toBe(first)
      gapMs = Math.max(gapMs, performance.now() - last)
      last = performance.now()
    }
    expect(asked).toBeGreaterThan(10)
    expect(gapMs, 'the machine was too busy for this test').toBeLessThan(SHORT_MS)
  })

  // Cases 27 and 29.
  it('has the timeout of a Service that came after its endpoints', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a', 'b'))
    await world.apply(slices)
    await world.apply(slices, sticky({ sessionAffinityConfig: SHORT }))
    const [client = ''] = clients(1)
    const first = await world.ask(WEB, client)
    await pass(1.5 * SHORT_MS)
    const second = await world.ask(WEB, client)
    expect(second).not.toBe(first)
    expect(await world.ask(WEB, client)).toBe(second)
  })

  // Case 30.
  it('takes another timeout for clients that it knows already', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a', 'b'))
    await world.apply(sticky(), slices)
    const [client = ''] = clients(1)
    const first = await world.ask(WEB, client)
    expect(await world.ask(WEB, client)).toBe(first)
    await world.apply(sticky({ sessionAffinityConfig: SHORT }), slices)
    await pass(1.5 * SHORT_MS)
    expect(await world.ask(WEB, client)).not.toBe(first)
  })

  // Case 31.
  it('goes and comes with sessionAffinity, without touching sessions', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a', 'b', 'c'))
    await world.apply(sticky(), slices)
    const [client = ''] = clients(1)
    const held = await world.greeted(WEB, client)
    expect(new Set(await world.askTimes(6, WEB, client))).toEqual(new Set([held.text]))
    await world.apply(plain(), slices)
    expect((await world.askTimes(6, WEB, client)).sort()).toEqual(['a', 'a', 'b', 'b', 'c', 'c'])
    await world.apply(sticky(), slices)
    expect(new Set(await world.askTimes(6, WEB, client)).size).toBe(1)
    await held.send(' still here')
    await held.receives('still here')
  })

  // Case 33.
  it('is a matter of each Service port', async () => {
    await using world = await open()
    const endpoints = await world.endpoints('a', 'b', 'c')
    const ports = ['one', 'two'].map((name, n) => ({ name, port: 8080 + n }))
    const slices = ports.flatMap(({ name }) => slicesOf('web', endpoints, { name }))
    await world.apply(sticky({ ports }), slices)
    // The second port's rotation is moved on, so that its first client gets another endpoint than by chance.
    const one = await askEach(world, clients(3), WEB)
    const two = await askEach(world, clients(3).reverse(), '127.70.2.1:8081')
    expect([...two].sort()).toEqual(['a', 'b', 'c'])
    expect(await askEach(world, clients(3), WEB)).toEqual(one)
    expect(await askEach(world, clients(3).reverse(), '127.70.2.1:8081')).toEqual(two)
  })

  it('holds over all addresses of a Service port', async () => {
    await using world = await open()
    await world.apply(sticky({ externalIPs: ['127.70.2.2'] }), slicesOf('web', await world.endpoints('a', 'b', 'c')))
    const first = await askEach(world, clients(3))
    expect(await askEach(world, clients(3), '127.70.2.2:8080')).toEqual(first)
  })

  // Cases 20 and 37.
  it('is still wanted after all endpoints were away', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a', 'b'))
    await world.apply(sticky(), slices)
    const [client = ''] = clients(1)
    await world.ask(WEB, client)
    await world.apply(sticky())
    expect(await world.knock(WEB)).toBe('refused')
    await world.apply(sticky(), slices)
    expect(new Set(await world.askTimes(4, WEB, client)).size).toBe(1)
  })

  // Case 34.
  it('never leads to an endpoint that was replaced while its Service was away', async () => {
    await using world = await open()
    const [a, b] = (await world.endpoints('a', 'b')) as [TcpEndpoint, TcpEndpoint]
    const [client = ''] = clients(1)
    await world.apply(sticky(), slicesOf('web', [a]))
    expect(await world.ask(WEB, client)).toBe('a')
    await world.apply()
    await world.apply(sticky(), slicesOf('web', [b]))
    expect(await world.askTimes(3, WEB, client)).toEqual(['b', 'b', 'b'])
  })

  // Case 36.
  it.skipIf(!hasIpv6)(`knows clients of IPv6 endpoints${WITHOUT_IPV6}`, async () => {
    await using world = await open()
    const endpoints = await Promise.all(['a', 'b'].map((name) => world.keep(TcpEndpoint.open('::1', `say ${name}, echo`))))
    await world.apply(sticky({ clusterIP: '::1', ports: [{ port: 17_002 }] }), slicesOf('web', endpoints))
    expect(new Set(await world.askTimes(4, '[::1]:17002')).size).toBe(1)
    expect((await world.ended(4))[0]).toMatchObject({ local: '[::1]:17002', client: expect.stringMatching(/^\[::1\]:\d+$/) })
  })
})
