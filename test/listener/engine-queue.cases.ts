import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/lib/random.ts'
import type { RouteLimits } from '../../src/model/delta.ts'
import type { AcceptProxy } from '../../src/model/proxy-header.ts'
import type { EngineWorld, TestListener } from '../support/engine-world.ts'
import { eventually } from '../support/eventually.ts'
import type { TcpPeer } from '../support/tcp-peer.ts'
import type { Cases } from './engine.cases.ts'

const LONG_MS = 600_000
const SHORT_MS = 300
const UNLIMITED: RouteLimits = {
  maxSessions: undefined,
  maxPerEndpoint: undefined,
  queueLength: 1_000,
  queueMs: LONG_MS,
  holdMs: undefined,
}
export const limits = (some: Partial<RouteLimits>): RouteLimits => ({ ...UNLIMITED, ...some })

/** Clients that wait, in the order in which they came. */
export async function queueUp(listener: TestListener, count: number): Promise<TcpPeer[]> {
  const clients: TcpPeer[] = []
  for (let n = 0; n < count; n++) {
    const before = listener.waiting
    const client = await listener.connect()
    await client.send(`${n}`)
    await eventually(() => expect(listener.waiting).toBe(before + 1))
    clients.push(client)
  }
  return clients
}

/** A listener with one place, and the client that has it. */
async function fullHouse(world: EngineWorld, some: Partial<RouteLimits> = {}) {
  const endpoint = await world.tcpEndpoint('say a, echo')
  const listener = await world.listen({ endpoints: [endpoint], limits: limits({ maxSessions: 1, ...some }) })
  const holder = await listener.connect()
  await holder.receives('a')
  return { endpoint, listener, holder }
}

