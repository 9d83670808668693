import { expect, it } from 'vitest'
import { TcpEndpoint } from '../support/echo.ts'
import { aService, type Json } from '../support/objects.ts'
import { ProxyProcess } from '../support/proxy-process.ts'
import { connectTcp } from '../support/tcp-client.ts'
import { underLoad } from '../support/under-load.ts'
import { addressOf, describeOnEngines, slicesOf, worldInputs } from '../support/world.ts'

const NETWORK = '127.70.17'
const COUNT = 1_000
const ipOf = (n: number) => `${NETWORK}.${1 + (n % 90)}`
const addressAt = (n: number) => `${ipOf(n)}:${9_000 + n}`
const serviceAt = (n: number) => aService(`s${n}`, { clusterIP: ipOf(n), ports: [{ port: 9_000 + n }] })
const services = Array.from({ length: COUNT }, (_, n) => serviceAt(n))

describeOnEngines('a thousand Services', NETWORK, (open, engine) => {
  it('are all served, and a change of one touches no other', async () => {
    await using world = await open()
    const [a, b] = (await world.endpoints('a', 'b')) as [TcpEndpoint, TcpEndpoint]
    const slices = services.map((_, n) => slicesOf(`s${n}`, [a]))
    await world.apply(services, ...slices)
    expect(world.log.of('listener.opened')).toHaveLength(COUNT)
    expect(world.proxy.read().problems).toEqual([])
    const some = Array.from({ length: 50 }, (_, n) => n * 20)
    const held = await Promise.all(some.map((n) => world.greeted(addressAt(n))))
    for (let n = 0; n < 20; n++) {
      await world.apply(services, ...slices.with(n, slicesOf(`s${n}`, [b])))
      expect(await world.ask(addressAt(n))).toBe('b')
      expect(await world.ask(addressAt(n + 1))).toBe('a')
    }
    expect(world.log.of('snapshot.applied').slice(-1)[0]?.fields).toMatchObject({ opened: 0, changed: 2, closed: 0 })
    await Promise.all(held.map((client) => client.send(' still')))
    await Promise.all(held.map((client) => client.receives('a still')))
    expect(world.log.of('listener.opened')).toHaveLength(COUNT)
    await world.apply()
    expect(world.states()).toEqual({})
    expect(world.log.of('listener.closed')).toHaveLength(COUNT)
    await Promise.all(held.map((client) => client.send(' yet')))
    await Promise.all(held.map((client) => client.receives('a still yet')))
  })

  it('that all change at once refuse nobody meanwhile', async () => {
    await using a = await TcpEndpoint.open(`${NETWORK}.101`, 'say a, echo')
    await using b = await TcpEndpoint.open(`${NETWORK}.102`, 'say b, echo')
    const all = (endpoints: readonly TcpEndpoint[]): Json[] => [
      ...services,
      ...services.flatMap((_, n) => slicesOf(`s${n}`, endpoints)),
    ]
    // In a process of its own: clients must not wait for what keeps this thread busy.
    await using proxy = await ProxyProcess.open(worldInputs(engine, NETWORK), all([a]))
    let asked = 0
    const asking = async () => {
      await using client = await connectTcp(addressOf(addressAt(asked++ % COUNT)))
      await client.receives(1)
      expect('ab').toContain(client.text)
    }
    const rounds = await underLoad(2, asking, async () => {
      for (let n = 0; n < 6; n++) await proxy.apply(all(n % 2 === 0 ? [b] : [a, b]))
    })
    expect(rounds).toBeGreaterThan(10)
  })
})
