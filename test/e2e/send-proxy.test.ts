import { expect, it } from 'vitest'
import { ProxyHeaderParser } from '../../src/listener/proxy-header-parser.ts'
import { TcpEndpoint } from '../support/echo.ts'
import { hasIpv6, WITHOUT_IPV6 } from '../support/ipv6.ts'
import { aService, type Json } from '../support/objects.ts'
import { address, blockFor, tlvOf } from '../support/proxy-header.ts'
import { patternAt, Tally } from '../support/tally.ts'
import type { TcpPeer } from '../support/tcp-peer.ts'
import { describeOnEngines, slicesOf } from '../support/world.ts'

const WEB = '127.78.1.1:8080'
const CLIENT = '127.78.1.211'
const MIB = 2 ** 20
const service = (sendProxy: string | undefined, annotations: Json = {}) =>
  aService(
    'web',
    { clusterIP: '127.78.1.1', ports: [{ port: 8080 }] },
    { annotations: { ...(sendProxy === undefined ? {} : { 'portald.io/send-proxy': sendProxy }), ...annotations } },
  )

const lineFor = ({ localPort }: TcpPeer, from = CLIENT) => `PROXY TCP4 ${from} 127.78.1.1 ${localPort} 8080\r\n`

describeOnEngines('a Service that sends PROXY headers', '127.78.1', (open) => {
  it('tells the endpoint who the client is and where it connected to, ahead of what it says', async () => {
    await using world = await open()
    const endpoint = await world.tcpEndpoint('accept')
    await world.apply(service('v1'), slicesOf('web', [endpoint]))
    const client = await world.connect(WEB, CLIENT)
    await client.send('hello')
    const session = await endpoint.session()
    await session.receives('hello')
    expect(session.text).toBe(`${lineFor(client)}hello`)
  })

  it('tells an endpoint that speaks first while the client is silent', async () => {
    await using world = await open()
    const endpoint = await world.tcpEndpoint('say a')
    await world.apply(service('v1'), slicesOf('web', [endpoint]))
    const client = await world.greeted(WEB, CLIENT)
    const session = await endpoint.session()
    await session.receives('\n')
    expect(session.text).toBe(lineFor(client))
    await client.send('then')
    await session.receives('then')
    expect(session.text).toBe(`${lineFor(client)}then`)
  })

  it('counts the header as none of the client’s bytes', async () => {
    await using world = await open()
    await world.apply(service('v2,unique-id,crc32c'), slicesOf('web', [await world.tcpEndpoint('read end, say done, close')]))
    const client = await world.connect(WEB)
    await client.send('hello')
    await client.halfClose().closes()
    expect((await world.ended(1))[0]).toMatchObject({ end: 'client-closed', bytesFromClient: 5, bytesFromEndpoint: 4 })
  })

  it('tells the endpoint that answers after others did not, once', async () => {
    await using world = await open()
    const attempts = { 'portald.io/connect-timeout': '200ms,10s' }
    for (const [n, dead] of [await world.refusing(), await world.blackHole()].entries()) {
      await world.apply(service('v1', attempts), slicesOf('web', [dead, await world.tcpEndpoint('echo')]))
      // One after the other at most one of them finds the living endpoint first.
      const clients = [world.start(WEB), world.start(WEB)]
      for (const client of clients) await client.send('hello')
      for (const client of clients) {
        await client.receives('hello')
        expect(client.text).toBe(`${lineFor(client, '127.0.0.1')}hello`)
        client.halfClose()
      }
      const records = (await world.ended(2 * n + 2)).slice(2 * n)
      expect(records.map(({ attempts }) => attempts)).toContain(2)
      expect(records.map(({ bytesFromClient }) => bytesFromClient)).toEqual([5, 5])
    }
  })

  it('tells of a client that has closed already', async () => {
    await using world = await open()
    const endpoint = await world.tcpEndpoint('read end, close')
    await world.apply(service('v1'), slicesOf('web', [endpoint]))
    const client = await world.connect(WEB, CLIENT)
    expect(await client.halfClose().closes()).toBe('end')
    expect((await endpoint.session()).text).toBe(lineFor(client))
  })

  it('carries everything behind the header, however much it is and however slowly it is read', async () => {
    await using world = await open()
    const endpoint = await world.tcpEndpoint('accept')
    await world.apply(service('v1'), slicesOf('web', [endpoint]))
    const client = await world.connect(WEB, CLIENT)
    const expected = new Tally()
    expected.add(Buffer.from(lineFor(client)))
    for (let at = 0; at < 10 * MIB; at += MIB) expected.add(patternAt(at, MIB))
    const sending = client.sendPattern(10 * MIB)
    const session = await endpoint.session()
    session.readSlowly()
    await sending
    client.halfClose()
    expect(await session.ends()).toBe('end')
    expect([session.received.bytes, session.received.sha256]).toEqual([expected.bytes, expected.sha256])
  })

  it('sends version 2 with the values that were asked for', async () => {
    await using world = await open()
    const endpoint = await world.tcpEndpoint('read end, close')
    await world.apply(service('v2, unique-id, crc32c, 0xE0={service} at {listener}, 0xef=x'), slicesOf('web', [endpoint]))
    const client = await world.connect(WEB, CLIENT)
    await client.send('hello')
    await client.halfClose().closes()
    const [{ id } = { id: 0 }] = await world.ended(1)
    const received = Buffer.from((await endpoint.session()).text, 'latin1')
    const instance = /([0-9a-f]{8})-/.exec(received.toString('latin1'))?.[1]
    const tlvs = tlvOf(5, `${instance}-${id}`) + tlvOf(0xe0, `default/web:/TCP at ${WEB}`) + tlvOf(0xef, 'x')
    const expected = blockFor(CLIENT, client.localPort, '127.78.1.1', 8080, `${tlvs}030004 00000000`)
    expect(received.subarray(0, expected.length - 4)).toEqual(expected.subarray(0, -4))
    expect(received.subarray(expected.length).toString()).toBe('hello')
    const parser = new ProxyHeaderParser()
    // Which finds the checksum right.
    expect(parser.parse(received, 0, received.length)).toBe(expected.length)
    expect(parser.client).toEqual(address(CLIENT, client.localPort))
  })

  it('begins and stops with new sessions', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    await world.apply(service(undefined), slices)
    const before = await world.greeted(WEB, CLIENT)
    await world.apply(service('v1'), slices)
    const meanwhile = await world.connect(WEB, CLIENT)
    await meanwhile.receives(`a${lineFor(meanwhile)}`)
    await world.apply(service(undefined), slices)
    const after = await world.greeted(WEB, CLIENT)
    for (const client of [before, meanwhile, after]) {
      await client.send('!')
      await client.receives('!')
    }
    expect([before, meanwhile, after].map(({ text }) => text)).toEqual(['a!', `a${lineFor(meanwhile)}!`, 'a!'])
  })

  it('warns that its UDP ports send none, and serves them', async () => {
    await using world = await open()
    const ports = [{ port: 5353, protocol: 'UDP' }]
    const annotations = { 'portald.io/send-proxy': 'v2', 'portald.io/accept-proxy': '127.0.0.0/8' }
    const [endpoint] = await world.udpEndpoints('u')
    await world.apply(
      aService('dns', { clusterIP: '127.78.1.1', ports }, { annotations }),
      slicesOf('dns', endpoint ? [endpoint] : [], { protocol: 'UDP' }),
    )
    const client = await world.udpClient('127.78.1.1:5353')
    await client.ask('x')
    expect(endpoint?.received.map(({ datagram }) => `${datagram}`)).toEqual(['x'])
    expect(world.proxy.read().problems.map(({ severity, field }) => [severity, field])).toEqual([
      ['warning', 'metadata.annotations["portald.io/send-proxy"]'],
      ['warning', 'metadata.annotations["portald.io/accept-proxy"]'],
    ])
  })

  it.skipIf(!hasIpv6)(`tells IPv6 addresses${WITHOUT_IPV6}`, async () => {
    await using world = await open()
    const endpoint = await world.keep(TcpEndpoint.open('::1', 'say six'))
    const ports = [{ port: 18_078 }]
    const annotations = { 'portald.io/send-proxy': 'v1' }
    await world.apply(aService('web', { clusterIP: '::1', ports }, { annotations }), slicesOf('web', [endpoint]))
    const client = await world.greeted('[::1]:18078')
    const session = await endpoint.session()
    await session.receives('\n')
    expect(session.text).toBe(`PROXY TCP6 ::1 ::1 ${client.localPort} 18078\r\n`)
  })
})
