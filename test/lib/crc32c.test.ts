import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crc32c } from '../../src/lib/crc32c.ts'

describe('crc32c', () => {
  // RFC 3720, appendix B.4.
  it.each([
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['0 to 31', Uint8Array.from({ length: 32 }, (_, n) => n), 0x46dd794e],
    ['31 to 0', Uint8Array.from({ length: 32 }, (_, n) => 31 - n), 0x113fdb5c],
    ['123456789', Buffer.from('123456789'), 0xe3069283],
    ['nothing', new Uint8Array(0), 0],
  ])('of %s is as published', (_, bytes, expected) => {
    expect(crc32c(bytes, 0, bytes.length)).toBe(expected)
  })

  it('takes a part, and zeros for what is blank', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 64 }), fc.nat(60), (bytes, at) => {
        const blank = Math.min(at, bytes.length - 4)
        const blanked = Uint8Array.from(bytes)
        blanked.fill(0, blank, blank + 4)
        const around = Uint8Array.of(1, 2, ...bytes, 3)
        expect(crc32c(around, 2, 2 + bytes.length, 2 + blank)).toBe(crc32c(blanked, 0, blanked.length))
      }),
    )
  })
})
