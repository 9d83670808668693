import { writeChecksum } from './checksum.ts'
import { CHUNK_BYTES, HEADER_BYTES, type Packet, padded, readU16 } from './packet.ts'

/** Cuts a packet between its chunks into packets of at most `mostBytes`, each with the common header and a checksum of its own, which
 *  are made one after the other in `into` from its start on, and given to `take`. A chunk that is longer than that goes alone. The
 *  packet's own checksum must be right, and its chunks fill it. False: `take` did not take one of them. */
export function cutPacket(packet: Packet, mostBytes: number, into: Packet, take: (part: Packet) => boolean): boolean {
  const { bytes, start, end } = packet
  into.addresses.set(packet.addresses)
  into.bytes.set(bytes.subarray(start, start + HEADER_BYTES), into.start)
  let taken = true
  let from = start + HEADER_BYTES
  while (from + CHUNK_BYTES <= end) {
    let to = from
    while (to + CHUNK_BYTES <= end) {
      const next = Math.min(to + padded(readU16(bytes, to + 2)), end)
      if (next === to || (to > from && HEADER_BYTES + next - from > mostBytes)) break
      to = next
    }
    if (to === from) return false
    into.bytes.set(bytes.subarray(from, to), into.start + HEADER_BYTES)
    into.end = into.start + HEADER_BYTES + to - from
    writeChecksum(into.bytes, into.start, into.end)
    if (!take(into)) taken = false
    from = to
  }
  return taken
}
