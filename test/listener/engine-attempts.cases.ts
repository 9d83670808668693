import { describe, expect, it } from 'vitest'
import { echoDatagram } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import type { Cases } from './engine.cases.ts'

/** Long enough that everything else happens before it is over. */
const A_WHILE_MS = 1_000

/** Choosing endpoints, and choosing again. */
export function attemptCases({ open, itCan }: Cases): void {
  describe('attempts', () => {
    it('go round the endpoints in exact order', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: await world.namedEndpoints(3) })
      const answers: string[] = []
      for (let n = 0; n < 9; n++) answers.push(await listener.ask())
      const turns = answers.join('')
      expect(['abcabcabc', 'bcabcabca', 'cabcabcab']).toContain(turns)
    })

    itCan('transparent-source', 'come from the address of the client where the route says so', async () => {
      await using world = await open()
      const [tcp, udp] = [await world.tcpEndpoint('say a, shut'), await world.udpEndpoint(echoDatagram)]
      const refusing = await world.refusingEndpoint()
      const listener = await world.listen({ endpoints: [refusing, tcp], transparent: true })
      const clients = ['127.0.66.1', '127.0.66.2']
      for (const from of clients) expect(await listener.ask(from)).toBe('a')
      expect(tcp.sessions.map(({ remoteIp }) => remoteIp)).toEqual(clients)
      const datagrams = await world.listen({ protocol: 'UDP', endpoints: [udp], transparent: true })
      for (const from of clients) expect(`${await (await datagrams.udpClient(from)).ask('x')}`).toBe('x')
      expect(udp.received.map(({ ip }) => ip)).toEqual(clients)
    })

    it('go on at the next endpoint when one refuses', async () => {
      await using world = await open()
      const [refusing, named] = [await world.refusingEndpoint(), await world.tcpEndpoint('say a, shut')]
      const listener = await world.listen({ endpoints: [refusing, named] })
      // Whoever came first, the next one begins at the endpoint that refuses.
      expect([await listener.ask(), await listener.ask()]).toEqual(['a', 'a'])
      const record = (await listener.records(2))[1]
      expect(record).toMatchObject({ attempts: 2, end: 'endpoint-closed', lease: listener.lease(named) })
      expect(listener.count('retries')).toBeGreaterThan(0)
      expect(listener.countAt(refusing, 'refused')).toBe(listener.count('retries'))
      expect(listener.count('attemptFailures')).toBe(listener.count('retries'))
    })

    it('keep what the client sent, and its half-close, for the endpoint that answers', async () => {
      await using world = await open()
      const endpoints = [await world.refusingEndpoint(), await world.refusingEndpoint(), await world.tcpEndpoint('echo')]
      const listener = await world.listen({ endpoints })
      for (let n = 0; n < 3; n++) {
        const client = listener.start()
        await client.send('early')
        client.halfClose()
        expect(await client.closes()).toBe('end')
        expect(client.text).toBe('early')
      }
    })

    it('that are all refused end in a prompt reset', async () => {
      await using world = await open()
      const endpoints = [await world.refusingEndpoint(), await world.refusingEndpoint()]
      const listener = await world.listen({ endpoints, connectMs: [600_000, 600_000, 600_000, 600_000] })
      const client = listener.start()
      expect(await client.closes()).toBe('reset')
      expect(client.received.bytes).toBe(0)
      expect(await listener.record()).toMatchObject({ end: 'connect-refused', attempts: 4, lease: -1, connectMs: -1 })
      expect(listener.ended('connect-refused')).toBe(1)
    })

    it('are one more where the only endpoint refuses', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: [await world.refusingEndpoint()] })
      expect(await listener.start().closes()).toBe('reset')
      expect(await listener.record()).toMatchObject({ end: 'connect-refused', attempts: 2 })
    })

    it('that an endpoint does not answer are made at another, and delay nobody else', async () => {
      await using world = await open()
      const [hole, named] = [await world.blackHole(), await world.tcpEndpoint('say a')]
      const listener = await world.listen({ endpoints: [hole, named], connectMs: [A_WHILE_MS, A_WHILE_MS] })
      // Round robin: of two clients in a row, one begins at each.
      const clients = [await listener.connect(), await listener.connect()]
      await eventually(() => expect(clients.filter(({ text }) => text === 'a').length).toBe(1))
      expect(listener.countAt(hole, 'active')).toBe(1)
      await Promise.all(clients.map((client) => client.receives('a')))
      for (const client of clients) client.halfClose()
      await world.engine.cut({}, 'killed')
      const records = await listener.records(2)
      expect(records.map(({ attempts }) => attempts).sort()).toEqual([1, 2])
      expect(listener.countAt(hole, 'timedOut')).toBe(1)
    })

    it('at one endpoint that does not answer take every timeout, in order', async () => {
      await using world = await open()
      const hole = await world.blackHole()
      const connectMs = [50, 100, 150, 200]
      const listener = await world.listen({ endpoints: [hole], connectMs })
      expect(await listener.start().closes()).toBe('reset')
      const record = await listener.record()
      expect(record).toMatchObject({ end: 'connect-timeout', attempts: 4, lease: -1, connectMs: -1 })
      expect(record.durationMs).toBeGreaterThanOrEqual(connectMs.reduce((sum, ms) => sum + ms) - connectMs.length)
      expect(listener.countAt(hole, 'timedOut')).toBe(4)
      expect(listener.countAt(hole, 'attempts')).toBe(4)
    })

    it('never bring a late answer into a session that went elsewhere', async () => {
      await using world = await open()
      const [hole, echo] = [await world.blackHole(), await world.tcpEndpoint('echo')]
      const listener = await world.listen({ endpoints: [hole, echo], connectMs: [50, 5_000] })
      const clients = [await listener.connect(), await listener.connect(), await listener.connect()]
      for (const client of clients) {
        await client.send('hello')
        await client.receives('hello')
        client.halfClose()
        expect(await client.closes()).toBe('end')
      }
      expect((await listener.records(3)).map(({ lease }) => lease)).toEqual(Array(3).fill(listener.lease(echo)))
    })

    it('end at once where the route has no endpoint or is gone', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: [] })
      expect(await listener.start().closes()).toBe('reset')
      await listener.publish({ endpoints: await world.namedEndpoints(1) })
      expect(await listener.ask()).toBe('a')
      await world.publish({ remove: [listener.spec.id] })
      expect(await listener.start().closes()).toBe('reset')
      const ends = (await listener.records(3)).map(({ end }) => end)
      expect(ends.sort()).toEqual(['endpoint-closed', 'no-endpoint', 'no-endpoint'])
      await listener.publish()
      expect(await listener.ask()).toBe('a')
    })

    it('reach endpoints that only clients on this node are served by', async () => {
      await using world = await open()
      const [theirs, everybodys] = await world.namedEndpoints(2)
      const listener = await world.claim({ endpoints: [everybodys as never] })
      const own = world.route(listener.spec, listener.service, { endpoints: [theirs as never] })
      const route = world.route(listener.spec, listener.service, { endpoints: [everybodys as never] })
      const clients = ['127.9.0.0/16'] as never
      const forLocalClients = { clients, rotation: own.rotation, endpoints: own.endpoints }
      await world.publish({ set: [{ ...route, forLocalClients }] })
      await listener.open()
      expect([await listener.ask('127.9.1.1'), await listener.ask('127.8.1.1')]).toEqual(['a', 'b'])
    })

    it('are not made for a client outside the permitted ranges', async () => {
      await using world = await open()
      const endpoints = await world.namedEndpoints(1)
      const listener = await world.listen({ endpoints, sourceRanges: ['127.9.0.0/16', '192.0.2.0/24'] as never })
      expect(await listener.start().closes()).toBe('reset')
      expect(await listener.record()).toMatchObject({ end: 'denied', attempts: 0, lease: -1 })
      expect(await listener.ask('127.9.1.1')).toBe('a')
    })
  })

  describe('affinity', () => {
    it('brings a client back to its endpoint, and tells clients apart', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: await world.namedEndpoints(3), affinityTimeoutMs: 600_000 })
      const one = [await listener.ask('127.8.0.1'), await listener.ask('127.8.0.1'), await listener.ask('127.8.0.1')]
      const two = [await listener.ask('127.8.0.2'), await listener.ask('127.8.0.1'), await listener.ask('127.8.0.2')]
      expect(new Set(one).size).toBe(1)
      expect(two[0]).not.toBe(one[0])
      expect(two).toEqual([two[0], one[0], two[0]])
      expect([listener.count('affinityMisses'), listener.count('affinityHits')]).toEqual([2, 4])
    })

    it('moves a client whose endpoint is dead to another one, where it stays', async () => {
      await using world = await open()
      const [a, b] = await world.namedEndpoints(2)
      const listener = await world.listen({ endpoints: [a as never, b as never], affinityTimeoutMs: 600_000 })
      const first = await listener.ask()
      const dead = first === 'a' ? a : b
      await dead?.[Symbol.asyncDispose]()
      const other = first === 'a' ? 'b' : 'a'
      expect([await listener.ask(), await listener.ask(), await listener.ask()]).toEqual([other, other, other])
      expect((await listener.records(4)).map(({ attempts }) => attempts).sort()).toEqual([1, 1, 1, 2])
    })

    it('forgets an endpoint that left the route', async () => {
      await using world = await open()
      const endpoints = await world.namedEndpoints(2)
      const listener = await world.listen({ endpoints, affinityTimeoutMs: 600_000 })
      const first = await listener.ask()
      const [staying] = first === 'a' ? [endpoints[1]] : [endpoints[0]]
      await listener.publish({ endpoints: [staying as never] })
      const other = first === 'a' ? 'b' : 'a'
      expect([await listener.ask(), await listener.ask()]).toEqual([other, other])
      await listener.publish({ endpoints })
      expect(await listener.ask()).toBe(other)
    })
  })
}
