import { describe, expect, it } from 'vitest'
import { type Random, seededRandom } from '../../src/lib/random.ts'
import { LONGEST_HEADER_BYTES } from '../../src/listener/proxy-header.ts'
import { ProxyHeaderParser } from '../../src/listener/proxy-header-parser.ts'
import type { Cidr, Ip } from '../../src/model/keys.ts'
import type { AcceptProxy, Prelude } from '../../src/model/proxy-header.ts'
import { eventually } from '../support/eventually.ts'
import { blockFor, tlvOf } from '../support/proxy-header.ts'
import { patternAt, Tally } from '../support/tally.ts'
import { connectTcp } from '../support/tcp-client.ts'
import type { Cases } from './engine.cases.ts'

export const LINE_PRELUDE: Prelude = {
  version: 1,
  uniqueIdPrefix: undefined,
  crc32c: false,
  receivedTlvs: false,
  customTlvs: new Uint8Array(0),
}
const acceptProxy: AcceptProxy = { from: ['127.0.0.0/8' as Cidr], withinMs: 600_000 }
const LINE = 'PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n'
const SEEDS = 60

/** A header of either version and something behind it, of which a few bytes are others, or missing, or all the end. */
function damaged(random: Random): Buffer {
  const tlvs = tlvOf(0xea, 'x'.repeat(random.below(300)))
  const [line, block] = [Buffer.from(LINE), blockFor('192.0.2.9', 7, '198.51.100.7', 443, tlvs)]
  const header = Buffer.from(random.below(2) === 0 ? line : block)
  for (let n = random.below(3); n > 0; n--) header[random.below(header.length)] = random.below(256)
  const whole = Buffer.concat([header, patternAt(0, random.below(3) * random.below(20_000))])
  return random.below(4) === 0 ? whole.subarray(0, random.below(header.length + 1)) : whole
}