/** Clients above a Service's limits, and those of a Service without an endpoint. */
export function queueCases({ open, workers }: Cases): void {
  describe('a full Service', () => {
    it('lets clients wait, unread, and each has its turn in the order in which they came', async () => {
      await using world = await open()
      const { endpoint, listener, holder } = await fullHouse(world)
      const clients = await queueUp(listener, 8)
      expect(endpoint.sessions.length).toBe(1)
      holder.close()
      for (const [n, client] of clients.entries()) {
        await client.receives(`a${n}`)
        expect(clients.filter(({ text }) => text !== '').length).toBe(n + 1)
        expect(listener.waiting).toBe(clients.length - n - 1)
        client.close()
      }
      const records = await listener.records(9)
      expect(records.map(({ end }) => end)).toEqual(records.map(() => 'client-closed'))
    })

    for (const [name, some] of [
      ['max-connections', { maxSessions: 3 }],
      ['max-connections-per-endpoint', { maxPerEndpoint: 2 }],
      ['both', { maxSessions: 5, maxPerEndpoint: 2 }],
    ] as const) {
      it(`never has more sessions than ${name} allows, and leaves nobody waiting while there is a place`, async () => {
        await using world = await open()
        const endpoints = await Promise.all([1, 2, 3].map(() => world.tcpEndpoint('say a, echo')))
        const listener = await world.listen({ endpoints, limits: limits(some) })
        const most = name === 'max-connections' ? 3 : name === 'both' ? 5 : 6
        const random = seededRandom(5)
        let running = 0
        let peak = 0
        await Promise.all(
          Array.from({ length: 40 * workers }, async () => {
            const client = await listener.connect()
            await client.receives('a')
            peak = Math.max(peak, ++running)
            await new Promise((resolve) => setTimeout(resolve, random.below(4)))
            running--
            if (random.below(2) === 0) client.close()
            else client.reset()
          }),
        )
        expect(peak).toBeLessThanOrEqual(most)
        await eventually(() => expect(world.engine.sessions()).toBe(0))
        expect(listener.ended('queue-timeout') + listener.ended('over-limit')).toBe(0)
        const kept = Array.from({ length: most + 2 }, () => listener.start())
        await eventually(() => expect(kept.filter(({ text }) => text === 'a').length).toBe(most))
        expect(listener.waiting).toBe(2)
        if (name !== 'max-connections') {
          for (const endpoint of endpoints) expect(listener.countAt(endpoint, 'active')).toBeLessThanOrEqual(2)
        }
      })
    }

    for (const leaves of ['close', 'reset'] as const) {
      it(`notices a client that waits and goes by a ${leaves}`, async () => {
        await using world = await open()
        const { listener, holder } = await fullHouse(world)
        const clients = await queueUp(listener, 3)
        for (const n of [0, 1]) clients[n]?.[leaves]()
        await eventually(() => expect(listener.waiting).toBe(1))
        holder.close()
        await clients[2]?.receives('a2')
        clients[2]?.close()
        const end = leaves === 'close' ? 'client-closed' : 'client-reset'
        expect((await listener.records(4)).filter(({ attempts }) => attempts === 0).map((record) => record.end)).toEqual([
          end,
          end,
        ])
      })
    }

    it('lets nobody wait longer than they may, nor more of them', async () => {
      await using world = await open()
      const { listener } = await fullHouse(world, { queueLength: 2 })
      const clients = await queueUp(listener, 2)
      const turnedAway = listener.start()
      expect(await turnedAway.ends()).toBe('reset')
      await eventually(() => expect(listener.ended('over-limit')).toBe(1))
      await listener.publish({ limits: limits({ maxSessions: 1, queueMs: SHORT_MS }) })
      for (const client of clients) expect(await client.ends()).toBe('reset')
      const late = (await listener.records(3)).filter(({ end }) => end === 'queue-timeout')
      expect(late.map(({ attempts, lease }) => [attempts, lease])).toEqual([
        [0, -1],
        [0, -1],
      ])
      for (const { startedAtMs, durationMs } of late) expect([startedAtMs > 0, durationMs >= SHORT_MS - 20]).toEqual([true, true])
    })

    it('turns clients away at once where nobody may wait', async () => {
      await using world = await open()
      const { listener } = await fullHouse(world, { queueLength: 0 })
      expect(await listener.start().ends()).toBe('reset')
      expect((await listener.record()).end).toBe('over-limit')
    })

    it('lets those who wait in when its limit is raised or lifted', async () => {
      await using world = await open()
      const { listener, holder } = await fullHouse(world)
      const clients = await queueUp(listener, 5)
      await listener.publish({ limits: limits({ maxSessions: 3 }) })
      await eventually(() => expect(clients.map(({ text }) => text).join()).toBe('a0,a1,,,'))
      await listener.publish({ limits: undefined })
      await Promise.all(clients.map((client, n) => client.receives(`a${n}`)))
      for (const client of [holder, ...clients]) client.close()
    })

    it('counts sessions that began before it had a limit', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('say a, echo')
      const listener = await world.listen({ endpoints: [endpoint] })
      const held = await Promise.all(Array.from({ length: 4 }, () => listener.connect()))
      for (const client of held) await client.receives('a')
      await listener.publish({ limits: limits({ maxSessions: 4 }) })
      const [next] = await queueUp(listener, 1)
      held[0]?.close()
      await next?.receives('a0')
      expect(listener.countAt(endpoint, 'active')).toBe(4)
    })

    it('ends those who wait when it goes, when they are cut, and when the engine does', async () => {
      await using world = await open()
      const { listener } = await fullHouse(world)
      const [gone] = await queueUp(listener, 1)
      await listener.publish({ endpoints: [] })
      expect(await gone?.ends()).toBe('reset')
      const other = await fullHouse(world)
      const [cut] = await queueUp(other.listener, 1)
      expect(await world.engine.cut({ listeners: [other.listener.spec.id] }, 'killed')).toBe(2)
      expect(await cut?.ends()).toBe('reset')
      const third = await fullHouse(world)
      await queueUp(third.listener, 2)
      await third.listener.close()
      await eventually(() => expect(third.listener.ended('no-endpoint')).toBe(2))
      const last = await fullHouse(world)
      await queueUp(last.listener, 2)
      await world.engine[Symbol.asyncDispose]()
      expect([listener.ended('no-endpoint'), other.listener.ended('killed'), last.listener.ended('killed')]).toEqual([1, 2, 3])
    })

    it('goes on serving those who wait while the engine drains', async () => {
      await using world = await open()
      const { listener, holder } = await fullHouse(world)
      const [client] = await queueUp(listener, 1)
      const drained = world.engine.drain()
      holder.close()
      await client?.receives('a0')
      client?.close()
      await drained
      await eventually(() => expect(listener.ended('client-closed')).toBe(2))
    })

    it('gives the place of an attempt that failed to the next, and lets the session try elsewhere', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('say a, echo')
      const listener = await world.listen({
        endpoints: [await world.refusingEndpoint(), endpoint],
        limits: limits({ maxPerEndpoint: 1 }),
      })
      const clients = new Set(Array.from({ length: 6 }, () => listener.start()))
      while (clients.size > 0) {
        const [served] = await eventually(() => {
          const served = [...clients].filter(({ text }) => text === 'a')
          expect(served.length).toBe(1)
          return served
        })
        clients.delete(served as TcpPeer)
        served?.reset()
      }
      await eventually(() => expect(listener.ended('client-reset')).toBe(6))
      expect(listener.count('attemptFailures')).toBeGreaterThan(0)
    })

    it('hears a PROXY header before a client waits', async () => {
      await using world = await open()
      const acceptProxy = { from: ['127.0.0.0/8'], withinMs: LONG_MS } as unknown as AcceptProxy
      const { listener, holder } = await fullHouse(world)
      await listener.publish({ acceptProxy })
      const client = await listener.connect()
      await client.send('PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nhello')
      await eventually(() => expect(listener.waiting).toBe(1))
      holder.close()
      await client.receives('ahello')
      client.close()
      expect((await listener.records(2))[1]).toMatchObject({ word3: 0xc0000201 })
    })

    it('drops datagrams of UDP clients above its limit, and counts them', async () => {
      await using world = await open()
      const endpoint = await world.udpEndpoint((datagram) => datagram)
      const listener = await world.listen({
        protocol: 'UDP',
        endpoints: [endpoint],
        udpIdleMs: SHORT_MS,
        limits: limits({ maxSessions: 2 }),
      })
      const clients = await Promise.all([1, 2, 3].map(() => listener.udpClient()))
      for (const client of clients.slice(0, 2)) await client.ask('x')
      clients[2]?.send('y')
      await eventually(() => expect(listener.ended('over-limit')).toBe(1))
      expect(endpoint.received.length).toBe(2)
      // A session that fell silent leaves its place.
      await eventually(() => expect(listener.ended('client-idle')).toBe(2))
      expect((await clients[2]?.askAgain('y'))?.toString()).toBe('y')
    })
  })

  describe('a Service without an endpoint that holds its clients', () => {
    it('forwards them, with what they said, when it has one', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: [], limits: limits({ holdMs: LONG_MS }) })
      const clients = await queueUp(listener, 6)
      await listener.publish({ endpoints: [await world.tcpEndpoint('say a, echo')], limits: undefined })
      await Promise.all(clients.map((client, n) => client.receives(`a${n}`)))
      expect(listener.waiting).toBe(0)
      for (const client of clients) client.close()
      await listener.records(6)
    })

    it('lets in no more than its limit allows then, in order, and the others wait on', async () => {
      await using world = await open()
      const some = limits({ holdMs: LONG_MS, maxSessions: 2 })
      const listener = await world.listen({ endpoints: [], limits: some })
      const clients = await queueUp(listener, 5)
      await listener.publish({ endpoints: [await world.tcpEndpoint('say a, echo')], limits: some })
      for (let n = 0; n < 4; n++) {
        await eventually(() => expect(clients.filter(({ text }) => text !== '').length).toBe(Math.min(n + 2, 5)))
        await clients[n]?.receives(`a${n}`)
        clients[n]?.close()
      }
      await clients[4]?.receives('a4')
    })

    it('refuses them when their time is over, and when it holds nobody any more', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: [], limits: limits({ holdMs: SHORT_MS }) })
      const early = listener.start()
      expect(await early.ends()).toBe('reset')
      await listener.publish({ limits: limits({ holdMs: LONG_MS }) })
      const [client] = await queueUp(listener, 1)
      await listener.publish({ limits: undefined })
      expect(await client?.ends()).toBe('reset')
      await eventually(() => expect(listener.ended('no-endpoint')).toBe(2))
    })

    it('drops the datagrams of UDP clients, which send again', async () => {
      await using world = await open()
      const some = limits({ holdMs: LONG_MS })
      const listener = await world.listen({ protocol: 'UDP', endpoints: [], limits: some })
      const client = await listener.udpClient()
      client.send('x')
      await eventually(() => expect(listener.ended('no-endpoint')).toBe(1))
      await listener.publish({ endpoints: [await world.udpEndpoint((datagram) => datagram)] })
      expect((await client.askAgain('y')).toString()).toBe('y')
    })
  })
}
