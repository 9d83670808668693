import {
  ASCONF,
  ASCONF_ACK,
  CHUNK_BYTES,
  HEADER_BYTES,
  INIT,
  INIT_BYTES,
  type Packet,
  padded,
  readU16,
  readU32,
  writeU16,
} from './packet.ts'

/** Parameters that name other addresses of the sender, or a way to change them later (RFC 9260, 3.3.2.1; RFC 5061, 4.2.4). */
const IPV4_ADDRESS = 5
const IPV6_ADDRESS = 6
const HOST_NAME = 11
const SET_PRIMARY_ADDRESS = 0xc004
/** Lists the types of chunks that the sender knows beyond the oldest ones (RFC 5061, 4.2.7). */
const SUPPORTED_EXTENSIONS = 0x8008
const INITIATE_TAG = 4
const OUTBOUND_STREAMS = 12
const INBOUND_STREAMS = 14

/** The tag that packets to the sender of an INIT or INIT ACK will carry; 0: it is not one that makes sense. It must be the only
 *  chunk and fill the packet, an INIT must carry no tag itself, and neither tag nor numbers of streams may be zero
 *  (RFC 9260, 3.3.2 and 8.5.1). */
export function initiateTag({ bytes, start, end }: Packet): number {
  const chunk = start + HEADER_BYTES
  if (end - chunk < INIT_BYTES) return 0
  const length = readU16(bytes, chunk + 2)
  if (length < INIT_BYTES || (chunk + length !== end && chunk + padded(length) !== end)) return 0
  if (bytes[chunk] === INIT && readU32(bytes, start + 4) !== 0) return 0
  if (readU16(bytes, chunk + OUTBOUND_STREAMS) === 0 || readU16(bytes, chunk + INBOUND_STREAMS) === 0) return 0
  return readU32(bytes, chunk + INITIATE_TAG)
}

/** Takes out of an INIT or INIT ACK, for which {@link initiateTag} holds, what would let the peers meet without us, so that the
 *  association has one address at each end. Returns where the packet ends now, or -1 where parameters are malformed: then it must
 *  not be passed on. The checksum is no longer right. */
export function stripAddresses({ bytes, start, end }: Packet): number {
  const chunk = start + HEADER_BYTES
  const chunkEnd = chunk + readU16(bytes, chunk + 2)
  let from = chunk + INIT_BYTES
  let to = from
  /** Where the last parameter kept ends without its padding, which does not count. */
  let kept = to
  while (from + CHUNK_BYTES <= chunkEnd) {
    const type = readU16(bytes, from)
    const length = readU16(bytes, from + 2)
    if (length < CHUNK_BYTES || from + length > chunkEnd) return -1
    const next = from + padded(length)
    if (!namesAddress(type)) {
      const left = type === SUPPORTED_EXTENSIONS ? copyExtensions(bytes, from, to, length) : copy(bytes, from, to, length)
      kept = to + left
      to += padded(left)
      // What is behind the end is somebody else's packet.
      bytes.fill(0, kept, Math.min(to, end))
    }
    from = next
  }
  if (from < chunkEnd) return -1
  writeU16(bytes, chunk + 2, kept - chunk)
  return Math.min(to, end)
}

function namesAddress(type: number): boolean {
  return type === IPV4_ADDRESS || type === IPV6_ADDRESS || type === HOST_NAME || type === SET_PRIMARY_ADDRESS
}

function copy(bytes: Uint8Array, from: number, to: number, length: number): number {
  if (from !== to) bytes.copyWithin(to, from, from + length)
  return length
}

function copyExtensions(bytes: Uint8Array, from: number, to: number, length: number): number {
  let left = CHUNK_BYTES
  for (let n = CHUNK_BYTES; n < length; n++) {
    const type = bytes[from + n] as number
    if (type !== ASCONF && type !== ASCONF_ACK) bytes[to + left++] = type
  }
  writeU16(bytes, to, SUPPORTED_EXTENSIONS)
  writeU16(bytes, to + 2, left)
  return left
}
