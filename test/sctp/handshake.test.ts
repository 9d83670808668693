import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { initiateTag, stripAddresses } from '../../src/listener/sctp/handshake.ts'
import { Packet } from '../../src/listener/sctp/packet.ts'
import { chunk, init, initAck, join, parameter, sctpPacket } from '../support/sctp-packets.ts'

const ADDRESSES = [5, 6, 11, 0xc004]

function packetOf(bytes: Uint8Array, room = 16): Packet {
  const around = new Uint8Array(bytes.length + room).fill(0xee)
  around.set(bytes)
  const packet = new Packet(around)
  packet.end = bytes.length
  return packet
}

const kept = fc.record({
  type: fc.nat(0xffff).filter((type) => !ADDRESSES.includes(type) && type !== 0x8008),
  value: fc.uint8Array({ maxLength: 40 }),
})
const dropped = fc.record({ type: fc.constantFrom(...ADDRESSES), value: fc.uint8Array({ maxLength: 40 }) })
const parameters = fc.array(fc.oneof(kept, dropped), { maxLength: 12 })

/** An INIT as it is sent: the padding of the last parameter is not in its chunk's length. */
function initOf(list: readonly { readonly type: number; readonly value: Uint8Array }[]): Uint8Array {
  const bytes = sctpPacket(1, 2, 0, init(7, ...list.map(({ type, value }) => parameter(type, value))))
  const padding = list.length === 0 ? 0 : -(list.at(-1)?.value.length ?? 0) & 3
  new DataView(bytes.buffer).setUint16(14, bytes.length - 12 - padding)
  return bytes
}

describe('the handshake of SCTP', () => {
  it('keeps every parameter that names no address, in order, and nothing else', () => {
    fc.assert(
      fc.property(parameters, (list) => {
        const packet = packetOf(initOf(list))
        expect(initiateTag(packet)).toBe(7)
        const end = stripAddresses(packet)
        const expected = initOf(list.filter(({ type }) => !ADDRESSES.includes(type)))
        expect(packet.bytes.subarray(12, end)).toEqual(expected.subarray(12))
      }),
      { numRuns: 500 },
    )
  })

  it('takes what it has stripped for what it is, and strips nothing more', () => {
    fc.assert(
      fc.property(parameters, (list) => {
        const packet = packetOf(initOf(list))
        packet.end = stripAddresses(packet)
        const once = packet.bytes.slice(0, packet.end)
        expect(initiateTag(packet)).toBe(7)
        expect(stripAddresses(packet)).toBe(once.length)
        expect(packet.bytes.subarray(0, once.length)).toEqual(once)
      }),
    )
  })

  it('touches nothing behind the packet, whatever is in it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(255), (body, length) => {
        const packet = packetOf(sctpPacket(1, 2, 0, chunk(1, 0, body, length)))
        const { end } = packet
        if (initiateTag(packet) !== 0) expect(stripAddresses(packet)).toBeLessThanOrEqual(end)
        expect([...packet.bytes.subarray(end)]).toEqual(Array(16).fill(0xee))
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([
    ['no initiate tag', sctpPacket(1, 2, 0, init(0))],
    ['a verification tag', sctpPacket(1, 2, 9, init(7))],
    ['no streams', sctpPacket(1, 2, 0, chunk(1, 0, join(Uint8Array.of(0, 0, 0, 7, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1))))],
    ['a company', sctpPacket(1, 2, 0, init(7), chunk(3))],
    ['a length that is too short', sctpPacket(1, 2, 0, chunk(1, 0, new Uint8Array(16), 4))],
    ['a length that is too long', sctpPacket(1, 2, 0, chunk(1, 0, new Uint8Array(16), 24))],
    ['an end before its beginning', sctpPacket(1, 2, 0, chunk(1))],
  ])('does not take an INIT with %s', (_, bytes) => {
    expect(initiateTag(packetOf(bytes))).toBe(0)
  })

  it('takes an INIT ACK under the tag of whom it answers', () => {
    expect(initiateTag(packetOf(sctpPacket(1, 2, 9, initAck(8))))).toBe(8)
  })

  it.each([
    ['of length 0', parameter(0x8009, new Uint8Array(4), 0)],
    ['of length 3', parameter(0x8009, new Uint8Array(4), 3)],
    ['that is longer than what is left', parameter(0xc000, new Uint8Array(4), 40)],
  ])('does not take a parameter %s', (_, wrong) => {
    const packet = packetOf(sctpPacket(1, 2, 0, init(7, parameter(0xc000), wrong)))
    expect(initiateTag(packet)).toBe(7)
    expect(stripAddresses(packet)).toBe(-1)
  })
})
