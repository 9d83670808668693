import { describe, expect, it } from 'vitest'
import { openDescriptors } from '../support/descriptors.ts'
import { eventually } from '../support/eventually.ts'
import { steady } from '../support/steady.ts'
import { patternSha256 } from '../support/tally.ts'
import type { Cases } from './engine.cases.ts'

const MIB = 2 ** 20
/** What the system and the engine may hold on the way between two sides, at the very most. */
const MOST_ON_THE_WAY = 20 * MIB
const FAR_MORE = 96 * MIB

/** A small part of the shortest timeout that matters. */
function aMoment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20))
}

/** Bytes both ways, and how either side closes. */
export function tcpCases({ open }: Cases): void {
  describe('a TCP session', () => {
    it('carries bytes both ways and is counted and recorded', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('echo')
      const listener = await world.listen({ endpoints: [endpoint] })
      const client = await listener.connect()
      await client.send('hello')
      await client.receives('hello')
      expect(world.engine.sessions()).toBe(1)
      expect([listener.count('active'), listener.countAt(endpoint, 'active')]).toEqual([1, 1])
      client.halfClose()
      expect(await client.closes()).toBe('end')
      const record = await listener.record()
      expect(record).toMatchObject({
        end: 'client-closed',
        attempts: 1,
        lease: listener.lease(endpoint),
        bytesFromClient: 5,
        bytesFromEndpoint: 5,
        datagramsFromClient: 0,
        word2: 0xffff,
        word3: 0x7f000001,
        port: client.localPort,
      })
      expect(record.connectMs).toBeGreaterThanOrEqual(0)
      expect(record.durationMs).toBeGreaterThanOrEqual(record.connectMs)
      expect([listener.count('sessions'), listener.count('active'), listener.ended('client-closed')]).toEqual([1, 0, 1])
      expect([listener.count('bytesFromClient'), listener.countAt(endpoint, 'bytesFromEndpoint')]).toEqual([5, 5])
      expect([listener.countAt(endpoint, 'sessions'), listener.countAt(endpoint, 'active')]).toEqual([1, 0])
    })

    it('carries 10 MiB each way at once to a slow reader, every byte in its place', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('echo')] })
      const client = await listener.connect()
      client.readSlowly()
      await client.sendPattern(10 * MIB)
      client.halfClose()
      expect(await client.closes()).toBe('end')
      expect(client.received.sha256).toBe(patternSha256(10 * MIB))
      expect(await listener.record()).toMatchObject({ bytesFromClient: 10 * MIB, bytesFromEndpoint: 10 * MIB })
    })

    it('takes no more from an endpoint than a client that does not read leaves room for', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint(`send ${FAR_MORE / MIB}M, shut`)
      const listener = await world.listen({ endpoints: [endpoint] })
      const client = await listener.connect()
      client.pause()
      const source = await endpoint.session()
      expect(await steady(() => source.sent)).toBeLessThan(MOST_ON_THE_WAY)
      expect(await client.resume().ends()).toBe('end')
      client.halfClose()
      expect(client.received.sha256).toBe(patternSha256(FAR_MORE))
    })

    it('takes no more from a client than an endpoint that does not read leaves room for', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('pause, read end, shut')
      const listener = await world.listen({ endpoints: [endpoint] })
      const client = await listener.connect()
      const sending = client.sendPattern(FAR_MORE)
      expect(await steady(() => client.sent)).toBeLessThan(MOST_ON_THE_WAY)
      const sink = await endpoint.session()
      sink.resume()
      await sending
      client.halfClose()
      expect(await client.closes()).toBe('end')
      expect(sink.received.sha256).toBe(patternSha256(FAR_MORE))
    })

    it('delivers what a client sends at once, before an endpoint is connected', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('echo')] })
      const client = listener.start()
      await client.send('early')
      client.halfClose()
      expect(await client.closes()).toBe('end')
      expect(client.text).toBe('early')
    })

    it('gives the whole answer to a client that closed its half before', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('read end, send 1M, shut')
      const listener = await world.listen({ endpoints: [endpoint] })
      const client = await listener.connect()
      await client.send('question')
      client.halfClose()
      expect(await client.closes()).toBe('end')
      expect((await endpoint.session()).text).toBe('question')
      expect(client.received.sha256).toBe(patternSha256(MIB))
      expect(await listener.record()).toMatchObject({ end: 'client-closed', bytesFromClient: 8, bytesFromEndpoint: MIB })
    })

    it('delivers what a client sends after the endpoint closed its half', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('say hello, shut, read end')
      const listener = await world.listen({ endpoints: [endpoint] })
      const client = await listener.connect()
      expect(await client.ends()).toBe('end')
      await client.sendPattern(MIB)
      client.halfClose()
      const session = await endpoint.session()
      expect(await session.closes()).toBe('end')
      expect(session.received.sha256).toBe(patternSha256(MIB))
      expect(await listener.record()).toMatchObject({ end: 'endpoint-closed', bytesFromClient: MIB, bytesFromEndpoint: 5 })
    })

    it('goes on for as long as there is traffic, however short its idle timeout', async () => {
      await using world = await open()
      const idleMs = 1_000
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('echo')], idleMs })
      const client = await listener.connect()
      const until = performance.now() + 2.5 * idleMs
      for (let sent = 1; performance.now() < until; sent++) {
        await client.send('x')
        await client.receives(sent)
        await aMoment()
      }
      client.halfClose()
      expect(await client.closes()).toBe('end')
      expect(await listener.record()).toMatchObject({ end: 'client-closed' })
    })

    it('leaves no descriptor behind after thousands of others', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: await world.namedEndpoints(3) })
      await listener.ask()
      await eventually(() => expect(world.engine.sessions()).toBe(0))
      const before = openDescriptors()
      const answers: string[] = []
      for (let batch = 0; batch < 20; batch++) {
        answers.push(...(await Promise.all(Array.from({ length: 100 }, () => listener.ask()))))
      }
      await eventually(() => {
        expect(world.engine.sessions()).toBe(0)
        expect(openDescriptors()).toBeLessThanOrEqual(before)
      })
      expect(['a', 'b', 'c'].map((name) => Math.round(answers.filter((answer) => answer === name).length / 100))).toEqual([
        7, 7, 7,
      ])
      expect((await listener.records(2_001)).length).toBe(2_001)
    })
  })
}
