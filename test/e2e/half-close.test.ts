import { expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { aService, type Json } from '../support/objects.ts'
import { EARLY_MS } from '../support/pass.ts'
import { patternSha256 } from '../support/tally.ts'
import { describeOnEngines, slicesOf } from '../support/world.ts'

const WEB = '127.70.7.1:8080'
const SHORT_MS = 400
const BYTES = 3 * 2 ** 20

const service = (annotations: Json = {}): Json =>
  aService('web', { clusterIP: '127.70.7.1', ports: [{ port: 8080 }] }, { annotations })

describeOnEngines('half-close', '127.70.7', (open) => {
  // Case 71.
  it('of a client leaves it the whole answer, however late and long', async () => {
    await using world = await open()
    const endpoint = await world.tcpEndpoint('read end, wait 200ms, send 3M, shut')
    await world.apply(service(), slicesOf('web', [endpoint]))
    const client = await world.connect(WEB)
    await client.send('a question')
    client.halfClose()
    expect(await client.closes()).toBe('end')
    expect([client.received.bytes, client.received.sha256]).toEqual([BYTES, patternSha256(BYTES)])
    expect((await endpoint.session()).text).toBe('a question')
    // The client was the first to be done.
    expect((await world.ended(1))[0]).toMatchObject({ end: 'client-closed', bytesFromClient: 10, bytesFromEndpoint: BYTES })
  })

  // Case 72.
  it('of an endpoint leaves it everything the client still sends', async () => {
    await using world = await open()
    const endpoint = await world.tcpEndpoint('say enough, shut')
    await world.apply(service(), slicesOf('web', [endpoint]))
    const client = await world.connect(WEB)
    expect(await client.ends()).toBe('end')
    expect(client.text).toBe('enough')
    expect(await client.sendPattern(BYTES)).toBe(true)
    client.halfClose()
    const session = await endpoint.session()
    expect(await session.closes()).toBe('end')
    expect([session.received.bytes, session.received.sha256]).toEqual([BYTES, patternSha256(BYTES)])
    expect((await world.ended(1))[0]).toMatchObject({ end: 'endpoint-closed', bytesFromClient: BYTES })
  })

  it('before an endpoint was found is not lost', async () => {
    await using world = await open()
    const [refusing, endpoint] = [await world.refusing(), await world.tcpEndpoint('read end, say late, shut')]
    await world.apply(service(), slicesOf('web', [refusing, endpoint]))
    for (let n = 0; n < 2; n++) {
      const client = world.start(WEB)
      await client.send(`question ${n}`)
      client.halfClose()
      expect(await client.closes()).toBe('end')
      expect(client.text).toBe('late')
      expect((await endpoint.session(n)).text).toBe(`question ${n}`)
    }
  })

  // Case 73.
  it('that is never answered with another ends after its timeout, and both sides are free', async () => {
    await using world = await open()
    const endpoint = await world.tcpEndpoint('read end')
    await world.apply(service({ 'portald.io/half-close-timeout': `${SHORT_MS}ms` }), slicesOf('web', [endpoint]))
    const client = await world.connect(WEB)
    client.halfClose()
    await client.closes()
    const session = await endpoint.session()
    // A side that has read the end hears of the rest only when it writes.
    await eventually(async () => expect(await session.send('x')).toBe(false))
    const [record] = await world.ended(1)
    expect(record).toMatchObject({ end: 'half-close-timeout' })
    expect(record?.durationMs).toBeGreaterThan(SHORT_MS - EARLY_MS)
    expect(world.proxy.read().sessions).toBe(0)
  })

  it('has another timeout as soon as its Service says so', async () => {
    await using world = await open()
    const endpoint = await world.tcpEndpoint('read end')
    await world.apply(service(), slicesOf('web', [endpoint]))
    await world.apply(service({ 'portald.io/half-close-timeout': `${SHORT_MS}ms` }), slicesOf('web', [endpoint]))
    const client = await world.connect(WEB)
    client.halfClose()
    await client.closes()
    expect((await world.ended(1))[0]).toMatchObject({ end: 'half-close-timeout' })
  })
})