/** PROXY headers on their way in and out, as far as it is the engine that sees to them. */
export function proxyCases({ open, itCan }: Cases): void {
  describe('a PROXY header', () => {
    it('tells the address that the client connected to, where the listener has them all', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('echo')
      const { port } = world.freeAddress()
      await world.listen({ endpoints: [endpoint], prelude: LINE_PRELUDE, at: { ip: '0.0.0.0' as Ip, port } })
      for (const ip of ['127.78.9.1', '127.78.9.2']) {
        const client = await world.keep(connectTcp({ ip: ip as Ip, port }))
        await client.send('hello')
        await client.receives('hello')
        expect(client.text).toBe(`PROXY TCP4 127.0.0.1 ${ip} ${client.localPort} ${port}\r\nhello`)
        client.halfClose()
        await client.closes()
      }
    })

    it('that has not come yet holds nothing up: its client can be cut, and its Service change', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('echo')
      const listener = await world.listen({ endpoints: [endpoint], acceptProxy })
      const [cut, kept] = [await listener.connect(), await listener.connect()]
      await cut.send('PROXY ')
      await eventually(() => expect(world.engine.sessions()).toBe(2))
      expect(listener.count('active')).toBe(2)
      await listener.publish({ idleMs: 1000, halfCloseMs: 1000 })
      await listener.publish({ acceptProxy: undefined })
      await kept.send(`${LINE}hello`)
      await kept.receives('hello')
      expect(await world.engine.cut({ listeners: [listener.spec.id] }, 'killed')).toBe(2)
      expect([await cut.ends(), await kept.ends()]).toEqual(['reset', 'reset'])
      const records = await listener.records(2)
      expect(records.map(({ end, attempts }) => [end, attempts]).sort()).toEqual([
        ['killed', 0],
        ['killed', 1],
      ])
    })

    it('is waited for while the process drains', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('echo')], acceptProxy })
      const client = await listener.connect()
      await client.send('PROXY ')
      await eventually(() => expect(world.engine.sessions()).toBe(1))
      const drained = world.engine.drain()
      await client.send(`${LINE.slice('PROXY '.length)}hello`)
      await client.receives('hello')
      client.halfClose()
      expect(await client.closes()).toBe('end')
      await drained
      expect(await listener.record()).toMatchObject({ end: 'client-closed', word3: 0xc0000201, port: 56324 })
    })

    itCan('transparent-source', 'names the client that the endpoint sees, if that is of its family', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('say a, shut')
      const listener = await world.listen({ endpoints: [endpoint], acceptProxy, transparent: true })
      for (const line of ['TCP4 127.0.66.9 198.51.100.7 1 2', 'TCP6 2001:db8::1 2001:db8::2 1 2', 'UNKNOWN']) {
        const client = await listener.connect('127.0.66.1')
        await client.send(`PROXY ${line}\r\n`)
        expect(await client.ends()).toBe('end')
        expect(client.text).toBe('a')
        client.halfClose()
      }
      expect(endpoint.sessions.map(({ remoteIp }) => remoteIp)).toEqual(['127.0.66.9', '127.0.0.1', '127.0.66.1'])
    })

    it('may come in any pieces with anything behind it, and is passed on in front of the very same', async () => {
      await using world = await open()
      const prelude: Prelude = { ...LINE_PRELUDE, version: 2, receivedTlvs: true }
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('echo')], acceptProxy, prelude })
      const headerBytes: Record<number, number> = {}
      await Promise.all(
        Array.from({ length: SEEDS }, async (_, seed) => {
          const random = seededRandom(seed)
          const header = blockFor(`192.0.2.${seed}`, seed, '198.51.100.7', 443, tlvOf(0xea, 'x'.repeat(random.below(500))))
          headerBytes[seed] = header.length
          const payload = patternAt(0, random.below(3) === 0 ? random.below(200_000) : random.below(100))
          const bytes = Buffer.concat([header, payload])
          const client = await listener.connect()
          const pieces = Array.from({ length: random.below(12) }, () => random.below(header.length + 20)).sort((a, b) => a - b)
          let done = 0
          for (const end of [...pieces, bytes.length]) {
            if (end > done) await client.send(bytes.subarray(done, end))
            done = Math.max(done, end)
            if (random.below(2) === 0) await new Promise((resolve) => setTimeout(resolve, random.below(3)))
          }
          client.halfClose()
          expect(await client.closes()).toBe('end')
          const expected = new Tally()
          expected.add(bytes)
          expect([client.received.bytes, client.received.sha256]).toEqual([expected.bytes, expected.sha256])
        }),
      )
      const records = await listener.records(SEEDS)
      expect(new Set(records.map(({ word3 }) => word3)).size).toBe(SEEDS)
      for (const { end, bytesFromClient, bytesFromEndpoint, port } of records) {
        // The echo is longer by the header that we sent.
        expect([end, bytesFromClient]).toEqual(['client-closed', bytesFromEndpoint - (headerBytes[port] ?? 0)])
      }
    })

    it('that is damaged anywhere, cut short, or comes in any pieces, is judged as a whole', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('echo')], acceptProxy })
      const expected: Record<string, number> = {}
      await Promise.all(
        Array.from({ length: 2 * SEEDS }, async (_, seed) => {
          const random = seededRandom(seed)
          const bytes = damaged(random)
          const length = new ProxyHeaderParser().parse(bytes, 0, Math.min(bytes.length, LONGEST_HEADER_BYTES))
          const end = bytes.length === 0 || length > 0 ? 'client-closed' : 'bad-header'
          expected[end] = (expected[end] ?? 0) + 1
          const client = await listener.connect()
          for (let done = 0; done < bytes.length; ) {
            const more = 1 + random.below(random.below(4) === 0 ? bytes.length : 40)
            // One that is turned away may see that before it has said everything.
            if (!(await client.send(bytes.subarray(done, done + more)).catch(() => false))) break
            done += more
            if (random.below(3) === 0) await new Promise((resolve) => setTimeout(resolve, random.below(3)))
          }
          client.halfClose()
          expect(`${seed} ${await client.closes()}`).toBe(`${seed} ${end === 'bad-header' ? 'reset' : 'end'}`)
          const heard = new Tally()
          if (length > 0) heard.add(bytes.subarray(length))
          expect([seed, client.received.bytes, client.received.sha256]).toEqual([seed, heard.bytes, heard.sha256])
        }),
      )
      const counted: Record<string, number> = {}
      for (const { end } of await listener.records(2 * SEEDS)) counted[end] = (counted[end] ?? 0) + 1
      expect(counted).toEqual(expected)
      expect(listener.count('active')).toBe(0)
    })
  })
}
