/** Bytes of the common header: ports, verification tag, checksum (RFC 9260, 3.1). */
export const HEADER_BYTES = 12
/** Bytes of a chunk's header: type, flags, length. */
export const CHUNK_BYTES = 4
/** Bytes of an INIT or INIT ACK chunk before its parameters. */
export const INIT_BYTES = 20

/** Types of chunks that are looked at (RFC 9260, 3.2; I-DATA: RFC 8260; ASCONF: RFC 5061). */
export const DATA = 0
export const INIT = 1
export const INIT_ACK = 2
export const ABORT = 6
export const SHUTDOWN = 7
export const SHUTDOWN_ACK = 8
export const COOKIE_ECHO = 10
export const COOKIE_ACK = 11
export const SHUTDOWN_COMPLETE = 14
export const I_DATA = 64
export const ASCONF_ACK = 0x80
export const ASCONF = 0xc1

/** The flag of ABORT and SHUTDOWN COMPLETE: the verification tag is the sender's own, read from what it answers. */
export const T_BIT = 1
/** The flag of a DATA chunk that is the last of its message. */
const LAST_OF_MESSAGE = 1
const DATA_HEADER_BYTES = 16
const I_DATA_HEADER_BYTES = 20

/** Words of an address as they stand in a packet: four 32-bit numbers in the machine's order of the bytes, IPv4 mapped. Good for
 *  comparing and copying; `wire-address.ts` turns them into numbers that mean something. */
export type WireWords = Int32Array

/** An SCTP packet on its way through. One is filled and reused. */
export class Packet {
  bytes: Uint8Array
  /** Where the common header begins. */
  start = 0
  end = 0
  /** Source and destination: two times four {@link WireWords}. */
  readonly addresses: WireWords = new Int32Array(8)

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

/** What the chunks of one packet come to. */
export class Survey {
  /** Types of control chunks among {@link SEEN}. */
  seen = 0
  /** Bytes that users sent, whether they were sent before or not. */
  dataBytes = 0
  /** Messages whose end is in the packet. */
  messages = 0
}

/** Bits of {@link Survey.seen}. */
export const SEEN = { abort: 1, shutdown: 2, shutdownComplete: 4, cookieEcho: 8, cookieAck: 16 } as const
/** Not in {@link SEEN}, and so never in what is passed on. */
const FORBIDDEN = -1

export function readU16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
}

/** Unsigned. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (((readU16(bytes, at) << 16) | readU16(bytes, at + 2)) >>> 0) as number
}

export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  writeU16(bytes, at, value >>> 16)
  writeU16(bytes, at + 2, value & 0xffff)
}

/** So many bytes that what follows stands at a multiple of four. */
export function padded(bytes: number): number {
  return (bytes + 3) & ~3
}

/** Walks the chunks of a packet that belongs to an association and is no INIT or INIT ACK. False: it is none that may be passed
 *  on. Chunks must fill it exactly; INIT, INIT ACK and a SHUTDOWN COMPLETE that is not alone are not allowed, nor are ASCONF
 *  and its answer: they would make the association known by addresses that lead past us. */
export function survey({ bytes, start, end }: Packet, into: Survey): boolean {
  into.seen = 0
  into.dataBytes = 0
  into.messages = 0
  let at = start + HEADER_BYTES
  if (at + CHUNK_BYTES > end) return false
  while (at + CHUNK_BYTES <= end) {
    const length = readU16(bytes, at + 2)
    if (length < CHUNK_BYTES || at + length > end) return false
    const bit = note(bytes, at, length, into)
    if (bit === FORBIDDEN) return false
    into.seen |= bit
    at += padded(length)
  }
  // The padding of the last chunk may be missing; anything else that is left is no chunk.
  if (at < end) return false
  return (into.seen & SEEN.shutdownComplete) === 0 || into.seen === SEEN.shutdownComplete
}

function note(bytes: Uint8Array, at: number, length: number, into: Survey): number {
  switch (bytes[at]) {
    case DATA:
      return noteData(bytes, at, length - DATA_HEADER_BYTES, into)
    case I_DATA:
      return noteData(bytes, at, length - I_DATA_HEADER_BYTES, into)
    case ABORT:
      return SEEN.abort
    case SHUTDOWN:
    case SHUTDOWN_ACK:
      return SEEN.shutdown
    case SHUTDOWN_COMPLETE:
      return SEEN.shutdownComplete
    case COOKIE_ECHO:
      return SEEN.cookieEcho
    case COOKIE_ACK:
      return SEEN.cookieAck
    case INIT:
    case INIT_ACK:
    case ASCONF:
    case ASCONF_ACK:
      return FORBIDDEN
    default:
      return 0
  }
}

/** A DATA chunk without data is an error that its receiver answers (RFC 9260, 6.2). */
function noteData(bytes: Uint8Array, at: number, dataBytes: number, into: Survey): number {
  if (dataBytes < 0) return FORBIDDEN
  into.dataBytes += dataBytes
  into.messages += (bytes[at + 1] as number) & LAST_OF_MESSAGE
  return 0
}
