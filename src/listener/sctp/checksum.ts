import { crc32c } from '../../lib/crc32c.ts'

/** The polynomial of Castagnoli, bits reversed (RFC 9260, appendix A). */
const POLYNOMIAL = 0x82f63b78
/** Where the checksum stands in the common header: 32 bits, least significant byte first. */
const SUM = 8
const WORD_BYTES = 4
/** Longer packets do not come from a wire. */
const LONGEST_WORDS = 4096

/** By k: x to the power of 32k, modulo the polynomial: what moves a difference k words away from the end. */
const POWERS = powers()

function powers(): Int32Array {
  const all = new Int32Array(LONGEST_WORDS + 1)
  let power = 0x8000_0000 | 0
  for (let k = 0; k < all.length; k++) {
    all[k] = power
    for (let bit = 0; bit < 32; bit++) power = power & 1 ? (power >>> 1) ^ POLYNOMIAL : power >>> 1
  }
  return all
}

/** The product of two polynomials, bits reversed. */
function multiply(a: number, factor: number): number {
  let product = 0
  let b = factor
  for (let mask = 0x8000_0000; mask !== 0; mask >>>= 1) {
    if (a & mask) {
      product ^= b
      if ((a & (mask - 1)) === 0) return product
    }
    b = b & 1 ? (b >>> 1) ^ POLYNOMIAL : b >>> 1
  }
  return product
}

/** The checksum as it stands in a packet; 0 where whoever sent it left it to hardware that was never asked. */
export function readChecksum(bytes: Uint8Array, start: number): number {
  const at = start + SUM
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  )
}

function storeChecksum(bytes: Uint8Array, start: number, sum: number): void {
  const at = start + SUM
  bytes[at] = sum
  bytes[at + 1] = sum >>> 8
  bytes[at + 2] = sum >>> 16
  bytes[at + 3] = sum >>> 24
}

/** Whether a packet is as it was sent. One without a checksum came from this machine, or one that it shares memory with. */
export function isIntact(bytes: Uint8Array, start: number, end: number): boolean {
  const sum = readChecksum(bytes, start)
  return sum === 0 || sum === (crc32c(bytes, start, end, start + SUM) | 0)
}

/** Computes the checksum of a packet in full. */
export function writeChecksum(bytes: Uint8Array, start: number, end: number): void {
  storeChecksum(bytes, start, crc32c(bytes, start, end, start + SUM))
}

/** Writes other ports into a packet. Only these four bytes change, and a checksum is linear: what it becomes depends on the
 *  difference and on how far it stands from the end. So a damaged packet stays damaged, and most of it is not even read. */
export function rewritePorts(bytes: Uint8Array, start: number, end: number, source: number, destination: number): void {
  const sum = readChecksum(bytes, start)
  const words = (end - start) / WORD_BYTES
  const known = Number.isInteger(words) && words <= LONGEST_WORDS
  const compute = sum === 0 || (!known && isIntact(bytes, start, end))
  const before = readPorts(bytes, start)
  bytes[start] = source >>> 8
  bytes[start + 1] = source
  bytes[start + 2] = destination >>> 8
  bytes[start + 3] = destination
  if (compute) writeChecksum(bytes, start, end)
  else if (known) storeChecksum(bytes, start, sum ^ multiply(POWERS[words] as number, before ^ readPorts(bytes, start)))
}

function readPorts(bytes: Uint8Array, start: number): number {
  return (
    (bytes[start] as number) |
    ((bytes[start + 1] as number) << 8) |
    ((bytes[start + 2] as number) << 16) |
    ((bytes[start + 3] as number) << 24)
  )
}
