import { describe, expect, it } from 'vitest'
import { unacknowledgedBytes } from '../support/descriptors.ts'
import { eventually } from '../support/eventually.ts'
import { patternSha256 } from '../support/tally.ts'
import type { TcpPeer } from '../support/tcp-peer.ts'
import type { Cases } from './engine.cases.ts'

const MIB = 2 ** 20
/** Far more than a side that goes away leaves room for. */
const FAR_MORE = 64 * MIB
const SHORT_MS = 400

/** Resolves when everything a side sent has left it, so that its own reset takes nothing back. */
async function sentIsAway(side: TcpPeer): Promise<void> {
  await eventually(() => expect(unacknowledgedBytes(side.localPort, side.remotePort)).toBe(0))
}

/** How sessions end other than by two orderly closes: resets, timeouts, cuts. */
export function endCases({ open, itCan }: Cases): void {
  describe('a reset', () => {
    it('of a client that sent nothing is a reset for the endpoint', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('say hello')
      const listener = await world.listen({ endpoints: [endpoint] })
      const client = await listener.connect()
      await client.receives('hello')
      client.reset()
      expect(await (await endpoint.session()).closes()).toBe('reset')
      expect(await listener.record()).toMatchObject({ end: 'client-reset', bytesFromEndpoint: 5 })
    })

    it('of an endpoint that sent nothing is a reset for the client', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('read 5, reset')
      const listener = await world.listen({ endpoints: [endpoint] })
      const client = await listener.connect()
      await client.send('hello')
      expect(await client.closes()).toBe('reset')
      expect(await listener.record()).toMatchObject({ end: 'endpoint-reset', bytesFromClient: 5 })
      expect(listener.countAt(endpoint, 'resets')).toBe(1)
    })

    it('of a client costs the endpoint nothing of what was sent before it', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('pause, read end, shut')
      const listener = await world.listen({ endpoints: [endpoint] })
      const client = await listener.connect()
      await client.sendPattern(MIB)
      await sentIsAway(client)
      client.reset()
      const session = await endpoint.session()
      session.resume()
      await session.ends()
      expect(session.received.bytes).toBe(MIB)
      expect(session.received.sha256).toBe(patternSha256(MIB))
      expect(await listener.record()).toMatchObject({ end: 'client-reset', bytesFromClient: MIB })
    })

    it('of an endpoint costs the client nothing of what was sent before it', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('send 1M')
      const listener = await world.listen({ endpoints: [endpoint] })
      const client = await listener.connect()
      client.pause()
      const session = await endpoint.session()
      await eventually(() => expect(session.sent).toBe(MIB))
      await sentIsAway(session)
      session.reset()
      await client.resume().ends()
      client.halfClose()
      expect(client.received.sha256).toBe(patternSha256(MIB))
      expect(await listener.record()).toMatchObject({ end: 'endpoint-reset', bytesFromEndpoint: MIB })
    })

    itCan('exact-reset', 'is a reset for the other side though bytes came before it', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('send 10k, read 1, reset')
      const listener = await world.listen({ endpoints: [endpoint] })
      const client = await listener.connect()
      await client.receives(10 * 1024)
      await client.send('x')
      const outcome = await client.ends()
      client.halfClose()
      expect(outcome).toBe('reset')
    })

    it('stops a client that goes on sending to an endpoint that has left', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('say bye, close')
      const listener = await world.listen({ endpoints: [endpoint] })
      const client = await listener.connect()
      await client.receives('bye')
      expect(await client.sendPattern(FAR_MORE)).toBe(false)
      expect((await listener.record()).end).toMatch(/^endpoint-(closed|reset)$/)
    })

    it('stops an endpoint that goes on sending to a client that has left', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint(`read 4, send ${FAR_MORE / MIB}M`)
      const listener = await world.listen({ endpoints: [endpoint] })
      const client = await listener.connect()
      await client.send('more')
      await client.receives(1)
      client.close()
      const session = await endpoint.session()
      expect(await session.closes()).toBe('reset')
      expect(session.sent).toBeLessThan(FAR_MORE)
      expect((await listener.record()).end).toMatch(/^client-(closed|reset)$/)
    })

    it('is remembered as the end of a session whose other side then never closes', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('pause')
      const listener = await world.listen({ endpoints: [endpoint], halfCloseMs: SHORT_MS })
      const client = await listener.connect()
      await client.sendPattern(MIB)
      await sentIsAway(client)
      client.reset()
      expect(await listener.record()).toMatchObject({ end: 'client-reset' })
      expect(await (await endpoint.session()).resume().closes()).toBe('reset')
    })

    it('while an endpoint is being reached leaves nothing behind', async () => {
      await using world = await open()
      const hole = await world.blackHole()
      const listener = await world.listen({ endpoints: [hole], connectMs: [SHORT_MS] })
      const client = await listener.connect()
      await client.send('hello')
      await eventually(() => expect(listener.countAt(hole, 'active')).toBe(1))
      client.reset()
      const record = await listener.record()
      expect(record.end).toMatch(/^(client-reset|connect-timeout)$/)
      expect(listener.countAt(hole, 'active')).toBe(0)
    })
  })

  describe('a timeout', () => {
    it('ends a session whose client is silent, for both sides', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('say hello')
      const listener = await world.listen({ endpoints: [endpoint], idleMs: SHORT_MS })
      const client = await listener.connect()
      expect(await client.closes()).toBe('reset')
      expect(client.text).toBe('hello')
      await (await endpoint.session()).closes()
      const record = await listener.record()
      expect(record).toMatchObject({ end: 'client-idle' })
      expect(record.durationMs).toBeGreaterThanOrEqual(SHORT_MS)
    })

    it('ends a session whose endpoint is silent, for both sides', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('read end')
      const listener = await world.listen({ endpoints: [endpoint], idleMs: SHORT_MS })
      const client = await listener.connect()
      await client.send('anybody?')
      expect(await client.closes()).toBe('reset')
      await (await endpoint.session()).closes()
      expect(await listener.record()).toMatchObject({ end: 'endpoint-idle', bytesFromClient: 8 })
    })

    it('ends a session in which nobody says a word', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('accept')
      const listener = await world.listen({ endpoints: [endpoint], idleMs: SHORT_MS })
      expect(await (await listener.connect()).closes()).toBe('reset')
      expect(await listener.record()).toMatchObject({ end: 'client-idle', bytesFromClient: 0, bytesFromEndpoint: 0 })
    })

    it('ends a session whose other half is never closed', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('read end')
      const listener = await world.listen({ endpoints: [endpoint], halfCloseMs: SHORT_MS })
      const client = await listener.connect()
      client.halfClose()
      expect(await client.closes()).toBe('reset')
      expect(await listener.record()).toMatchObject({ end: 'half-close-timeout' })
      const session = await endpoint.session()
      await eventually(async () => expect(await session.send('x')).toBe(false))
    })

    it('never makes an answer cut short look like a whole one', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('send 16M, shut')
      const listener = await world.listen({ endpoints: [endpoint], halfCloseMs: SHORT_MS, idleMs: 2 * SHORT_MS })
      const client = await listener.connect()
      client.pause()
      await listener.record()
      expect(await client.resume().closes()).toBe('reset')
      expect(client.received.bytes).toBeLessThan(16 * MIB)
    })

    it('never makes a request cut short look like a whole one', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('pause')
      const listener = await world.listen({ endpoints: [endpoint], halfCloseMs: SHORT_MS, idleMs: 2 * SHORT_MS })
      const client = await listener.connect()
      void client.sendPattern(16 * MIB).then(() => client.halfClose())
      await listener.record()
      const session = await endpoint.session()
      expect(await session.resume().closes()).toBe('reset')
      expect(session.received.bytes).toBeLessThan(16 * MIB)
    })

    it('that is made longer holds for sessions that already run', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('echo')], idleMs: 3 * SHORT_MS })
      const client = await listener.connect()
      await client.send('x')
      await client.receives(1)
      const early = await listener.connect()
      await early.receives(0)
      await listener.publish({ idleMs: 600_000 })
      const until = performance.now() + 5 * SHORT_MS
      await eventually(() => expect(performance.now()).toBeGreaterThan(until))
      await client.send('y')
      await client.receives('xy')
      expect(world.engine.sessions()).toBe(2)
    })
  })

  describe('a cut', () => {
    it('ends the sessions of one endpoint and no others', async () => {
      await using world = await open()
      const endpoints = await Promise.all(['say a', 'say b'].map((script) => world.tcpEndpoint(script)))
      const listener = await world.listen({ endpoints })
      const clients = await Promise.all([1, 2, 3, 4].map(() => listener.connect()))
      for (const client of clients) await client.receives(1)
      const [a] = endpoints
      expect(await world.engine.cut({ leases: [listener.lease(a as never)] }, 'endpoint-removed')).toBe(2)
      for (const client of clients.filter(({ text }) => text === 'a')) expect(await client.closes()).toBe('reset')
      expect((await listener.records(2)).map(({ end }) => end)).toEqual(['endpoint-removed', 'endpoint-removed'])
      expect(await world.engine.cut({ leases: [listener.lease(a as never)] }, 'endpoint-removed')).toBe(0)
      expect(clients.filter(({ outcome }) => outcome === undefined).map(({ text }) => text)).toEqual(['b', 'b'])
      expect(world.engine.sessions()).toBe(2)
    })

    it('ends the sessions of one listener, of one protocol, or all', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('say hello')
      const one = await world.listen({ endpoints: [endpoint] })
      const two = await world.listen({ endpoints: [endpoint] })
      for (const client of [await one.connect(), await two.connect()]) await client.receives('hello')
      expect(await world.engine.cut({ protocol: 'UDP' }, 'killed')).toBe(0)
      expect(await world.engine.cut({ listeners: [one.spec.id] }, 'killed')).toBe(1)
      expect((await one.record()).end).toBe('killed')
      expect(await world.engine.cut({ protocol: 'TCP' }, 'drained')).toBe(1)
      expect((await two.record()).end).toBe('drained')
      expect(await world.engine.cut({}, 'killed')).toBe(0)
    })

    it('reaches sessions that are still looking for an endpoint', async () => {
      await using world = await open()
      const hole = await world.blackHole()
      const listener = await world.listen({ endpoints: [hole] })
      const client = await listener.connect()
      await eventually(() => expect(listener.countAt(hole, 'active')).toBe(1))
      expect(await world.engine.cut({ leases: [listener.lease(hole)] }, 'endpoint-removed')).toBe(1)
      expect(await client.closes()).toBe('reset')
      expect(await listener.record()).toMatchObject({ end: 'endpoint-removed', connectMs: -1 })
    })

    it('resets a session that was closing with bytes still on their way', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('send 16M, shut')
      const listener = await world.listen({ endpoints: [endpoint] })
      const client = await listener.connect()
      client.pause()
      const session = await endpoint.session()
      await eventually(() => expect(session.sent).toBeGreaterThan(0))
      expect(await world.engine.cut({}, 'killed')).toBe(1)
      expect(await client.resume().closes()).toBe('reset')
      expect((await listener.record()).end).toBe('killed')
    })
  })

  describe('disposing an engine', () => {
    it('ends every session at once, and records it', async () => {
      await using world = await open()
      const talking = await world.listen({ endpoints: [await world.tcpEndpoint('say hello')] })
      const dialling = await world.listen({ endpoints: [await world.blackHole()] })
      const clients = [await talking.connect(), await dialling.connect(), await talking.connect()]
      await eventually(() => expect(dialling.count('active') + talking.count('active')).toBe(3))
      await world.engine[Symbol.asyncDispose]()
      expect(world.records().map(({ end }) => end)).toEqual(['killed', 'killed', 'killed'])
      for (const client of clients) expect(await client.closes()).toBe('reset')
      await world.engine[Symbol.asyncDispose]()
    })
  })
}
