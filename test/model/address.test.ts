import { isIP, SocketAddress } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  cidrAddress,
  cidrContains,
  cidrSize,
  fillClientAddress,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isUnspecified,
  parseCidr,
  parseIp,
  parsePort,
  showWords,
  unusableAs,
} from '../../src/model/address.ts'
import type { Cidr, Ip } from '../../src/model/keys.ts'
import type { ClientAddress } from '../../src/model/session.ts'

const ip = (text: string): Ip => {
  const parsed = parseIp(text)
  if (parsed === undefined) throw new Error(`no address: ${text}`)
  return parsed
}
const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text)
  if (parsed === undefined) throw new Error(`no range: ${text}`)
  return parsed
}
const emptyClient = (): ClientAddress => ({ word0: 9, word1: 9, word2: 9, word3: 9, port: 9 })

describe('address', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::1', '::1'],
  ])('has one form: %s is %s', (text, canonical) => {
    expect(parseIp(text)).toBe(canonical)
  })

  it.each([
    ['010.000.0.08', '10.0.0.8'],
    ['0000010.1.1.1', '10.1.1.1'],
    ['::ffff:010.0.0.1', '10.0.0.1'],
  ])('reads leading zeros as old Kubernetes did, decimally: %s is %s', (text, canonical) => {
    expect(parseIp(text)).toBe(canonical)
  })

  it.each([
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['::ffff:102:304', '1.2.3.4'],
    ['0:0:0:0:0:ffff:7f00:1', '127.0.0.1'],
    ['::1.2.3.4', '::102:304'],
    ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
  ])('writes IPv4 that is mapped into IPv6 as IPv4, and nothing else: %s is %s', (text, canonical) => {
    expect(parseIp(text)).toBe(canonical)
  })

  it.each([
    '',
    ' 10.0.0.1',
    '10.0.0.1 ',
    '10.0.0',
    '10.0.0.1.1',
    '10.0.0.256',
    '10.0.0.1000',
    '10.0.0.-1',
    '0x0a.0.0.1',
    '167772161',
    '10.0.0.1:80',
    '10.0.0.1/32',
    '[::1]',
    '[::1]:80',
    'fe80::1%eth0',
    '1::2::3',
    '12345::',
    ':::',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::1.2.3',
    'localhost',
    'None',
  ])('refuses %j', (text) => {
    expect(parseIp(text)).toBeUndefined()
  })

  it('is canonical after one parse, whatever the text', () => {
    const texts = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.string(),
      fc.stringMatching(/^[0-9a-f:.]{0,45}$/),
      fc
        .array(fc.constantFrom('0', '1', 'ffff', 'ab', '00ab', '::', ':', '1.2.3.4', '001.2.3.4'), { maxLength: 12 })
        .map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(texts, (text) => {
        const parsed = parseIp(text)
        if (parsed === undefined) return
        expect(parseIp(parsed)).toBe(parsed)
        expect(isIP(parsed)).not.toBe(0)
      }),
      { numRuns: 1000 },
    )
  })

  it('takes exactly what the system takes, where there are no leading zeros', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.stringMatching(/^([1-9a-f]{1,4}:{1,2}){0,8}[1-9]{0,4}$/)), (text) => {
        expect(parseIp(text) !== undefined).toBe(isIP(text) !== 0)
      }),
      { numRuns: 1000 },
    )
  })

  it('knows the addresses that are special', () => {
    expect(['0.0.0.0', '::', '::ffff:0.0.0.0'].map(ip).every(isUnspecified)).toBe(true)
    expect(['0.0.0.1', '::1', '10.0.0.0'].map(ip).some(isUnspecified)).toBe(false)
    expect(['127.0.0.1', '127.255.0.9', '::1', '::ffff:127.0.0.1'].map(ip).every(isLoopback)).toBe(true)
    expect(['128.0.0.1', '12.7.0.0', '::2', '1::1'].map(ip).some(isLoopback)).toBe(false)
    expect(['169.254.0.1', 'fe80::1', 'febf::1'].map(ip).every(isLinkLocal)).toBe(true)
    expect(['169.253.0.1', 'fec0::1', 'fe8::1', 'fe8:1::', '169.25.4.1'].map(ip).some(isLinkLocal)).toBe(false)
    expect(['224.0.0.1', '239.255.255.255', 'ff02::1', 'ffff::'].map(ip).every(isMulticast)).toBe(true)
    expect(['223.255.255.255', '240.0.0.1', '22.4.0.1', 'ff::1', 'ff:1::', 'fe02::1'].map(ip).some(isMulticast)).toBe(false)
  })

  it('names why an address is none of one machine', () => {
    expect(['0.0.0.0', 'fe80::1', '224.0.0.9', '255.255.255.255', '127.0.0.1', '10.0.0.1'].map(ip).map(unusableAs)).toEqual([
      'unspecified',
      'link-local',
      'multicast',
      'broadcast',
      undefined,
      undefined,
    ])
  })

  it('takes ports from 1 to 65535', () => {
    expect([1, 80, 65_535].map(parsePort)).toEqual([1, 80, 65_535])
    expect([0, -1, 65_536, 1.5, Number.NaN, '80', null, undefined].map(parsePort).filter((port) => port !== undefined)).toEqual(
      [],
    )
  })
})

