import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crc32c } from '../../src/lib/crc32c.ts'
import { LONGEST_HEADER_BYTES } from '../../src/listener/proxy-header.ts'
import { INCOMPLETE, MALFORMED, ProxyHeaderParser } from '../../src/listener/proxy-header-parser.ts'
import { showWords } from '../../src/model/address.ts'
import { blockFor, blockOf, tlvOf } from '../support/proxy-header.ts'

const SIX = '20010db8000000000000000000000001 20010db8000000000000000000000002 dd48 01bb'

/** What is made of bytes: from whom to whom, and how many bytes that was; or why not. */
function read(bytes: string | Uint8Array) {
  const parser = new ProxyHeaderParser()
  const buffer = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
  const length = parser.parse(buffer, 0, buffer.length)
  if (length === INCOMPLETE) return 'incomplete'
  if (length === MALFORMED) return 'malformed'
  const { known, client, local } = parser
  const show = (address: typeof client) => `${showWords(address)} ${address.port}`
  return `${length}: ${known ? `${show(client)} > ${show(local)}` : 'unknown'}`
}

describe('a PROXY header of version 1', () => {
  it.each([
    ['PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n', '47: 192.168.0.1 56324 > 192.168.0.11 443'],
    ['PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n', '56: 255.255.255.255 65535 > 255.255.255.255 65535'],
    ['PROXY TCP4 192.0.2.1 192.0.2.2 0 0\r\n', '36: 192.0.2.1 0 > 192.0.2.2 0'],
    ['PROXY TCP6 2001:db8::1 2001:DB8::2 1 2\r\n', '40: 2001:db8::1 1 > 2001:db8::2 2'],
    ['PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n', '37: 192.0.2.1 1 > ::1 2'],
    ['PROXY UNKNOWN\r\n', '15: unknown'],
    ['PROXY UNKNOWN what ever\r\n', '25: unknown'],
    [
      `PROXY TCP6 ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`,
      '104: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 > ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535',
    ],
    [`PROXY UNKNOWN ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`, '107: unknown'],
  ])('%j is understood', (line, expected) => {
    expect(read(line)).toBe(expected)
    expect(read(`${line}GET / HTTP/1.1\r\n`)).toBe(expected)
  })

  it.each([
    ['lower case', 'proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n'],
    ['another protocol', 'GET / HTTP/1.1\r\n'],
    ['TLS', '\x16\x03\x01\x02\x00'],
    ['a line feed alone', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n'],
    ['a carriage return alone', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rx'],
    ['no family', 'PROXY \r\n'],
    ['a family that is none', 'PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n'],
    ['a family that begins as one', 'PROXY UNKNOWNS\r\n'],
    ['IPv6 for IPv4', 'PROXY TCP4 ::1 ::1 1 2\r\n'],
    ['IPv4 for IPv6', 'PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n'],
    ['a leading zero in an address', 'PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n'],
    ['a leading zero in a port', 'PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n'],
    ['a port too large', 'PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n'],
    ['a negative port', 'PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n'],
    ['two spaces', 'PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n'],
    ['a space at the end', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n'],
    ['too few words', 'PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n'],
    ['a zone', 'PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n'],
    ['a line too long', `PROXY UNKNOWN ${'x'.repeat(93)}`],
    ['a line one byte too long', `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`],
  ])('with %s is refused', (_, line) => {
    expect(read(line)).toBe('malformed')
  })
})

describe('a PROXY header of version 2', () => {
  it.each([
    ['IPv4', blockOf('21', '11', 'c0a80001 c0a8000b dc04 01bb'), '28: 192.168.0.1 56324 > 192.168.0.11 443'],
    ['IPv6', blockOf('21', '21', SIX), '52: 2001:db8::1 56648 > 2001:db8::2 443'],
    ['LOCAL', blockOf('20', '00', ''), '16: unknown'],
    ['LOCAL with addresses to be skipped', blockOf('20', '11', 'c0a80001 c0a8000b dc04 01bb'), '28: unknown'],
    ['LOCAL with anything to be skipped', blockOf('20', 'ff', '0102'), '18: unknown'],
    ['no family', blockOf('21', '00', '010203'), '19: unknown'],
    ['UDP', blockOf('21', '12', 'c0a80001 c0a8000b dc04 01bb'), '28: unknown'],
    ['a Unix socket', blockOf('21', '31', '00'.repeat(216)), '232: unknown'],
    ['values', blockFor('192.0.2.1', 1, '192.0.2.2', 2, tlvOf(0xea, 'vpce-1') + tlvOf(4, '')), '40: 192.0.2.1 1 > 192.0.2.2 2'],
  ])('with %s is understood', (_, block, expected) => {
    expect(read(block)).toBe(expected)
    expect(read(Buffer.concat([block, Buffer.from('payload')]))).toBe(expected)
  })

  it.each([
    ['another version', blockOf('11', '11', 'c0a80001 c0a8000b dc04 01bb')],
    ['an unknown command', blockOf('22', '11', 'c0a80001 c0a8000b dc04 01bb')],
    ['an unknown family', blockOf('21', '41', '00'.repeat(16))],
    ['an unknown protocol', blockOf('21', '13', 'c0a80001 c0a8000b dc04 01bb')],
    ['less than its addresses need', blockOf('21', '11', 'c0a80001 c0a8000b dc04')],
    ['less than IPv6 addresses need', blockOf('21', '21', 'c0a80001 c0a8000b dc04 01bb')],
    ['a value that ends too early', blockFor('192.0.2.1', 1, '192.0.2.2', 2, 'ea0005 01')],
    ['half a value', blockFor('192.0.2.1', 1, '192.0.2.2', 2, 'ea00')],
    ['a wrong checksum', blockFor('192.0.2.1', 1, '192.0.2.2', 2, '030004 00000000')],
    ['a checksum of another size', blockFor('192.0.2.1', 1, '192.0.2.2', 2, '030002 0000')],
    ['more than is taken', blockOf('21', '11', '00'.repeat(LONGEST_HEADER_BYTES)).subarray(0, 16)],
  ])('with %s is refused', (_, block) => {
    expect(read(block)).toBe('malformed')
  })

  it('with the right checksum is understood, wherever that stands', () => {
    const block = blockFor('192.0.2.1', 1, '192.0.2.2', 2, `${tlvOf(5, 'id')}030004 00000000${tlvOf(0xe0, 'x')}`)
    block.writeUInt32BE(crc32c(block, 0, block.length), block.indexOf('030004', 28, 'hex') + 3)
    expect(read(block)).toBe(`${block.length}: 192.0.2.1 1 > 192.0.2.2 2`)
    // Lengths, and the checksum's own type, decide what is read as a checksum at all.
    const heads = [29, 30, 33, 34, 35, 41, 42]
    for (let at = 16; at < block.length; at++) {
      const damaged = Buffer.from(block)
      damaged[at] = (damaged[at] as number) ^ 1
      if (!heads.includes(at)) expect.soft(read(damaged), `byte ${at}`).toBe('malformed')
    }
  })

  it('gives its values on, but for checksum and padding', () => {
    const block = blockFor('192.0.2.1', 1, '192.0.2.2', 2, tlvOf(4, 'pad') + tlvOf(0xea, 'vpce-1') + tlvOf(2, 'name'))
    const parser = new ProxyHeaderParser()
    parser.parse(block, 0, block.length)
    const { local, tlvs } = parser.introduction() ?? {}
    expect(local).toMatchObject({ word3: 0xc0000202, port: 2 })
    expect(Buffer.from(tlvs ?? []).toString('hex')).toBe(tlvOf(0xea, 'vpce-1') + tlvOf(2, 'name'))
    parser.parse(blockOf('20', '00', ''), 0, 16)
    expect(parser.introduction()).toBeUndefined()
  })
})

describe('the parser of PROXY headers', () => {
  const ip = fc.ipV4().map((text) => text.split('.').map(Number).join('.'))
  const port = fc.integer({ min: 0, max: 65535 })
  const tlvs = fc
    .array(fc.tuple(fc.constantFrom(1, 2, 4, 5, 0x20, 0xe0, 0xef), fc.uint8Array({ maxLength: 300 })), { maxLength: 5 })
    .map((all) => all.map(([type, value]) => tlvOf(type, Buffer.from(value))).join(''))
  const block = fc.tuple(ip, port, ip, port, tlvs).map((parts) => blockFor(...parts))
  const line = fc
    .tuple(ip, ip, port, port)
    .map(([from, to, source, target]) => Buffer.from(`PROXY TCP4 ${from} ${to} ${source} ${target}\r\n`))
  const header = fc.oneof(block, line)

  it('asks for more until a header is whole, and reads nothing behind it', () => {
    fc.assert(
      fc.property(header, fc.uint8Array({ maxLength: 50 }), (bytes, payload) => {
        const all = Buffer.concat([Buffer.from('before'), bytes, payload])
        const parser = new ProxyHeaderParser()
        for (let got = 0; got < bytes.length; got++) expect(parser.parse(all, 6, 6 + got)).toBe(INCOMPLETE)
        for (let more = 0; more <= payload.length; more++)
          expect(parser.parse(all, 6, 6 + bytes.length + more)).toBe(bytes.length)
        expect(parser.known).toBe(true)
      }),
    )
  })

  it('says of anything at all whether it is a header, within its bounds, and does not change its mind', () => {
    const damaged = fc.tuple(header, fc.nat(), fc.nat(255)).map(([bytes, at, value]) => {
      const copy = Buffer.from(bytes)
      copy[at % copy.length] = value
      return copy as Uint8Array
    })
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 5000 }), damaged), (bytes) => {
        const parser = new ProxyHeaderParser()
        let settled: number | undefined
        for (let got = 0; got <= bytes.length; got++) {
          const length = parser.parse(bytes, 0, got)
          expect(length).toBeGreaterThanOrEqual(MALFORMED)
          expect(length).toBeLessThanOrEqual(got)
          if (settled !== undefined) expect(length).toBe(settled)
          else if (length !== INCOMPLETE) settled = length
        }
        if (bytes.length >= LONGEST_HEADER_BYTES) expect(settled).toBeDefined()
      }),
    )
  })
})
