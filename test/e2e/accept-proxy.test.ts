import { expect, it } from 'vitest'
import { aService, type Json } from '../support/objects.ts'
import { blockFor, blockOf, tlvOf } from '../support/proxy-header.ts'
import { patternAt, patternSha256 } from '../support/tally.ts'
import { describeOnEngines, slicesOf, type World } from '../support/world.ts'

const WEB = '127.78.2.1:8080'
const [BALANCER, STRANGER] = ['127.78.2.211', '127.78.2.212']
const MIB = 2 ** 20
const LINE = 'PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n'
const BLOCK = blockFor('192.0.2.1', 56324, '198.51.100.7', 443, tlvOf(0xea, 'vpce-1'))
const SHORT_MS = 400

const service = (annotations: Json = {}, spec: Json = {}) =>
  aService(
    'web',
    { clusterIP: '127.78.2.1', ports: [{ port: 8080 }], ...spec },
    { annotations: { 'portald.io/accept-proxy': BALANCER, ...annotations } },
  )

describeOnEngines('a Service that accepts PROXY headers', '127.78.2', (open) => {
  const connect = (world: World) => world.connect(WEB, BALANCER)

  /** One client that sends this is cut, for that reason. */
  async function expectCut(world: World, sent: string | Uint8Array): Promise<void> {
    const before = world.records.length
    const client = await connect(world)
    await client.send(sent)
    expect(await client.ends()).toBe('reset')
    expect((await world.ended(before + 1))[before]).toMatchObject({
      end: 'bad-header',
      attempts: 0,
      bytesFromClient: 0,
      client: `${BALANCER}:${client.localPort}`,
    })
  }

  for (const [version, header] of [
    ['1', Buffer.from(LINE)],
    ['2', BLOCK],
  ] as const) {
    it(`takes the client from a header of version ${version}, and hands on what follows it`, async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('echo')
      await world.apply(service(), slicesOf('web', [endpoint]))
      const client = await connect(world)
      await client.send(Buffer.concat([header, Buffer.from('hello')]))
      await client.receives('hello')
      client.halfClose()
      expect(await client.closes()).toBe('end')
      expect((await endpoint.session()).text).toBe('hello')
      expect((await world.ended(1))[0]).toMatchObject({
        end: 'client-closed',
        client: '192.0.2.1:56324',
        local: WEB,
        bytesFromClient: 5,
        bytesFromEndpoint: 5,
      })
    })

    it(`understands a header of version ${version} that comes byte by byte`, async () => {
      await using world = await open()
      await world.apply(service(), slicesOf('web', await world.endpoints('a')))
      const client = await connect(world)
      for (const byte of header) await client.send(Uint8Array.of(byte))
      await client.receives('a')
      await client.send('hello')
      await client.receives('hello')
      expect(client.text).toBe('ahello')
    })
  }

  it('hands on all that follows a header, and the client’s end', async () => {
    await using world = await open()
    const endpoint = await world.tcpEndpoint('echo')
    await world.apply(service(), slicesOf('web', [endpoint]))
    for (const bytes of [0, 1, 5000, 70_000]) {
      const client = await connect(world)
      await client.send(Buffer.concat([BLOCK, patternAt(0, bytes)]))
      client.halfClose()
      expect(await client.closes()).toBe('end')
      expect([client.received.bytes, client.received.sha256]).toEqual([bytes, patternSha256(bytes)])
    }
    const client = await connect(world)
    await client.send(LINE)
    client.readSlowly()
    await client.sendPattern(10 * MIB)
    client.halfClose()
    expect(await client.closes()).toBe('end')
    expect([client.received.bytes, client.received.sha256]).toEqual([10 * MIB, patternSha256(10 * MIB)])
  })

  it('denies clients from anywhere else, whatever they say', async () => {
    await using world = await open()
    await world.apply(service(), slicesOf('web', await world.endpoints('a')))
    expect(await world.turnedAway(WEB, STRANGER)).toBe('reset')
    expect((await world.ended(1))[0]).toMatchObject({ end: 'denied', attempts: 0, client: expect.stringContaining(STRANGER) })
    await world.apply(service({ 'portald.io/accept-proxy': '127.78.2.0/24' }), slicesOf('web', await world.endpoints('a')))
    const client = await world.connect(WEB, STRANGER)
    await client.send(LINE)
    await client.receives('a')
  })

  it('cuts off who says something else, as soon as that is certain', async () => {
    await using world = await open()
    await world.apply(service(), slicesOf('web', await world.endpoints('a')))
    await expectCut(world, 'GET / HTTP/1.1\r\n')
    await expectCut(world, 'PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n')
    await expectCut(world, `PROXY UNKNOWN ${'x'.repeat(100)}`)
    await expectCut(world, blockOf('21', '11', '00'.repeat(5000)))
    await expectCut(world, blockFor('192.0.2.1', 1, '192.0.2.2', 2, '030004 00000000'))
  })

  it('cuts off who does not say all of it in time', async () => {
    await using world = await open()
    await world.apply(
      service({ 'portald.io/accept-proxy-timeout': `${SHORT_MS}ms` }),
      slicesOf('web', await world.endpoints('a')),
    )
    await expectCut(world, '')
    await expectCut(world, BLOCK.subarray(0, -1))
    expect(world.records.every(({ durationMs }) => durationMs >= SHORT_MS - 50)).toBe(true)
  })

  it('takes a client that leaves without a word for a check, and one that leaves in the middle for a bad one', async () => {
    await using world = await open()
    await world.apply(service(), slicesOf('web', await world.endpoints('a')))
    expect(await (await connect(world)).halfClose().closes()).toBe('end')
    expect((await world.ended(1))[0]).toMatchObject({ end: 'client-closed', attempts: 0 })
    const half = await connect(world)
    await half.send('PROXY')
    expect(await half.halfClose().closes()).toBe('reset')
    expect((await world.ended(2))[1]).toMatchObject({ end: 'bad-header' })
    const gone = await connect(world)
    await gone.send('PROXY')
    gone.reset()
    expect((await world.ended(3))[2]).toMatchObject({ end: 'client-reset' })
  })

  it('takes a connection of the load balancer’s own for what it is', async () => {
    await using world = await open()
    await world.apply(service(), slicesOf('web', await world.endpoints('a')))
    for (const [n, header] of [blockOf('20', '00', ''), blockOf('20', '11', '00'.repeat(12)), 'PROXY UNKNOWN\r\n'].entries()) {
      const client = await connect(world)
      await client.send(header)
      await client.receives('a')
      await client.halfClose().closes()
      expect((await world.ended(n + 1))[n]).toMatchObject({ client: `${BALANCER}:${client.localPort}` })
    }
  })

  it('has the client of the header stay with its endpoint, and be in a source range', async () => {
    await using world = await open()
    const ranged = service(
      {},
      { type: 'LoadBalancer', sessionAffinity: 'ClientIP', loadBalancerSourceRanges: ['192.0.2.0/24'], externalIPs: [] },
    )
    const status = { loadBalancer: { ingress: [{ ip: '127.78.2.3' }] } }
    await world.apply({ ...ranged, status }, slicesOf('web', await world.endpoints('a', 'b', 'c')))
    const ask = async (client: string) => {
      const peer = await world.connect('127.78.2.3:8080', BALANCER)
      await peer.send(`PROXY TCP4 ${client} 198.51.100.7 56324 443\r\n`)
      const end = await Promise.race([peer.receives(1).then(() => peer.text), peer.ends()])
      peer.close()
      return end
    }
    const first = [await ask('192.0.2.1'), await ask('192.0.2.2'), await ask('192.0.2.3')]
    expect([...first].sort()).toEqual(['a', 'b', 'c'])
    expect([await ask('192.0.2.1'), await ask('192.0.2.2'), await ask('192.0.2.3')]).toEqual(first)
    const stranger = await world.connect('127.78.2.3:8080', BALANCER)
    await stranger.send('PROXY TCP4 203.0.113.9 198.51.100.7 56324 443\r\n')
    expect(await stranger.ends()).toBe('reset')
    const denied = (await world.ended(7)).filter(({ end }) => end === 'denied')
    expect(denied.map(({ client }) => client)).toEqual(['203.0.113.9:56324'])
  })

  it('tells its own endpoints what the header said', async () => {
    await using world = await open()
    const endpoint = await world.tcpEndpoint('accept')
    const slices = slicesOf('web', [endpoint])
    await world.apply(service({ 'portald.io/send-proxy': 'v1' }), slices)
    const client = await connect(world)
    await client.send(Buffer.concat([BLOCK, Buffer.from('hello')]))
    await (await endpoint.session()).receives('hello')
    expect((await endpoint.session()).text).toBe(`${LINE}hello`)
    await world.apply(service({ 'portald.io/send-proxy': 'v2,received-tlvs' }), slices)
    const again = await connect(world)
    await again.send(Buffer.concat([BLOCK, Buffer.from('hello')]))
    await (await endpoint.session(1)).receives('hello')
    expect((await endpoint.session(1)).text).toBe(`${BLOCK.toString('latin1')}hello`)
  })

  it('tries another endpoint for a client that it has heard', async () => {
    await using world = await open()
    await world.apply(
      service({ 'portald.io/send-proxy': 'v1' }),
      slicesOf('web', [await world.refusing(), await world.tcpEndpoint('echo')]),
    )
    for (let n = 0; n < 2; n++) {
      const client = await connect(world)
      await client.send(`${LINE}hello`)
      await client.receives('hello')
      expect(client.text).toBe(`${LINE}hello`)
      client.halfClose()
      await client.closes()
    }
    expect((await world.ended(2)).map(({ attempts }) => attempts)).toContain(2)
  })

  it('serves others while one takes its time', async () => {
    await using world = await open()
    await world.apply(service({ 'portald.io/accept-proxy-timeout': '60s' }), slicesOf('web', await world.endpoints('a')))
    const slow = await Promise.all(Array.from({ length: 20 }, () => connect(world)))
    for (const client of slow) await client.send('PROXY TC')
    const quick = await connect(world)
    await quick.send(LINE)
    await quick.receives('a')
    for (const client of slow) await client.send(LINE.slice(8))
    for (const client of slow) await client.receives('a')
  })
})
