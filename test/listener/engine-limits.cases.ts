import { describe, expect, it } from 'vitest'
import { takeDescriptors } from '../support/descriptors.ts'
import { eventually } from '../support/eventually.ts'
import { steady } from '../support/steady.ts'
import type { Cases } from './engine.cases.ts'

/** Few enough that a test reaches the limit. */
const DESCRIPTORS = 16

/** Long enough for the engine to run into the limit. */
function soon(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50))
}

/** What happens when there are more clients than room. */
export function limitCases({ open, can, workers, itCan }: Cases): void {
  describe('the limit of descriptors', () => {
    const clients = 20 * workers

    it('is never passed, and makes room again', async () => {
      await using world = await open({ descriptors: DESCRIPTORS })
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('say a, read end, shut')] })
      for (let round = 0; round < 3; round++) {
        const crowd = Array.from({ length: clients }, () => listener.start())
        await eventually(() => expect(crowd.filter(({ text }) => text === 'a').length).toBeGreaterThanOrEqual(workers))
        expect(world.engine.sessions()).toBeLessThanOrEqual((workers * DESCRIPTORS) / 2)
        for (const client of crowd) client.close()
        await eventually(() => expect(world.engine.sessions()).toBe(0))
        expect(listener.count('active')).toBe(0)
      }
      const client = await listener.connect()
      await client.receives('a')
    })

    const pauses = can.has('pause-accept') ? ' (skipped: this engine lets them wait instead)' : ''
    it.skipIf(can.has('pause-accept'))(`turns away who comes above it with a reset, and counts it${pauses}`, async () => {
      await using world = await open({ descriptors: DESCRIPTORS })
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('say a, read end, shut')] })
      const crowd = Array.from({ length: clients }, () => listener.start())
      await eventually(() => expect(crowd.filter(({ text, outcome }) => text === 'a' || outcome).length).toBe(clients))
      const served = crowd.filter(({ text }) => text === 'a')
      const turnedAway = crowd.filter(({ outcome }) => outcome === 'reset')
      expect([served.length, turnedAway.length]).toEqual([DESCRIPTORS / 2, clients - DESCRIPTORS / 2])
      const records = await listener.records(turnedAway.length)
      expect(records.every(({ end, attempts, lease }) => end === 'over-limit' && attempts === 0 && lease === -1)).toBe(true)
      expect(listener.ended('over-limit')).toBe(turnedAway.length)
    })

    itCan('pause-accept', 'makes clients wait, and loses none', async () => {
      await using world = await open({ descriptors: DESCRIPTORS })
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('say a, read end, shut')] })
      const crowd = Array.from({ length: clients }, () => listener.start())
      expect(await steady(() => crowd.filter(({ text }) => text === 'a').length)).toBeLessThan(clients)
      await Promise.all(
        crowd.map(async (client) => {
          await client.receives('a')
          client.close()
        }),
      )
      expect(listener.ended('over-limit')).toBe(0)
    })

    it('is survived even where the whole process has reached it, whatever was about to be opened', async () => {
      await using world = await open()
      const tcp = await world.listen({ endpoints: [await world.tcpEndpoint('say a, read end, shut')] })
      const udp = await world.listen({ protocol: 'UDP', endpoints: [await world.udpEndpoint((datagram) => datagram)] })
      const datagrams = await Promise.all(Array.from({ length: 5 }, () => udp.udpClient()))
      // A session takes four here: the client's socket, both of the engine, and the endpoint's.
      for (let left = 0; left < 5; left++) {
        const taken = takeDescriptors(left)
        const client = tcp.start()
        datagrams[left]?.send('hello')
        await soon()
        taken[Symbol.dispose]()
        await eventually(() => expect(client.text === 'a' || client.outcome !== undefined).toBe(true))
        client.reset()
        const next = await tcp.connect()
        await next.receives('a')
        next.reset()
        expect((await datagrams[left]?.askAgain('hello'))?.toString()).toBe('hello')
      }
    })

    it('is shared out so that UDP clients never take the room of TCP', async () => {
      await using world = await open({ descriptors: DESCRIPTORS })
      const udp = await world.listen({ protocol: 'UDP', endpoints: [await world.udpEndpoint((datagram) => datagram)] })
      const tcp = await world.listen({ endpoints: [await world.tcpEndpoint('say a, shut')] })
      const crowd = await Promise.all(Array.from({ length: clients }, () => udp.udpClient()))
      for (const client of crowd) await client.askAgain('hello')
      expect(await tcp.ask()).toBe('a')
    })

    it('lets a new UDP client in and the one that was quiet for longest go', async () => {
      await using world = await open({ descriptors: DESCRIPTORS })
      const udp = await world.listen({ protocol: 'UDP', endpoints: [await world.udpEndpoint((datagram) => datagram)] })
      const first = await udp.udpClient()
      await first.ask('hello')
      const crowd = await Promise.all(Array.from({ length: clients }, () => udp.udpClient()))
      for (const client of crowd) await client.ask('hello')
      const evicted = (await udp.records(clients + 1 - (workers * DESCRIPTORS) / 2)).filter(({ end }) => end === 'over-limit')
      expect(evicted.length).toBe(udp.count('udpEvictions'))
      expect(world.engine.sessions()).toBeLessThanOrEqual((workers * DESCRIPTORS) / 2)
      const order = [first, ...crowd].map(({ port }) => port)
      const turns = evicted.map(({ port }) => order.indexOf(port))
      if (workers === 1) expect(turns).toEqual(turns.map((_, index) => index))
      expect(turns).toContain(0)
      expect((await first.ask('again')).toString()).toBe('again')
    })
  })
}