describe('range', () => {
  it.each([
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.96.0.0/12', '10.96.0.0/12'],
    ['1.2.3.4/32', '1.2.3.4/32'],
    ['1.2.3.4/31', '1.2.3.4/31'],
    ['1.2.3.4/0', '0.0.0.0/0'],
    ['2001:db8:ffff::/33', '2001:db8:8000::/33'],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
    ['010.0.0.0/8', '10.0.0.0/8'],
  ])('has one form: %s is %s', (text, canonical) => {
    expect(parseCidr(text)).toBe(canonical)
  })

  it.each([
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/-1',
    '10.0.0.0/255.0.0.0',
    '::ffff:0:0/90',
    'x/8',
    '/8',
    '10.0.0.0/8/8',
  ])('refuses %j', (text) => {
    expect(parseCidr(text)).toBeUndefined()
  })

  it('contains the addresses of its own family between its ends', () => {
    const contains = (range: string, address: string) => cidrContains(cidr(range), ip(address))
    expect(contains('10.0.0.0/30', '10.0.0.3')).toBe(true)
    expect(contains('10.0.0.0/30', '10.0.0.4')).toBe(false)
    expect(contains('0.0.0.0/0', '203.0.113.9')).toBe(true)
    expect(contains('0.0.0.0/0', '::1')).toBe(false)
    expect(contains('::/0', '10.0.0.1')).toBe(false)
    expect(contains('2001:db8::/33', '2001:db8:8000::')).toBe(false)
  })

  it('counts its addresses and gives them by number', () => {
    expect(cidrSize(cidr('10.96.0.0/12'))).toBe(1_048_576n)
    expect(cidrSize(cidr('::/0'))).toBe(2n ** 128n)
    expect(cidrSize(cidr('1.2.3.4/32'))).toBe(1n)
    expect(cidrAddress(cidr('10.96.0.0/12'), 0n)).toBe('10.96.0.0')
    expect(cidrAddress(cidr('10.96.0.0/12'), 65_793n)).toBe('10.97.1.1')
    expect(cidrAddress(cidr('10.96.0.0/12'), 1_048_575n)).toBe('10.111.255.255')
    expect(cidrAddress(cidr('10.96.0.0/12'), 1_048_576n)).toBeUndefined()
    expect(cidrAddress(cidr('10.96.0.0/12'), -1n)).toBeUndefined()
    expect(cidrAddress(cidr('2001:db8::/32'), 2n ** 95n)).toBe('2001:db8:8000::')
    expect(cidrAddress(cidr('::/0'), 2n ** 128n - 1n)).toBe('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')
  })

  it('contains every address that it gives', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(128), fc.bigInt({ min: 0n, max: 2n ** 128n }), (address, bits, n) => {
        const range = parseCidr(`${address}/${bits}`)
        if (range === undefined) return
        const given = cidrAddress(range, n % cidrSize(range))
        expect(given !== undefined && (cidrContains(range, given) || address.includes(':'))).toBe(true)
      }),
    )
  })
})

describe('client address', () => {
  it('holds IPv4 as mapped IPv6 in unsigned words', () => {
    const client = emptyClient()
    fillClientAddress('255.254.3.4', 4711, client)
    expect(client).toEqual({ word0: 0, word1: 0, word2: 0xffff, word3: 0xfffe0304, port: 4711 })
    expect(showWords(client)).toBe('255.254.3.4')
  })

  it('holds IPv6 in unsigned words', () => {
    const client = emptyClient()
    fillClientAddress('fe80::ffff:1', 1, client)
    expect(client).toEqual({ word0: 0xfe800000, word1: 0, word2: 0, word3: 0xffff0001, port: 1 })
    expect(showWords(client)).toBe('fe80::ffff:1')
  })

  it('is the same client with a zone or mapped into IPv6', () => {
    const [plain, zoned, mapped] = [emptyClient(), emptyClient(), emptyClient()]
    fillClientAddress('fe80::1', 1, plain)
    fillClientAddress('fe80::1%eth0', 1, zoned)
    expect(zoned).toEqual(plain)
    fillClientAddress('10.0.0.1', 1, plain)
    fillClientAddress('::ffff:10.0.0.1', 1, mapped)
    expect(mapped).toEqual(plain)
  })

  it('is :: where the address cannot be read', () => {
    const client = emptyClient()
    fillClientAddress('nonsense', 7, client)
    expect(client).toEqual({ word0: 0, word1: 0, word2: 0, word3: 0, port: 7 })
    expect(showWords(client)).toBe('::')
  })

  it('shows what was filled in', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const client = emptyClient()
        fillClientAddress(text, 80, client)
        expect(showWords(client)).toBe(parseIp(text))
        const family = isIP(text) === 4 ? 'ipv4' : 'ipv6'
        const system = new SocketAddress({ address: text, family }).address
        expect(parseIp(system)).toBe(showWords(client))
      }),
    )
  })
})
