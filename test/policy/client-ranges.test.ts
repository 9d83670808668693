import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Admission, ClientRanges } from '../../src/listener/admission.ts'
import { cidrContains, parseCidr, parseIp } from '../../src/model/address.ts'
import type { Cidr, Ip } from '../../src/model/keys.ts'
import { clientAddress } from '../support/scripted-client.ts'

const octet = fc.integer({ min: 0, max: 3 })
const four = fc.tuple(octet, octet).map(([a, b]) => `10.0.${a}.${b}` as Ip)
const six = fc.tuple(octet, octet).map(([a, b]) => parseIp(`fd00::${a}:${b}`) as Ip)
const ranges = fc.array(
  fc.oneof(
    fc.tuple(four, fc.integer({ min: 0, max: 32 })),
    fc.tuple(six, fc.integer({ min: 1, max: 128 })),
    fc.tuple(four, fc.constant(32)),
    fc.tuple(six, fc.constant(128)),
  ),
  { maxLength: 6 },
)

describe('ranges of clients', () => {
  it('contain what any of them contains', () => {
    fc.assert(
      fc.property(ranges, fc.oneof(four, six), (pairs, ip) => {
        const cidrs = pairs.map(([network, bits]) => parseCidr(`${network}/${bits}`) as Cidr)
        const expected = cidrs.some((cidr) => cidrContains(cidr, ip))
        expect(new ClientRanges(cidrs).contains(clientAddress(ip))).toBe(expected)
        expect(new Admission(cidrs).permits(clientAddress(ip))).toBe(expected || cidrs.length === 0)
      }),
    )
  })
})
