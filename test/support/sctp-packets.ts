import { crc32c } from '../../src/lib/crc32c.ts'
import { readChecksum, writeChecksum } from '../../src/listener/sctp/checksum.ts'

/** Bytes of a chunk: header and value, padded. `length` instead of the right one makes it malformed. */
export function chunk(type: number, flags = 0, value: Uint8Array = new Uint8Array(), length = 4 + value.length): Uint8Array {
  const bytes = new Uint8Array((4 + value.length + 3) & ~3)
  bytes[0] = type
  bytes[1] = flags
  bytes[2] = length >>> 8
  bytes[3] = length
  bytes.set(value, 4)
  return bytes
}

/** A parameter has the same form, with two bytes of type. */
export function parameter(type: number, value: Uint8Array = new Uint8Array(), length?: number): Uint8Array {
  return chunk(type >>> 8, type & 0xff, value, length)
}

function numbers(...values: readonly (readonly [bytes: 1 | 2 | 4, value: number])[]): Uint8Array {
  const bytes: number[] = []
  for (const [size, value] of values) for (let n = size - 1; n >= 0; n--) bytes.push((value >>> (8 * n)) & 0xff)
  return Uint8Array.from(bytes)
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

function initBody(tag: number, parameters: readonly Uint8Array[]): Uint8Array {
  return join(numbers([4, tag], [4, 65_536], [2, 10], [2, 10], [4, 1]), ...parameters)
}

export const init = (tag: number, ...parameters: readonly Uint8Array[]) => chunk(1, 0, initBody(tag, parameters))
export const initAck = (tag: number, ...parameters: readonly Uint8Array[]) =>
  chunk(2, 0, initBody(tag, [...parameters, parameter(7, new Uint8Array(32).fill(7))]))
/** `flags` 3: a message of one chunk. */
export const data = (text: string, flags = 3) =>
  chunk(0, flags, join(numbers([4, 1], [2, 0], [2, 0], [4, 46]), new TextEncoder().encode(text)))
export const sack = () => chunk(3, 0, numbers([4, 1], [4, 65_536], [4, 0]))
export const heartbeat = () => chunk(4, 0, parameter(1, new Uint8Array(8)))
export const abort = (reflected = false) => chunk(6, reflected ? 1 : 0)
export const shutdown = () => chunk(7, 0, numbers([4, 1]))
export const shutdownAck = () => chunk(8)
export const cookieEcho = () => chunk(10, 0, new Uint8Array(32).fill(7))
export const cookieAck = () => chunk(11)
export const shutdownComplete = (reflected = false) => chunk(14, reflected ? 1 : 0)

/** A packet with the right checksum. */
export function sctpPacket(source: number, destination: number, tag: number, ...chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = join(numbers([2, source], [2, destination], [4, tag], [4, 0]), ...chunks)
  writeChecksum(bytes, 0, bytes.length)
  return bytes
}

export const CHUNK_NAMES: Readonly<Record<number, string>> = {
  0: 'DATA',
  1: 'INIT',
  2: 'INIT-ACK',
  3: 'SACK',
  4: 'HEARTBEAT',
  6: 'ABORT',
  7: 'SHUTDOWN',
  8: 'SHUTDOWN-ACK',
  10: 'COOKIE-ECHO',
  11: 'COOKIE-ACK',
  14: 'SHUTDOWN-COMPLETE',
}

/** A packet as a test compares it: ports, tag and chunks, `ABORT/T` with the flag; its checksum, if that is not right. */
export function showPacket(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const names: string[] = []
  for (let at = 12; at + 4 <= bytes.length; ) {
    const type = view.getUint8(at)
    const reflected = (type === 6 || type === 14) && (view.getUint8(at + 1) & 1) === 1
    names.push(`${CHUNK_NAMES[type] ?? type}${reflected ? '/T' : ''}`)
    at += Math.max(4, (view.getUint16(at + 2) + 3) & ~3)
  }
  const wrong = crc32c(bytes, 0, bytes.length, 8) === readChecksum(bytes, 0) >>> 0 ? '' : ' damaged'
  return `tag ${view.getUint32(4)} ${names.join(' ')}${wrong}`
}
