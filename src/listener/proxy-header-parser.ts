import { crc32c } from '../lib/crc32c.ts'
import { fillClientAddress, parseIp } from '../model/address.ts'
import type { ClientAddress } from '../model/session.ts'
import {
  CRC32C_BYTES,
  FIXED_BYTES,
  type Introduction,
  IPV4_BYTES,
  IPV6_BYTES,
  LONGEST_HEADER_BYTES,
  LONGEST_LINE_BYTES,
  SIGNATURE,
  TCP_OVER_IPV4,
  TCP_OVER_IPV6,
  TLV_CRC32C,
  TLV_HEAD_BYTES,
  TLV_NOOP,
} from './proxy-header.ts'

/** What {@link ProxyHeaderParser.parse} answers when more has to come, and when no header can come of it any more. */
export const INCOMPLETE = 0
export const MALFORMED = -1

const CARRIAGE_RETURN = 0x0d
const LINE_FEED = 0x0a
const LINE_START = Uint8Array.from(Buffer.from('PROXY '))
const PORT = /^(?:0|[1-9]\d{0,4})$/
const UNKNOWN = /^UNKNOWN(?: |$)/
/** By address family: none, IPv4, IPv6, the names of Unix sockets. */
const ADDRESS_BYTES: readonly number[] = [0, IPV4_BYTES, IPV6_BYTES, 216]
const MOST_PROTOCOL = 2
const MAPPED = 0xffff

/** Reads PROXY headers of either version. It is given all that has come so far, again and again, reads nothing behind the
 *  header, and says as soon as it is certain that this is none. One serves many connections; nothing is kept between
 *  two calls but what the last whole header said. */
export class ProxyHeaderParser {
  /** Whether the last header gave addresses. If not (LOCAL, UNKNOWN, no TCP), those of the connection hold. */
  known = false
  readonly client: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  readonly local: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  #tlvs: Uint8Array | undefined

  /** Looks at `bytes[start]` up to, not including, `bytes[end]`. Returns the header's length, {@link INCOMPLETE} or
   *  {@link MALFORMED}. */
  parse(bytes: Uint8Array, start: number, end: number): number {
    this.known = false
    this.#tlvs = undefined
    if (start === end) return INCOMPLETE
    return bytes[start] === SIGNATURE[0] ? this.#parseBlock(bytes, start, end) : this.#parseLine(bytes, start, end)
  }

  /** What the last header told beyond the client's address, to be kept; undefined if it gave no addresses. */
  introduction(): Introduction | undefined {
    return this.known ? { local: { ...this.local }, tlvs: this.#tlvs } : undefined
  }

  #parseLine(bytes: Uint8Array, start: number, end: number): number {
    if (!beginsWith(bytes, start, end, LINE_START)) return MALFORMED
    const last = Math.min(end, start + LONGEST_LINE_BYTES)
    for (let at = start; at < last; at++) {
      const byte = bytes[at] as number
      if (byte === LINE_FEED) return MALFORMED
      if (byte !== CARRIAGE_RETURN) continue
      if (at + 1 === start + LONGEST_LINE_BYTES) return MALFORMED
      if (at + 1 === end) return INCOMPLETE
      if (bytes[at + 1] !== LINE_FEED) return MALFORMED
      const text = Buffer.from(bytes.buffer, bytes.byteOffset + start + LINE_START.length, at - start - LINE_START.length)
      return this.#readLine(text.toString('latin1')) ? at + 2 - start : MALFORMED
    }
    return end - start < LONGEST_LINE_BYTES ? INCOMPLETE : MALFORMED
  }

