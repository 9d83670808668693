/** The polynomial of Castagnoli, bits reversed (RFC 4960, appendix B). */
const POLYNOMIAL = 0x82f63b78

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
  return crc >>> 0
})

/** CRC-32C of `bytes[start]` up to, not including, `bytes[end]`; where four bytes from `blank` on are, zeros count: a checksum
 *  is not part of what it checks. */
export function crc32c(bytes: Uint8Array, start: number, end: number, blank = end): number {
  let crc = -1
  for (let at = start; at < end; at++) {
    const byte = at >= blank && at < blank + 4 ? 0 : (bytes[at] as number)
    crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] as number)
  }
  return ~crc >>> 0
}
