import { expect, it } from 'vitest'
import { aService } from '../support/objects.ts'
import { describeOnEngines, slicesOf } from '../support/world.ts'

const WEB = '127.70.8.1:8080'
const service = () => aService('web', { clusterIP: '127.70.8.1', ports: [{ port: 8080 }] })

describeOnEngines('a reset', '127.70.8', (open, engine) => {
  // Where bytes came before it, the node engine cannot know whether they have left, and closes instead: docs/engines.md.
  const passedOn = engine === 'native' ? 'reset' : 'end'

  // Case 74.
  it('of an endpoint in the middle of an answer reaches the client, after what came before it', async () => {
    await using world = await open()
    await world.apply(service(), slicesOf('web', [await world.tcpEndpoint('send 64k, read 1, reset')]))
    const client = await world.connect(WEB)
    await client.receives(65_536)
    await client.send('x')
    expect(await client.ends()).toBe(passedOn)
    client.close()
    expect((await world.ended(1))[0]).toMatchObject({ end: 'endpoint-reset', bytesFromEndpoint: 65_536 })
    expect(world.proxy.read().sessions).toBe(0)
  })

  it('of a client in the middle of a question reaches the endpoint', async () => {
    await using world = await open()
    const endpoint = await world.tcpEndpoint('say go')
    await world.apply(service(), slicesOf('web', [endpoint]))
    const client = await world.greeted(WEB)
    await client.sendPattern(65_536)
    await (await endpoint.session()).receives(65_536)
    client.reset()
    expect(await (await endpoint.session()).ends()).toBe(passedOn)
    ;(await endpoint.session()).close()
    expect((await world.ended(1))[0]).toMatchObject({ end: 'client-reset', bytesFromClient: 65_536 })
    expect(world.proxy.read().sessions).toBe(0)
  })

  // Where nothing came before it, both pass it on.
  it('of an endpoint that has said nothing is a reset for the client', async () => {
    await using world = await open()
    await world.apply(service(), slicesOf('web', [await world.tcpEndpoint('read 5, reset')]))
    const client = await world.connect(WEB)
    await client.send('hello')
    expect(await client.closes()).toBe('reset')
    expect((await world.ended(1))[0]).toMatchObject({ end: 'endpoint-reset', bytesFromClient: 5 })
  })

  it('of some leaves the sessions of others alone', async () => {
    await using world = await open()
    await world.apply(service(), slicesOf('web', await world.endpoints('a', 'b')))
    const clients = await Promise.all(Array.from({ length: 40 }, () => world.greeted(WEB)))
    for (const client of clients.filter((_, n) => n % 2 === 0)) client.reset()
    await world.ended(20)
    for (const [n, client] of clients.entries()) {
      if (n % 2 === 0) continue
      await client.send(` still ${n}`)
      await client.receives(`still ${n}`)
    }
    expect(world.proxy.read().sessions).toBe(20)
  })
})
