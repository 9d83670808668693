import { expect, it } from 'vitest'
import { sctpRefusal } from '../../src/listener/sctp/refusal.ts'
import { echoDatagram, type TcpEndpoint, type UdpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { libc } from '../support/native-engine.ts'
import { aService, type Json } from '../support/objects.ts'
import { describeOnEngines, slicesOf, type World } from '../support/world.ts'

const IP = '127.70.14.1'
const WEB = `${IP}:8080`
const service = (spec: Json = {}) => aService('web', { clusterIP: IP, ports: [{ port: 8080 }], ...spec })
const udp = (port = 8080) => service({ ports: [{ port, protocol: 'UDP' }] })

/** Whether anybody takes datagrams there. */
async function expectNobody(world: World, address: string): Promise<void> {
  const client = await world.udpClient(address)
  await eventually(() => {
    client.send('anybody?')
    expect(client.errors).toContain('ECONNREFUSED')
  })
}

describeOnEngines('a Service', '127.70.14', (open) => {
  // Cases 39 and 41.
  it('serves TCP and UDP on one port number', async () => {
    await using world = await open()
    const [a] = (await world.endpoints('a')) as [TcpEndpoint]
    const echo = await world.udpEndpoint(echoDatagram)
    const ports = [
      { name: 'p', port: 8080, protocol: 'TCP' },
      { name: 'q', port: 8080, protocol: 'UDP' },
    ]
    const slices = [slicesOf('web', [a], { name: 'p' }), slicesOf('web', [echo], { name: 'q', protocol: 'UDP' })]
    await world.apply(service({ ports }), ...slices)
    expect(await world.ask(WEB)).toBe('a')
    const client = await world.udpClient(WEB)
    expect(`${await client.ask('hello')}`).toBe('hello')
    // One of them goes, the other does not notice.
    const held = await world.greeted(WEB)
    await world.apply(service({ ports: ports.slice(0, 1) }), ...slices)
    await expectNobody(world, WEB)
    await held.send(' still')
    await held.receives('still')
    await world.apply(service({ ports: ports.slice(1) }), ...slices)
    expect(await world.knock(WEB)).toBe('refused')
    expect(`${await client.askAgain('back')}`).toBe('back')
  })

  // Cases 42 and 43.
  it('has an address for each of its ports, and no other', async () => {
    await using world = await open()
    await world.apply(
      service({
        ports: [
          { name: 'p', port: 8080 },
          { name: 'q', port: 8081, protocol: 'UDP' },
        ],
      }),
    )
    expect(world.states()).toEqual({ [`TCP/${IP}:8080`]: 'parked', [`UDP/${IP}:8081`]: 'parked' })
    expect(world.address(`TCP/${IP}:8081`)).toBeUndefined()
  })

  // Cases 44, 46 and 48.
  it('stops accepting TCP when it is deleted, and serves again when it is added', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    for (let n = 0; n < 3; n++) {
      await world.apply(service(), slices)
      expect(await world.ask(WEB)).toBe('a')
      await world.apply(slices)
      expect(await world.knock(WEB)).toBe('refused')
      expect(world.states()).toEqual({})
    }
    await world.apply(service(), slices)
    expect(await world.ask(WEB)).toBe('a')
  })

  // Cases 45, 47 and 49.
  it('stops taking datagrams when it is deleted, and serves again when it is added', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.udpEndpoints('a'), { protocol: 'UDP' })
    for (let n = 0; n < 3; n++) {
      await world.apply(udp(), slices)
      const client = await world.udpClient(WEB)
      expect(`${await client.askAgain('x')}`).toBe('a')
      await world.apply(slices)
      await expectNobody(world, WEB)
    }
  })

  // Cases 50 and 51.
  it('goes over to another port number', async () => {
    await using world = await open()
    const slices = [
      slicesOf('web', await world.endpoints('a')),
      slicesOf('web', await world.udpEndpoints('b'), { protocol: 'UDP' }),
    ]
    await world.apply(service(), ...slices)
    await world.apply(service({ ports: [{ port: 8100 }] }), ...slices)
    expect([await world.knock(WEB), await world.ask(`${IP}:8100`)]).toEqual(['refused', 'a'])
    await world.apply(udp(), ...slices)
    expect(await world.knock(`${IP}:8100`)).toBe('refused')
    await world.apply(udp(8100), ...slices)
    await expectNobody(world, WEB)
    expect(`${await (await world.udpClient(`${IP}:8100`)).ask('x')}`).toBe('b')
  })

  // Case 52: the old mode closed the old socket; here it stays.
  it('gets an externalIP, and loses it, without its clusterIP noticing', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    await world.apply(service(), slices)
    const held = await world.greeted(WEB)
    await world.apply(service({ externalIPs: ['127.70.14.2'] }), slices)
    const outside = await world.greeted('127.70.14.2:8080')
    expect(world.log.of('listener.opened')).toHaveLength(2)
    expect(world.log.of('listener.closed')).toHaveLength(0)
    await world.apply(service(), slices)
    expect(await world.knock('127.70.14.2:8080')).toBe('refused')
    for (const client of [held, outside]) {
      await client.send(' still')
      await client.receives('still')
    }
    expect(world.log.of('listener.closed')).toHaveLength(1)
  })

  // Cases 53, 54 and 55.
  it('is not served without a clusterIP or headless, and again when it has one', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    await world.apply(service(), slices)
    for (const clusterIP of ['', 'None']) {
      await world.apply(service({ clusterIP }), slices)
      expect(await world.knock(WEB)).toBe('refused')
      expect(world.states()).toEqual({})
    }
    await world.apply(service(), slices)
    expect(await world.ask(WEB)).toBe('a')
  })

  it('changes places with another one in one change', async () => {
    await using world = await open()
    const [a, b] = (await world.endpoints('a', 'b')) as [TcpEndpoint, TcpEndpoint]
    const both = (one: string, two: string) => [
      aService('one', { clusterIP: IP, ports: [{ port: Number(one) }] }),
      aService('two', { clusterIP: IP, ports: [{ port: Number(two) }] }),
    ]
    const slices = [slicesOf('one', [a]), slicesOf('two', [b])]
    await world.apply(both('8080', '8081'), ...slices)
    const held = [await world.greeted(`${IP}:8080`), await world.greeted(`${IP}:8081`)]
    for (let n = 0; n < 10; n++) {
      await world.apply(both('8081', '8080'), ...slices)
      expect([await world.ask(`${IP}:8080`), await world.ask(`${IP}:8081`)]).toEqual(['b', 'a'])
      await world.apply(both('8080', '8081'), ...slices)
      expect([await world.ask(`${IP}:8080`), await world.ask(`${IP}:8081`)]).toEqual(['a', 'b'])
    }
    for (const client of held) {
      await client.send(' still')
      await client.receives('still')
    }
    // The sockets were handed over, not closed and opened.
    expect(world.log.of('listener.opened')).toHaveLength(2)
    expect((await world.ended(40)).filter(({ service: name }) => name === 'default/one:/TCP')).toHaveLength(20)
  })

  it('hands an address over to UDP and back, and to another Service, under its clients', async () => {
    await using world = await open()
    const [a] = (await world.endpoints('a')) as [TcpEndpoint]
    const [b] = (await world.udpEndpoints('b')) as [UdpEndpoint]
    const slices = [slicesOf('web', [a]), slicesOf('web', [b], { protocol: 'UDP' }), slicesOf('heir', [a])]
    const heir = aService('heir', { clusterIP: IP, ports: [{ port: 8080 }] })
    for (let n = 0; n < 5; n++) {
      await world.apply(service(), ...slices)
      expect(await world.ask(WEB)).toBe('a')
      await world.apply(udp(), ...slices)
      expect(`${await (await world.udpClient(WEB)).ask('x')}`).toBe('b')
      await world.apply(heir, ...slices)
      expect(await world.ask(WEB)).toBe('a')
    }
    expect(new Set((await world.ended(10)).map(({ service: name }) => name))).toContain('default/heir:/TCP')
  })

  // Case 91.
  it('serves an SCTP port where it can, warns where it cannot, and serves the others', async () => {
    await using world = await open()
    const ports = [
      { name: 'web', port: 8080 },
      { name: 'sctp', port: 8081, protocol: 'SCTP' },
    ]
    const endpoints = await world.endpoints('a')
    const slices = [slicesOf('web', endpoints, { name: 'web' }), slicesOf('web', endpoints, { name: 'sctp', protocol: 'SCTP' })]
    await world.apply(service({ ports }), ...slices)
    expect(await world.ask(WEB)).toBe('a')
    const { problems, engine } = world.proxy.read()
    if (engine === 'native' && libc && sctpRefusal(libc) === undefined) {
      expect(problems).toEqual([])
      // Another test of this network may have SCTP for a while.
      await eventually(() => expect(world.states()).toEqual({ [`TCP/${WEB}`]: 'listening', [`SCTP/${IP}:8081`]: 'listening' }))
      return
    }
    expect(problems).toEqual([
      expect.objectContaining({ severity: 'warning', field: 'spec.ports[1].protocol', object: 'Service default/web' }),
    ])
    expect(world.states()).toEqual({ [`TCP/${WEB}`]: 'listening' })
  })

  it('that is wrong takes nothing with it but itself', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    await world.apply(service(), slices)
    const held = await world.greeted(WEB)
    const wrong = [
      { kind: 'Service' },
      42,
      null,
      aService('bad', { clusterIP: 'nowhere', ports: [{ port: 0 }] }),
      { apiVersion: 'v1' },
    ]
    await world.apply(service(), slices, wrong as Json[])
    expect(await world.ask(WEB)).toBe('a')
    expect(world.proxy.read().problems.length).toBeGreaterThan(2)
    await held.send(' still')
    await held.receives('still')
  })
})
