import { expect, it } from 'vitest'
import { sayName, type UdpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { aService } from '../support/objects.ts'
import { underLoad } from '../support/under-load.ts'
import { describeOnEngines, slicesOf } from '../support/world.ts'

const WEB = '127.70.5.1:8080'
const DNS = '127.70.5.1:5353'
const web = (ports: object[] = [{ port: 8080 }]) => aService('web', { clusterIP: '127.70.5.1', ports })
const dns = () => aService('dns', { clusterIP: '127.70.5.1', ports: [{ port: 5353, protocol: 'UDP' }] })

describeOnEngines('a Service without endpoints', '127.70.5', (open) => {
  // Case 66.
  it('refuses TCP clients, and serves when one appears', async () => {
    await using world = await open()
    await world.apply(web())
    expect(await world.knock(WEB)).toBe('refused')
    expect(world.states()).toEqual({ [`TCP/${WEB}`]: 'parked' })
    await world.apply(web(), slicesOf('web', await world.endpoints('a')))
    expect(await world.ask(WEB)).toBe('a')
  })

  it('refuses where endpoints are there but none is ready, and comes and goes with readiness', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    const withReady = (ready: boolean) =>
      slices.map((slice) => ({
        ...slice,
        endpoints: (slice['endpoints'] as object[]).map((endpoint) => ({ ...endpoint, conditions: { ready } })),
      }))
    for (let n = 0; n < 5; n++) {
      await world.apply(web(), withReady(false))
      expect(await world.knock(WEB)).toBe('refused')
      await world.apply(web(), withReady(true))
      expect(await world.ask(WEB)).toBe('a')
    }
  })

  it('lets the sessions go on that it had, and opens under them again', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    await world.apply(web(), slices)
    const held = await world.greeted(WEB)
    await world.apply(web())
    expect(await world.knock(WEB)).toBe('refused')
    await held.send(' one')
    await held.receives('one')
    await world.apply(web(), slices)
    expect(await world.ask(WEB)).toBe('a')
    await held.send(' two')
    await held.receives('two')
  })

  it('serves or turns away every client while endpoints come and go, and leaves none hanging', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    await world.apply(web(), slices)
    const outcomes = new Map<string, number>()
    const knocking = async () => {
      const outcome = await world.ask(WEB).catch((error: NodeJS.ErrnoException) => error.code ?? error.message)
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    await underLoad(3, knocking, async () => {
      for (let n = 0; n < 40; n++) {
        await world.apply(web())
        await world.apply(web(), slices)
      }
      await eventually(() => expect(outcomes.get('a')).toBeGreaterThan(20))
    })
    // A connection that the system had accepted when its socket was closed is reset by the system.
    const known = ['a', 'ECONNREFUSED', 'ECONNRESET']
    expect([...outcomes.keys()].filter((outcome) => !known.includes(outcome) && !/^reset after 0/.test(outcome))).toEqual([])
    expect(await world.ask(WEB)).toBe('a')
  })

  // Case 81.
  it('answers UDP clients with ICMP, and one that goes on sending from its port is served when one appears', async () => {
    await using world = await open()
    await world.apply(dns())
    const client = await world.udpClient(DNS)
    await eventually(() => {
      client.send('anybody?')
      expect(client.errors).toContain('ECONNREFUSED')
    })
    const [a] = (await world.udpEndpoints('a')) as [UdpEndpoint]
    const applied = world.apply(dns(), slicesOf('dns', [a], { protocol: 'UDP' }))
    expect(`${await client.askAgain('now?')}`).toBe('a')
    await applied
  })

  it('takes a UDP session’s endpoint from it, and gives the client another when one appears', async () => {
    await using world = await open()
    const [a, b] = (await world.udpEndpoints('a', 'b')) as [UdpEndpoint, UdpEndpoint]
    await world.apply(dns(), slicesOf('dns', [a], { protocol: 'UDP' }))
    const client = await world.udpClient(DNS)
    expect(`${await client.ask('x')}`).toBe('a')
    await world.apply(dns())
    client.send('y')
    await eventually(() => expect(client.errors).toContain('ECONNREFUSED'))
    await world.apply(dns(), slicesOf('dns', [b], { protocol: 'UDP' }))
    expect(`${await client.askAgain('z')}`).toBe('b')
  })

  it('is parked port by port', async () => {
    await using world = await open()
    const [a] = await world.endpoints('a')
    const udp = await world.udpEndpoint(sayName('b'))
    const ports = [
      { name: 'web', port: 8080 },
      { name: 'dns', port: 5353, protocol: 'UDP' },
    ]
    await world.apply(web(ports), slicesOf('web', [a as never], { name: 'web' }))
    expect(world.states()).toEqual({ [`TCP/${WEB}`]: 'listening', [`UDP/${DNS}`]: 'parked' })
    await world.apply(web(ports), slicesOf('web', [udp], { name: 'dns', protocol: 'UDP' }))
    expect(world.states()).toEqual({ [`TCP/${WEB}`]: 'parked', [`UDP/${DNS}`]: 'listening' })
    expect(`${await (await world.udpClient(DNS)).ask('x')}`).toBe('b')
  })
})