  #readLine(line: string): boolean {
    if (UNKNOWN.test(line)) return true
    const words = line.split(' ')
    if (words.length !== 5) return false
    const [family, source, destination, sourcePort, destinationPort] = words as [string, string, string, string, string]
    if (family !== 'TCP4' && family !== 'TCP6') return false
    const six = family === 'TCP6'
    this.known = readAddress(source, sourcePort, six, this.client) && readAddress(destination, destinationPort, six, this.local)
    return this.known
  }

  #parseBlock(bytes: Uint8Array, start: number, end: number): number {
    if (!beginsWith(bytes, start, end, SIGNATURE)) return MALFORMED
    const got = end - start
    const command = got > 12 ? (bytes[start + 12] as number) : 0x20
    if (command !== 0x20 && command !== 0x21) return MALFORMED
    const family = got > 13 ? (bytes[start + 13] as number) : 0
    // Of a LOCAL connection the rest is skipped, whatever it is.
    const addressBytes = command === 0x20 ? 0 : (ADDRESS_BYTES[family >> 4] ?? -1)
    if (addressBytes < 0 || (command === 0x21 && (family & 0x0f) > MOST_PROTOCOL)) return MALFORMED
    if (got < FIXED_BYTES) return INCOMPLETE
    const rest = ((bytes[start + 14] as number) << 8) | (bytes[start + 15] as number)
    const length = FIXED_BYTES + rest
    if (length > LONGEST_HEADER_BYTES || rest < addressBytes) return MALFORMED
    if (got < length) return INCOMPLETE
    if (command === 0x20 || (family !== TCP_OVER_IPV4 && family !== TCP_OVER_IPV6)) return length
    if (!this.#readTlvs(bytes, start, start + FIXED_BYTES + addressBytes, start + length)) return MALFORMED
    this.#readAddresses(bytes, start + FIXED_BYTES, family === TCP_OVER_IPV6)
    this.known = true
    return length
  }

  #readAddresses(bytes: Uint8Array, at: number, six: boolean): void {
    const step = six ? 16 : 4
    readWords(bytes, at, six, this.client)
    readWords(bytes, at + step, six, this.local)
    this.client.port = readPort(bytes, at + 2 * step)
    this.local.port = readPort(bytes, at + 2 * step + 2)
  }

  /** False: they do not fit their room, or the checksum is wrong. */
  #readTlvs(bytes: Uint8Array, header: number, from: number, end: number): boolean {
    let kept = 0
    for (let at = from; at < end; ) {
      if (at + TLV_HEAD_BYTES > end) return false
      const type = bytes[at] as number
      const value = at + TLV_HEAD_BYTES
      const next = value + (((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number))
      if (next > end) return false
      if (type === TLV_CRC32C) {
        if (next - value !== CRC32C_BYTES) return false
        const view = new DataView(bytes.buffer, bytes.byteOffset + value, CRC32C_BYTES)
        if (view.getUint32(0) !== crc32c(bytes, header, end, value)) return false
      } else if (type !== TLV_NOOP) kept += next - at
      at = next
    }
    if (kept > 0) this.#tlvs = copyTlvs(bytes, from, end, kept)
    return true
  }
}

/** Whether what is there of `wanted` is as it should be. */
function beginsWith(bytes: Uint8Array, start: number, end: number, wanted: Uint8Array): boolean {
  const count = Math.min(end - start, wanted.length)
  for (let n = 0; n < count; n++) if (bytes[start + n] !== wanted[n]) return false
  return true
}

function readAddress(text: string, portText: string, six: boolean, into: ClientAddress): boolean {
  const ip = text.includes(':') === six ? parseIp(text) : undefined
  const port = PORT.test(portText) ? Number(portText) : -1
  // Leading zeros have two readings, so the specification allows none.
  if (ip === undefined || (!six && ip !== text) || port < 0 || port > 0xffff) return false
  fillClientAddress(ip, port, into)
  return true
}

function readWords(bytes: Uint8Array, at: number, six: boolean, into: ClientAddress): void {
  into.word0 = six ? readWord(bytes, at) : 0
  into.word1 = six ? readWord(bytes, at + 4) : 0
  into.word2 = six ? readWord(bytes, at + 8) : MAPPED
  into.word3 = readWord(bytes, six ? at + 12 : at)
}

function readWord(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16)
  return (high | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0
}

function readPort(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
}

/** The values that mean something to others. */
function copyTlvs(bytes: Uint8Array, from: number, end: number, count: number): Uint8Array {
  const copy = new Uint8Array(count)
  let done = 0
  for (let at = from; at < end; ) {
    const next = at + TLV_HEAD_BYTES + (((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number))
    if (bytes[at] !== TLV_CRC32C && bytes[at] !== TLV_NOOP) {
      copy.set(bytes.subarray(at, next), done)
      done += next - at
    }
    at = next
  }
  return copy
}
