import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import type { Engine, RunningSession, SessionQuery } from '../../src/listener/listener.ts'
import { fillClientAddress } from '../../src/model/address.ts'
import type { Cidr } from '../../src/model/keys.ts'
import { eventually } from '../support/eventually.ts'
import type { Cases } from './engine.cases.ts'

const MANY = 1_000

async function list(engine: Engine, query: SessionQuery = {}): Promise<readonly RunningSession[]> {
  return (await engine.list(query, MANY)).sessions
}

function clientOf(ip: string, port: number): object {
  const client = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  fillClientAddress(ip, port, client)
  // Words are compared as numbers without a sign, whichever way an engine keeps them.
  return unsigned(client)
}

function unsigned({ word0, word1, word2, word3, port }: RunningSession['client']): object {
  return { word0: word0 >>> 0, word1: word1 >>> 0, word2: word2 >>> 0, word3: word3 >>> 0, port }
}

/** What an engine tells of sessions while they run. */
export function listCases({ open, workers }: Cases): void {
  describe('the list of running sessions', () => {
    it('tells of a TCP session what its record will tell, and that nothing more of it when it has ended', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('say hello, read 4, say more, read end, shut')
      const listener = await world.listen({ endpoints: [endpoint] })
      const before = systemClock.now()
      const client = await listener.connect()
      client.send('abcd')
      await client.receives('hellomore')
      const [session] = await eventually(async () => {
        const sessions = await list(world.engine)
        expect(sessions.map(({ bytesFromClient, bytesFromEndpoint }) => [bytesFromClient, bytesFromEndpoint])).toEqual([[4, 9]])
        return sessions as [RunningSession]
      })
      expect(session).toMatchObject({
        protocol: 'TCP',
        state: 'open',
        listener: listener.spec.id,
        lease: listener.lease(endpoint),
        attempts: 1,
        datagramsFromClient: 0,
      })
      expect(unsigned(session.client)).toEqual(clientOf('127.0.0.1', client.localPort))
      expect(session.worker).toBeLessThan(workers)
      expect(session.startedMs).toBeGreaterThanOrEqual(before - 1_000)
      expect(session.lastMs).toBeGreaterThanOrEqual(session.startedMs)
      client.halfClose()
      const record = await listener.record()
      expect(record.id).toBe(session.id)
      expect(await list(world.engine)).toEqual([])
    })

    it('tells of a session that looks for an endpoint, and of one that is ending', async () => {
      await using world = await open()
      const lost = await world.listen({ endpoints: [await world.blackHole()] })
      const ending = await world.listen({ endpoints: [await world.tcpEndpoint('say a, shut, read end')] })
      lost.start()
      const client = await ending.connect()
      await client.ends()
      await eventually(async () => {
        const states = (await list(world.engine)).map(({ listener, state }) => [listener, state])
        expect(states.sort()).toEqual([
          [lost.spec.id, 'connecting'],
          [ending.spec.id, 'closing'],
        ])
      })
    })

    it('tells of a UDP session with its datagrams', async () => {
      await using world = await open()
      const endpoint = await world.udpEndpoint((datagram) => datagram)
      const listener = await world.listen({ protocol: 'UDP', endpoints: [endpoint] })
      const client = await listener.udpClient()
      await client.ask('hello')
      const [session] = (await list(world.engine, { protocol: 'UDP' })) as [RunningSession]
      expect(session).toMatchObject({
        protocol: 'UDP',
        state: 'open',
        lease: listener.lease(endpoint),
        bytesFromClient: 5,
        bytesFromEndpoint: 5,
        datagramsFromClient: 1,
        datagramsFromEndpoint: 1,
      })
      expect(unsigned(session.client)).toEqual(clientOf('127.0.0.1', client.port))
      expect(await list(world.engine, { protocol: 'TCP' })).toEqual([])
    })

    it('can be asked for some of them', async () => {
      await using world = await open()
      const endpoints = [
        await world.tcpEndpoint('say abc, read end, shut'),
        await world.tcpEndpoint('say defghi, read end, shut'),
      ]
      const [first, other] = [await world.listen({ endpoints }), await world.listen({ endpoints: [endpoints[0] as never] })]
      const clients = [await first.connect('127.0.0.8'), await first.connect('127.0.0.9'), await other.connect('127.0.0.9')]
      for (const client of clients) await eventually(() => expect(client.text).not.toBe(''))
      const all = await eventually(async () => {
        const sessions = await list(world.engine)
        expect(sessions.filter(({ bytesFromEndpoint }) => bytesFromEndpoint > 0)).toHaveLength(3)
        return sessions
      })
      const ports = async (query: SessionQuery) => (await list(world.engine, query)).map(({ client }) => client.port).sort()
      const where = (test: (session: RunningSession) => boolean) =>
        all
          .filter(test)
          .map(({ client }) => client.port)
          .sort()
      const lease = first.lease(endpoints[1] as never)
      expect(await ports({ listeners: [first.spec.id] })).toEqual(where(({ listener }) => listener === first.spec.id))
      expect(await ports({ leases: [lease] })).toEqual(where((session) => session.lease === lease))
      expect(await ports({ clients: ['127.0.0.9/32' as Cidr] })).toEqual(
        clients
          .slice(1)
          .map(({ localPort }) => localPort)
          .sort(),
      )
      expect(await ports({ leastBytes: 6 })).toEqual(where(({ bytesFromEndpoint }) => bytesFromEndpoint === 6))
      const newest = Math.max(...all.map(({ startedMs }) => startedMs))
      expect(await ports({ startedBeforeMs: newest })).toEqual(where(({ startedMs }) => startedMs < newest))
      const quietest = Math.max(...all.map(({ lastMs }) => lastMs))
      expect(await ports({ quietSinceMs: quietest })).toEqual(where(({ lastMs }) => lastMs < quietest))
      const [one] = all as [RunningSession]
      expect(await ports({ ids: new Set([one.id]) })).toEqual([one.client.port])
      expect(await ports({ listeners: [other.spec.id], leases: [lease] })).toEqual([])
      expect(await world.engine.list({}, 2)).toMatchObject({ sessions: { length: 2 }, matched: 3 })
    })

    it('names sessions so that they, and no other, can be ended', async () => {
      await using world = await open()
      const tcp = await world.listen({ endpoints: [await world.tcpEndpoint('say a, read end, shut')] })
      const udp = await world.listen({ protocol: 'UDP', endpoints: [await world.udpEndpoint((datagram) => datagram)] })
      const clients = [await tcp.connect(), await tcp.connect()]
      for (const client of clients) await client.receives('a')
      await (await udp.udpClient()).ask('hello')
      const sessions = await list(world.engine)
      expect(sessions).toHaveLength(3)
      const chosen = sessions.filter(({ protocol, client }) => protocol === 'UDP' || client.port === clients[0]?.localPort)
      expect(await world.engine.cut({ ids: new Set(chosen.map(({ id }) => id)) }, 'killed')).toBe(2)
      await eventually(async () => {
        expect((await list(world.engine)).map(({ client }) => client.port)).toEqual([clients[1]?.localPort])
      })
      expect((await tcp.record()).end).toBe('killed')
      expect((await udp.record()).end).toBe('killed')
      expect(await world.engine.cut({ ids: new Set(chosen.map(({ id }) => id)) }, 'killed')).toBe(0)
    })
  })
}
