import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isIntact } from '../../src/listener/sctp/checksum.ts'
import { cutPacket } from '../../src/listener/sctp/cut-packet.ts'
import { Packet } from '../../src/listener/sctp/packet.ts'
import { chunk, sctpPacket } from '../support/sctp-packets.ts'

const chunks = fc.array(fc.record({ type: fc.nat(255), value: fc.uint8Array({ maxLength: 700 }) }), {
  minLength: 1,
  maxLength: 12,
})

function cut(bytes: Uint8Array, mostBytes: number): Uint8Array[] {
  const packet = new Packet(bytes)
  packet.end = bytes.length
  const into = new Packet(new Uint8Array(65_536))
  into.start = 64
  const parts: Uint8Array[] = []
  expect(cutPacket(packet, mostBytes, into, (part) => parts.push(part.bytes.slice(part.start, part.end)) > 0)).toBe(true)
  return parts
}

describe('a packet that is longer than the way carries', () => {
  it('is cut between its chunks: all of them, in order, each part a packet of its own that fits', () => {
    fc.assert(
      fc.property(chunks, fc.integer({ min: 100, max: 1_480 }), (list, mostBytes) => {
        const parts = list.map(({ type, value }) => chunk(type, 0, value))
        const bytes = sctpPacket(1, 2, 3, ...parts)
        const packets = cut(bytes, mostBytes)
        const longest = 12 + Math.max(...parts.map(({ length }) => length))
        expect(packets.flatMap((packet) => [...packet.subarray(12)])).toEqual([...bytes.subarray(12)])
        for (const packet of packets) {
          expect([...packet.subarray(0, 8)]).toEqual([...bytes.subarray(0, 8)])
          expect(isIntact(packet, 0, packet.length)).toBe(true)
          expect(packet.length).toBeLessThanOrEqual(Math.max(mostBytes, longest))
        }
        // None that would have fitted into the one before it.
        for (let n = 1; n < packets.length; n++) {
          const [before, next] = [packets[n - 1] as Uint8Array, packets[n] as Uint8Array]
          const first = (new DataView(next.buffer).getUint16(14) + 3) & ~3
          expect(before.length + first).toBeGreaterThan(mostBytes)
        }
      }),
    )
  })

  it('does not end a loop that it should', () => {
    expect(cut(sctpPacket(1, 2, 3, chunk(0, 0, new Uint8Array(9_000))), 1_400)).toHaveLength(1)
    const packet = new Packet(sctpPacket(1, 2, 3, chunk(0, 0, new Uint8Array(4), 0)))
    packet.end = packet.bytes.length
    expect(cutPacket(packet, 100, new Packet(new Uint8Array(100)), () => true)).toBe(false)
  })
})
