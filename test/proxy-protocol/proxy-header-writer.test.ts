import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HEADER_ROOM_BYTES } from '../../src/listener/proxy-header.ts'
import { ProxyHeaderParser } from '../../src/listener/proxy-header-parser.ts'
import { type HeaderFacts, writeProxyHeader } from '../../src/listener/proxy-header-writer.ts'
import type { Prelude } from '../../src/model/proxy-header.ts'
import { address, blockFor, blockOf, tlvOf } from '../support/proxy-header.ts'

const PLAIN: Prelude = {
  version: 2,
  uniqueIdPrefix: undefined,
  crc32c: false,
  receivedTlvs: false,
  customTlvs: new Uint8Array(0),
}
const FOUR = { client: address('192.168.0.1', 56324), local: address('192.168.0.11', 443) }
const SIX = { client: address('2001:db8::1', 56648), local: address('2001:db8::2', 443) }

function write(prelude: Partial<Prelude>, facts: Partial<HeaderFacts> = FOUR): Buffer {
  const into = Buffer.alloc(HEADER_ROOM_BYTES + 10, 0xaa)
  const wanted = { id: 17_592_186_044_417, receivedTlvs: undefined, ...FOUR, ...facts }
  const length = writeProxyHeader({ ...PLAIN, ...prelude }, wanted, into, 10)
  expect([into.subarray(0, 10), into.subarray(10 + length)].every((rest) => rest.every((byte) => byte === 0xaa))).toBe(true)
  return into.subarray(10, 10 + length)
}

describe('a PROXY header for an endpoint', () => {
  it('of version 1 is the line of the specification', () => {
    expect(`${write({ version: 1 })}`).toBe('PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n')
    expect(`${write({ version: 1 }, SIX)}`).toBe('PROXY TCP6 2001:db8::1 2001:db8::2 56648 443\r\n')
  })

  it('of version 2 is the block of the specification', () => {
    expect(write({})).toEqual(blockOf('21', '11', 'c0a80001 c0a8000b dc04 01bb'))
    expect(write({}, SIX)).toEqual(
      blockOf('21', '21', '20010db8000000000000000000000001 20010db8000000000000000000000002 dd48 01bb'),
    )
  })

  it('writes an IPv4 address beside one of IPv6 in its mapped form', () => {
    const mixed = { client: FOUR.client, local: SIX.local }
    expect(`${write({ version: 1 }, mixed)}`).toBe('PROXY TCP6 ::ffff:192.168.0.1 2001:db8::2 56324 443\r\n')
    expect(write({}, mixed)).toEqual(
      blockOf('21', '21', '00000000000000000000ffffc0a80001 20010db8000000000000000000000002 dc04 01bb'),
    )
  })

  it('names the session, and carries values of the application', () => {
    const tlvs = tlvOf(5, 'c0ffee00-17592186044417') + tlvOf(0xe0, 'default/web:/TCP')
    expect(write({ uniqueIdPrefix: 'c0ffee00-', customTlvs: Buffer.from(tlvOf(0xe0, 'default/web:/TCP'), 'hex') })).toEqual(
      blockFor('192.168.0.1', 56324, '192.168.0.11', 443, tlvs),
    )
  })

  it('ends with a checksum that a receiver finds right', () => {
    // Computed by another implementation, over the header with four zeros in its place.
    expect(write({ crc32c: true })).toEqual(blockFor('192.168.0.1', 56324, '192.168.0.11', 443, '030004 1c1ae9c6'))
  })

  it('passes received values on where that is wanted, but for those it sets itself', () => {
    const receivedTlvs = Buffer.from(tlvOf(5, 'theirs') + tlvOf(0xea, 'vpce-1') + tlvOf(0xe0, 'old'), 'hex')
    const facts = { ...FOUR, receivedTlvs }
    const tail = (header: Buffer) => header.subarray(28).toString('hex')
    expect(tail(write({}, facts))).toBe('')
    expect(tail(write({ receivedTlvs: true }, facts))).toBe(receivedTlvs.toString('hex'))
    const customTlvs = Buffer.from(tlvOf(0xe1, 'first') + tlvOf(0xe0, 'new'), 'hex')
    expect(tail(write({ receivedTlvs: true, uniqueIdPrefix: 'a-', customTlvs }, { ...facts, id: 1 }))).toBe(
      tlvOf(0xea, 'vpce-1') + tlvOf(5, 'a-1') + customTlvs.toString('hex'),
    )
  })

  it('is read again as it was meant, whatever it says', () => {
    const end = fc.tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 0, max: 65535 })).map((parts) => address(...parts))
    fc.assert(
      fc.property(end, end, fc.constantFrom(1, 2), fc.boolean(), fc.boolean(), (client, local, version, crc32c, id) => {
        const bytes = write({ version: version as 1 | 2, crc32c, uniqueIdPrefix: id ? 'x-' : undefined }, { client, local })
        const parser = new ProxyHeaderParser()
        expect(parser.parse(bytes, 0, bytes.length)).toBe(bytes.length)
        expect({ client: parser.client, local: parser.local }).toEqual({ client, local })
      }),
    )
  })
})
