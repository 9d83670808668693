import { describe, expect, it } from 'vitest'
import { echoDatagram, silent } from '../support/echo.ts'
import { EngineWorld } from '../support/engine-world.ts'
import { eventually } from '../support/eventually.ts'
import { libc, nativeEngine, WITHOUT_NATIVE } from '../support/native-engine.ts'
import { RawSockets } from '../support/raw-sockets.ts'
import { patternAt } from '../support/tally.ts'
import { Trouble } from '../support/trouble.ts'

const UDP = { protocol: 'UDP' } as const
const SEGMENT = 1_200

async function openTroubled(descriptors = 6_000) {
  const trouble = new Trouble()
  const openEngine = nativeEngine({ workers: 1, trouble: trouble.words })
  const world = await EngineWorld.open({ network: '127.42.5', firstPort: 18_000, workers: 1, openEngine, descriptors })
  return { world, trouble, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
}

describe.skipIf(!libc)(`native UDP${WITHOUT_NATIVE}`, () => {
  it('keeps the borders of datagrams that the kernel joined, and counts each', async () => {
    await using troubled = await openTroubled()
    const { world } = troubled
    using raw = new RawSockets()
    const endpoint = await world.udpEndpoint(echoDatagram)
    const listener = await world.listen({ ...UDP, endpoints: [endpoint] })
    const client = raw.udp(listener.address, SEGMENT)
    const bytes = 20 * SEGMENT + 7
    expect(raw.send(client, patternAt(0, bytes))).toBe(bytes)
    await eventually(() => expect(endpoint.received.length).toBe(21))
    expect(Buffer.concat(endpoint.received.map(({ datagram }) => datagram)).equals(patternAt(0, bytes))).toBe(true)
    expect(endpoint.received.map(({ datagram }) => datagram.length)).toEqual([...Array(20).fill(SEGMENT), 7])
    const replies: number[] = []
    await eventually(() => {
      for (let piece = raw.receive(client); typeof piece !== 'string'; piece = raw.receive(client)) replies.push(piece.length)
      expect(replies.length).toBe(21)
    })
    expect(replies).toEqual([...Array(20).fill(SEGMENT), 7])
    await world.engine.cut({}, 'killed')
    expect(await listener.record()).toMatchObject({
      datagramsFromClient: 21,
      datagramsFromEndpoint: 21,
      bytesFromClient: bytes,
      bytesFromEndpoint: bytes,
    })
  })

  it('keeps the order of runs, of shorter ones that end them, and of empty ones in between', async () => {
    await using troubled = await openTroubled()
    const { world, trouble } = troubled
    using raw = new RawSockets()
    const endpoint = await world.udpEndpoint(silent)
    const listener = await world.listen({ ...UDP, endpoints: [endpoint] })
    const client = raw.udp(listener.address)
    const sizes = [5, 5, 5, 3, 5, 5, 0, 5, 0, 0, 7, 7, 7, 9, 1, 1, 1_400, 1_400, 2, 0, 1_400, 60_000, 60_000, 60_000, 1]
    {
      using _ = trouble.hold()
      for (const size of sizes) raw.send(client, patternAt(size, size))
      await eventually(() => expect(trouble.standing).toBe(true))
    }
    await eventually(() => expect(endpoint.received.map(({ datagram }) => datagram.length)).toEqual(sizes))
    for (const { datagram } of endpoint.received) expect(datagram.equals(patternAt(datagram.length, datagram.length))).toBe(true)
  })

  for (const errno of ['EIO', 'EINVAL', 'EMSGSIZE'] as const) {
    it(`sends datagrams one by one where the way does not take runs (${errno})`, async () => {
      await using troubled = await openTroubled()
      const { world, trouble } = troubled
      using raw = new RawSockets()
      const endpoint = await world.udpEndpoint(silent)
      const listener = await world.listen({ ...UDP, endpoints: [endpoint] })
      const [joined, single] = [raw.udp(listener.address, 100), raw.udp(listener.address)]
      trouble.inject('sendmmsg', errno, { times: 2 })
      {
        using _ = trouble.hold()
        raw.send(joined, patternAt(0, 1_000))
        for (let n = 0; n < 30; n++) raw.send(single, patternAt(n, 200))
        await eventually(() => expect(trouble.standing).toBe(true))
      }
      await eventually(() => expect(endpoint.received.length).toBe(40))
      const sizes = endpoint.received.map(({ datagram }) => datagram.length)
      expect([sizes.filter((size) => size === 100).length, sizes.filter((size) => size === 200).length]).toEqual([10, 30])
      expect(trouble.hits).toBe(2)
      // And from then on it does so at once, or in runs of what fits.
      for (let n = 0; n < 30; n++) raw.send(single, patternAt(n, 200))
      await eventually(() => expect(endpoint.received.length).toBe(70))
    })
  }

  it('gives each of many new clients its own answers, though there is room for few of them', async () => {
    await using troubled = await openTroubled(16)
    const { world, trouble } = troubled
    const endpoint = await world.udpEndpoint(echoDatagram)
    const listener = await world.listen({ ...UDP, endpoints: [endpoint] })
    using raw = new RawSockets()
    const clients = Array.from({ length: 20 }, () => raw.udp(listener.address))
    for (let round = 0; round < 5; round++) {
      {
        using _ = trouble.hold()
        for (const word of ['one', 'two']) for (const [n, fd] of clients.entries()) raw.send(fd, `${word} of ${n} in ${round}`)
        await eventually(() => expect(trouble.standing).toBe(true))
      }
      await eventually(() => expect(endpoint.received.length).toBe(40 * (round + 1)))
    }
    // Who was evicted meanwhile may have got no answer, but nobody got another's.
    await (await listener.udpClient()).ask('the last')
    let answers = 0
    for (const [n, fd] of clients.entries()) {
      for (let piece = raw.receive(fd); typeof piece !== 'string'; piece = raw.receive(fd)) {
        expect(piece.toString()).toMatch(new RegExp(`^(one|two) of ${n} in \\d$`))
        answers++
      }
    }
    expect(answers).toBeGreaterThan(0)
    expect(listener.count('sessions')).toBe(listener.ended('over-limit') + listener.count('active'))
  })

  it('turns datagrams away, counted, where TCP has taken every descriptor', async () => {
    await using troubled = await openTroubled(16)
    const { world } = troubled
    const tcp = await world.listen({ endpoints: [await world.tcpEndpoint('say a, read end, shut')] })
    const udp = await world.listen({ ...UDP, endpoints: [await world.udpEndpoint(echoDatagram)] })
    const crowd = Array.from({ length: 20 }, () => tcp.start())
    await eventually(() => expect(crowd.filter(({ text }) => text === 'a').length).toBe(world.engine.sessions()))
    await eventually(() => expect(world.engine.sessions()).toBeGreaterThan(4))
    const client = await udp.udpClient()
    client.send('hello')
    const record = await udp.record()
    expect(record).toMatchObject({ end: 'over-limit', attempts: 0 })
    for (const each of crowd) each.close()
    expect(`${await client.askAgain('again')}`).toBe('again')
  })

  it('ends a session at once where fewer replies are allowed than it has had', async () => {
    await using troubled = await openTroubled()
    const { world } = troubled
    const endpoint = await world.udpEndpoint(echoDatagram)
    const listener = await world.listen({ ...UDP, endpoints: [endpoint], udpResponses: 5 })
    const client = await listener.udpClient()
    for (let n = 0; n < 3; n++) await client.ask('x')
    await listener.publish({ udpResponses: 2 })
    client.send('x')
    expect(await listener.record()).toMatchObject({ end: 'completed', datagramsFromEndpoint: 3 })
  })

  it('moves a burst whose endpoint turns out not to be there in the middle of it', async () => {
    await using troubled = await openTroubled()
    const { world, trouble } = troubled
    using raw = new RawSockets()
    const [dead, living] = [await world.udpEndpoint(silent), await world.udpEndpoint(silent)]
    await dead[Symbol.asyncDispose]()
    const listener = await world.listen({ ...UDP, endpoints: [dead, living] })
    const clients = Array.from({ length: 8 }, () => raw.udp(listener.address))
    for (let burst = 0; burst < 3; burst++) {
      using _ = trouble.hold()
      for (let n = 0; n < 10; n++) for (const client of clients) raw.send(client, `${'x'.repeat(n)}`)
      // It may have taken them on its way out of the last gate: this wakes it in any case.
      void world.engine.cut({ listeners: [] }, 'killed')
      await eventually(() => expect(trouble.standing).toBe(true))
    }
    // At most the first burst of the four that began there is lost.
    await eventually(() => expect(living.received.length).toBeGreaterThanOrEqual(8 * 30 - 4 * 10))
    expect(listener.countAt(dead, 'refused')).toBe(4)
    expect(listener.countAt(dead, 'active')).toBe(0)
  })
})
