import { describe, expect, it } from 'vitest'
import { echoDatagram } from '../support/echo.ts'
import type { Cases } from './engine.cases.ts'

const SHORT_MS = 600
/** A tenth less, and what two clocks may differ by. */
const SHORTEST_MS = 0.9 * SHORT_MS - 5
const STEP_MS = 20

/** Sessions that may not last for ever, whatever they do. */
export function lifeCases({ open }: Cases): void {
  describe('a session that has lasted as long as it may', () => {
    it('is cut though bytes move, for both sides', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('echo')
      const listener = await world.listen({ endpoints: [endpoint], maxSessionMs: SHORT_MS })
      const client = await listener.connect()
      while (client.outcome === undefined && (await client.send('x'))) {
        await new Promise((resolve) => setTimeout(resolve, STEP_MS))
      }
      expect(await client.closes()).toBe('reset')
      expect(await (await endpoint.session()).closes()).toBe('reset')
      const record = await listener.record()
      expect(record).toMatchObject({ end: 'max-duration' })
      expect(record.durationMs).toBeGreaterThanOrEqual(SHORTEST_MS)
      expect(record.bytesFromEndpoint).toBeGreaterThan(0)
    })

    it('is cut though nobody says a word, or one side has closed', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('accept')], maxSessionMs: SHORT_MS })
      const [silent, half] = [await listener.connect(), (await listener.connect()).halfClose()]
      expect(await silent.closes()).toBe('reset')
      expect(await half.closes()).toBe('reset')
      expect((await listener.records(2)).map(({ end }) => end)).toEqual(['max-duration', 'max-duration'])
    })

    it('is not cut before its idle timeout is over, nor the other way round', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('accept')
      const listener = await world.listen({ endpoints: [endpoint], maxSessionMs: 600_000, idleMs: SHORT_MS })
      await (await listener.connect()).closes()
      expect(await listener.record()).toMatchObject({ end: 'client-idle' })
    })

    it('is cut if it has, by a limit that came later', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('echo')] })
      const client = await listener.connect()
      await client.send('x')
      await client.receives('x')
      await listener.publish({ maxSessionMs: SHORT_MS })
      expect(await client.closes()).toBe('reset')
      const record = await listener.record()
      expect(record).toMatchObject({ end: 'max-duration' })
      expect(record.durationMs).toBeGreaterThanOrEqual(SHORTEST_MS)
    })

    it('goes on if the limit was taken away before', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('echo')], maxSessionMs: SHORT_MS })
      const client = await listener.connect()
      await client.send('x')
      await client.receives('x')
      await listener.publish({ maxSessionMs: undefined })
      await new Promise((resolve) => setTimeout(resolve, 2 * SHORT_MS))
      await client.send('y')
      await client.receives('xy')
    })

    it('is cut, and begins anew with the next datagram, on UDP', async () => {
      await using world = await open()
      const endpoints = [await world.udpEndpoint(echoDatagram)]
      const listener = await world.listen({ protocol: 'UDP', endpoints, maxSessionMs: SHORT_MS })
      const client = await listener.udpClient()
      while (world.records().length === 0) {
        await client.askAgain('x')
        await new Promise((resolve) => setTimeout(resolve, STEP_MS))
      }
      const record = await listener.record()
      expect(record).toMatchObject({ end: 'max-duration' })
      expect(record.durationMs).toBeGreaterThanOrEqual(SHORTEST_MS)
      expect(record.datagramsFromEndpoint).toBeGreaterThan(1)
      await client.askAgain('x')
      expect(listener.count('sessions')).toBe(2)
    })
  })
}
