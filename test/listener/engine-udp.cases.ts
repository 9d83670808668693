import { describe, expect, it } from 'vitest'
import type { Ip, Port } from '../../src/model/keys.ts'
import { echoDatagram, sayName, silent } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { hasIpv6, WITHOUT_IPV6 } from '../support/ipv6.ts'
import { patternAt } from '../support/tally.ts'
import { UdpClient } from '../support/udp-client.ts'
import type { Cases } from './engine.cases.ts'

const SHORT_MS = 400
const UDP = { protocol: 'UDP' } as const

/** Datagrams and the sessions they make. */
export function udpCases({ open }: Cases): void {
  describe('a UDP session', () => {
    it('carries datagrams of every size whole, both ways', async () => {
      await using world = await open()
      const endpoint = await world.udpEndpoint(echoDatagram)
      const listener = await world.listen({ ...UDP, endpoints: [endpoint] })
      const client = await listener.udpClient()
      const sizes = [0, 1, 512, 4_097, 9_000, 65_507]
      for (const size of sizes) expect((await client.ask(patternAt(size, size))).equals(patternAt(size, size))).toBe(true)
      expect(endpoint.received.map(({ datagram }) => datagram.length)).toEqual(sizes)
      await world.engine.cut({}, 'killed')
      const bytes = sizes.reduce((sum, size) => sum + size)
      expect(await listener.record()).toMatchObject({
        end: 'killed',
        attempts: 1,
        lease: listener.lease(endpoint),
        port: client.port,
        bytesFromClient: bytes,
        bytesFromEndpoint: bytes,
        datagramsFromClient: sizes.length,
        datagramsFromEndpoint: sizes.length,
      })
      expect(listener.count('datagramsFromClient')).toBe(sizes.length)
      expect(listener.countAt(endpoint, 'active')).toBe(0)
    })

    it('keeps the order and the borders of a burst', async () => {
      await using world = await open()
      const endpoint = await world.udpEndpoint(silent)
      const listener = await world.listen({ ...UDP, endpoints: [endpoint] })
      const client = await listener.udpClient()
      const sizes = Array.from({ length: 40 }, (_, n) => (n * 37) % 1_400)
      for (const size of sizes) client.send(patternAt(0, size))
      await eventually(() => expect(endpoint.received.map(({ datagram }) => datagram.length)).toEqual(sizes))
      expect(new Set(endpoint.received.map(({ port }) => port)).size).toBe(1)
    })

    it('answers from the address that the client used', async () => {
      await using world = await open()
      const endpoint = await world.udpEndpoint(echoDatagram)
      for (const n of [1, 2, 3]) {
        const at = world.freeAddress(`127.77.0.${n}`)
        const listener = await world.listen({ ...UDP, endpoints: [endpoint], at })
        // A connected client hears nobody but whom it sends to.
        const client = await listener.udpClient()
        expect((await client.ask('hello')).toString()).toBe('hello')
      }
    })

    it('brings the client everything its endpoint sends, asked or not', async () => {
      await using world = await open()
      const endpoint = await world.udpEndpoint(echoDatagram)
      const listener = await world.listen({ ...UDP, endpoints: [endpoint] })
      const client = await listener.udpClient()
      await client.ask('hello')
      for (const text of ['one', 'two', 'three']) endpoint.push(Buffer.from(text), endpoint.received[0]?.port as number)
      await eventually(() => expect(client.replies.map(String)).toEqual(['hello', 'one', 'two', 'three']))
    })

    it('is one of its own for every port of a client; round robin counts sessions, not datagrams', async () => {
      await using world = await open()
      const endpoints = await Promise.all(['a', 'b'].map((name) => world.udpEndpoint(sayName(name))))
      const listener = await world.listen({ ...UDP, endpoints })
      const [one, two] = [await listener.udpClient(), await listener.udpClient()]
      const answers = []
      for (let n = 0; n < 3; n++) answers.push(`${await one.ask('x')}${await two.ask('x')}`)
      expect(['ab', 'ba']).toContain(answers[0])
      expect(new Set(answers).size).toBe(1)
      expect(listener.count('active')).toBe(2)
    })

    it('goes by affinity where the Service has it', async () => {
      await using world = await open()
      const endpoints = await Promise.all(['a', 'b', 'c'].map((name) => world.udpEndpoint(sayName(name))))
      const listener = await world.listen({ ...UDP, endpoints, affinityTimeoutMs: 600_000 })
      const answers = []
      for (let n = 0; n < 5; n++) answers.push(`${await (await listener.udpClient()).ask('x')}`)
      expect(new Set(answers).size).toBe(1)
    })

    it('ends after the idle timeout, and the client begins another', async () => {
      await using world = await open()
      const [answering, quiet] = [await world.udpEndpoint(echoDatagram), await world.udpEndpoint(silent)]
      const listener = await world.listen({ ...UDP, endpoints: [answering], udpIdleMs: SHORT_MS })
      const client = await listener.udpClient()
      await client.ask('hello')
      const record = await listener.record()
      expect(record).toMatchObject({ end: 'client-idle', datagramsFromClient: 1, datagramsFromEndpoint: 1 })
      expect(record.durationMs).toBeGreaterThanOrEqual(SHORT_MS)
      expect(world.engine.sessions()).toBe(0)
      await listener.publish({ endpoints: [quiet] })
      client.send('anybody?')
      expect((await listener.records(2))[1]).toMatchObject({ end: 'endpoint-idle', datagramsFromEndpoint: 0 })
    })

    it('ends after as many replies as its Service allows', async () => {
      await using world = await open()
      const endpoint = await world.udpEndpoint(echoDatagram)
      const listener = await world.listen({ ...UDP, endpoints: [endpoint], udpResponses: 2 })
      const client = await listener.udpClient()
      await client.ask('one')
      await client.ask('two')
      expect(await listener.record()).toMatchObject({ end: 'completed', datagramsFromEndpoint: 2 })
      await client.ask('three')
      expect(new Set(endpoint.received.map(({ port }) => port)).size).toBe(2)
      expect(listener.count('active')).toBe(1)
    })

    it('moves, affinity and all, when its endpoint turns out not to be there', async () => {
      await using world = await open()
      const endpoints = await Promise.all(['a', 'b'].map((name) => world.udpEndpoint(sayName(name))))
      const listener = await world.listen({ ...UDP, endpoints, affinityTimeoutMs: 600_000 })
      const client = await listener.udpClient()
      const first = `${await client.ask('x')}`
      const [dead, other] = first === 'a' ? endpoints : [...endpoints].reverse()
      await dead?.[Symbol.asyncDispose]()
      const next = `${await client.askAgain('y')}`
      expect(next).toBe(first === 'a' ? 'b' : 'a')
      expect(`${await (await listener.udpClient()).ask('z')}`).toBe(next)
      expect(listener.countAt(dead as never, 'refused')).toBe(1)
      expect(listener.countAt(dead as never, 'active')).toBe(0)
      await world.engine.cut({}, 'killed')
      const records = await listener.records(2)
      expect(records.map(({ attempts, lease }) => [attempts, lease]).sort()).toEqual([
        [1, listener.lease(other as never)],
        [2, listener.lease(other as never)],
      ])
    })

    it('finds an endpoint again when none was there for a while', async () => {
      await using world = await open()
      const endpoint = await world.udpEndpoint(sayName('a'))
      await endpoint[Symbol.asyncDispose]()
      const listener = await world.listen({ ...UDP, endpoints: [endpoint] })
      const client = await listener.udpClient()
      for (let n = 0; n < 20; n++) {
        client.send('x')
        await new Promise<void>((resolve) => setImmediate(resolve))
      }
      await eventually(() => expect(listener.countAt(endpoint, 'refused')).toBeGreaterThan(0))
      await world.udpEndpoint(sayName('back'), endpoint.address.ip, endpoint.address.port)
      expect(`${await client.askAgain('x')}`).toBe('back')
    })

    it('survives an endpoint whose address cannot be reached at all', async () => {
      await using world = await open()
      const nowhere = { address: { ip: '255.255.255.255' as Ip, port: 9 as Port } }
      const living = await world.udpEndpoint(sayName('a'))
      const listener = await world.listen({ ...UDP, endpoints: [nowhere, living] })
      for (let n = 0; n < 3; n++) expect(`${await (await listener.udpClient()).askAgain('x')}`).toBe('a')
      expect(listener.countAt(nowhere, 'active')).toBe(0)
    })

    it('moves with its next datagram when its endpoint left the route', async () => {
      await using world = await open()
      const endpoints = await Promise.all(['a', 'b'].map((name) => world.udpEndpoint(sayName(name))))
      const listener = await world.listen({ ...UDP, endpoints })
      const client = await listener.udpClient()
      const first = `${await client.ask('x')}`
      await listener.publish({ endpoints: endpoints.filter((_, index) => index !== (first === 'a' ? 0 : 1)) })
      expect(`${await client.askAgain('y')}`).toBe(first === 'a' ? 'b' : 'a')
      expect(await listener.record()).toMatchObject({ end: 'endpoint-removed', datagramsFromClient: 1 })
      expect(listener.count('active')).toBe(1)
    })

    it('is not begun for a client outside the permitted ranges', async () => {
      await using world = await open()
      const endpoint = await world.udpEndpoint(echoDatagram)
      const listener = await world.listen({ ...UDP, endpoints: [endpoint], sourceRanges: ['192.0.2.0/24'] as never })
      const client = await listener.udpClient()
      client.send('hello')
      expect(await listener.record()).toMatchObject({ end: 'denied', attempts: 0, lease: -1 })
      expect([endpoint.received.length, client.replies.length, world.engine.sessions()]).toEqual([0, 0, 0])
    })

    it('is cut by endpoint like any other', async () => {
      await using world = await open()
      const endpoint = await world.udpEndpoint(echoDatagram)
      const listener = await world.listen({ ...UDP, endpoints: [endpoint] })
      await (await listener.udpClient()).ask('hello')
      expect(await world.engine.cut({ protocol: 'TCP' }, 'killed')).toBe(0)
      expect(await world.engine.cut({ leases: [listener.lease(endpoint)] }, 'endpoint-removed')).toBe(1)
      expect((await listener.record()).end).toBe('endpoint-removed')
    })

    it.skipIf(!hasIpv6)(`speaks IPv6${WITHOUT_IPV6}`, async () => {
      await using world = await open()
      const endpoint = await world.udpEndpoint(echoDatagram, '::1')
      const listener = await world.listen({ ...UDP, endpoints: [endpoint], at: world.freeAddress('::1') })
      expect((await (await listener.udpClient()).ask(patternAt(0, 60_000))).equals(patternAt(0, 60_000))).toBe(true)
      await world.engine.cut({}, 'killed')
      expect(await listener.record()).toMatchObject({ word0: 0, word1: 0, word2: 0, word3: 1 })
    })

    it('ends with its listener, whose address is free at once', async () => {
      await using world = await open()
      const listener = await world.listen({ ...UDP, endpoints: [await world.udpEndpoint(sayName('old'))] })
      const client = await listener.udpClient()
      await client.ask('x')
      await world.engine.close(listener.spec.id, 'keep')
      expect((await listener.record()).end).toBe('endpoint-removed')
      const second = await world.listen({ ...UDP, endpoints: [await world.udpEndpoint(sayName('new'))], at: listener.address })
      expect(`${await client.askAgain('x')}`).toBe('new')
      expect(second.count('sessions')).toBe(1)
    })
  })

  describe('a UDP listener', () => {
    it('that is parked answers with ICMP, and serves when it opens again', async () => {
      await using world = await open()
      const listener = await world.listen({ ...UDP, endpoints: [await world.udpEndpoint(echoDatagram)] })
      const client = await listener.udpClient()
      await client.ask('before')
      await listener.park()
      expect(await listener.record()).toMatchObject({ end: 'no-endpoint' })
      expect(world.engine.sessions()).toBe(0)
      client.send('meanwhile')
      await eventually(() => expect(client.errors).toContain('ECONNREFUSED'))
      expect((await listener.open()).state).toBe('listening')
      expect(`${await client.askAgain('after')}`).toBe('after')
    })

    it('says that its address is taken', async () => {
      await using world = await open()
      const taken = await world.udpEndpoint(silent)
      const listener = await world.claim({ ...UDP, endpoints: [], at: taken.address })
      expect(await listener.open()).toMatchObject({ state: 'failed', code: 'EADDRINUSE' })
    })

    it('that drains answers the clients it knows, and no others, until they fall silent', async () => {
      await using world = await open()
      const listener = await world.listen({ ...UDP, endpoints: [await world.udpEndpoint(echoDatagram)], udpIdleMs: 3 * SHORT_MS })
      const [known, stranger] = [await listener.udpClient(), await listener.udpClient()]
      await known.ask('before')
      let drained = false
      const draining = world.engine.drain().then(() => {
        drained = true
      })
      stranger.send('hello')
      expect(`${await known.ask('during')}`).toBe('during')
      expect(drained).toBe(false)
      await draining
      expect(stranger.replies).toEqual([])
      expect((await listener.record()).end).toBe('client-idle')
      await using late = await UdpClient.open(listener.address)
      late.send('hello')
      await eventually(() => expect(late.errors).toContain('ECONNREFUSED'))
    })

    it('keeps five hundred clients apart', async () => {
      await using world = await open()
      const listener = await world.listen({ ...UDP, endpoints: [await world.udpEndpoint(echoDatagram)] })
      const clients = await Promise.all(Array.from({ length: 500 }, () => listener.udpClient()))
      await Promise.all(clients.map((client) => client.askAgain(`${client.port}`)))
      for (const client of clients) expect(new Set(client.replies.map(String))).toEqual(new Set([`${client.port}`]))
      expect(listener.count('active')).toBe(clients.length)
    })
  })
}
