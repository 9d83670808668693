import type { ClientAddress } from '../model/session.ts'

// The PROXY protocol, versions 1 and 2: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt

/** What a version 2 header begins with. */
export const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a)
/** Signature, version and command, family and protocol, length of the rest. */
export const FIXED_BYTES = 16
/** The longest line of version 1, its end included. */
export const LONGEST_LINE_BYTES = 107
/** A longer header of version 2 is refused. Addresses take 216 bytes at most; the rest are values for applications. */
export const LONGEST_HEADER_BYTES = 4096

export const TCP_OVER_IPV4 = 0x11
export const TCP_OVER_IPV6 = 0x21
export const IPV4_BYTES = 12
export const IPV6_BYTES = 36

/** Type and length of a value. */
export const TLV_HEAD_BYTES = 3
export const TLV_CRC32C = 0x03
export const TLV_NOOP = 0x04
export const TLV_UNIQUE_ID = 0x05
/** Bytes of a checksum. */
export const CRC32C_BYTES = 4

/** Room that any header of ours fits in: as much as a received one may bring, and what we add, which is far less. */
export const HEADER_ROOM_BYTES = 4 * LONGEST_HEADER_BYTES

/** What a header told of a connection beyond the client's address. */
export interface Introduction {
  /** Where the client connected to. */
  readonly local: ClientAddress
  /** The values that came along, but for checksum and padding. */
  readonly tlvs: Uint8Array | undefined
}
