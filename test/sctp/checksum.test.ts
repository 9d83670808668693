import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crc32c } from '../../src/lib/crc32c.ts'
import { isIntact, readChecksum, rewritePorts, writeChecksum } from '../../src/listener/sctp/checksum.ts'

const packet = fc.uint8Array({ minLength: 16, maxLength: 3_000 })
const port = fc.nat(65_535)

/** With room around it. */
function placed(bytes: Uint8Array, at: number): Uint8Array {
  const around = new Uint8Array(bytes.length + at + 9).fill(0xaa)
  around.set(bytes, at)
  return around
}

describe('the checksum of an SCTP packet', () => {
  it('is right after its ports were rewritten, if it was right before', () => {
    fc.assert(
      fc.property(packet, port, port, fc.nat(5), (bytes, source, destination, at) => {
        const around = placed(bytes, at)
        const end = at + bytes.length
        writeChecksum(around, at, end)
        fc.pre(readChecksum(around, at) !== 0)
        rewritePorts(around, at, end, source, destination)
        expect(new DataView(around.buffer).getUint32(at)).toBe(source * 65_536 + destination)
        expect(readChecksum(around, at) >>> 0).toBe(crc32c(around, at, end, at + 8))
        expect(around.subarray(end)).toEqual(new Uint8Array(9 - 0).fill(0xaa).subarray(0, around.length - end))
      }),
      { numRuns: 1_000 },
    )
  })

  it('of a damaged packet stays wrong', () => {
    fc.assert(
      fc.property(packet, port, port, fc.nat(), fc.integer({ min: 1, max: 255 }), (bytes, source, destination, where, flip) => {
        writeChecksum(bytes, 0, bytes.length)
        const at = 12 + (where % (bytes.length - 12))
        bytes[at] = (bytes[at] as number) ^ flip
        fc.pre(readChecksum(bytes, 0) !== 0)
        rewritePorts(bytes, 0, bytes.length, source, destination)
        expect(isIntact(bytes, 0, bytes.length)).toBe(false)
      }),
      { numRuns: 1_000 },
    )
  })

  it('is computed where it was left to hardware that was never asked', () => {
    const bytes = Uint8Array.from({ length: 1_480 }, (_, n) => (n >= 8 && n < 12 ? 0 : n))
    expect(isIntact(bytes, 0, bytes.length)).toBe(true)
    rewritePorts(bytes, 0, bytes.length, 1, 2)
    expect(readChecksum(bytes, 0) >>> 0).toBe(crc32c(bytes, 0, bytes.length, 8))
  })

  it('of packets longer than a wire carries, and of odd length, is right or stays wrong, too', () => {
    for (const length of [17, 1_003, 16_384, 16_388, 65_515]) {
      const bytes = Uint8Array.from({ length }, (_, n) => n * 7)
      writeChecksum(bytes, 0, length)
      rewritePorts(bytes, 0, length, 3, 4)
      expect(isIntact(bytes, 0, length)).toBe(true)
      bytes[14] = (bytes[14] as number) ^ 1
      rewritePorts(bytes, 0, length, 5, 6)
      expect(isIntact(bytes, 0, length)).toBe(false)
    }
  })
})
