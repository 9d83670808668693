import { crc32c } from '../lib/crc32c.ts'
import { showWords } from '../model/address.ts'
import type { Prelude } from '../model/proxy-header.ts'
import type { ClientAddress } from '../model/session.ts'
import {
  CRC32C_BYTES,
  FIXED_BYTES,
  SIGNATURE,
  TCP_OVER_IPV4,
  TCP_OVER_IPV6,
  TLV_CRC32C,
  TLV_HEAD_BYTES,
  TLV_UNIQUE_ID,
} from './proxy-header.ts'

/** What a header says of its session. */
export interface HeaderFacts {
  readonly id: number
  readonly client: ClientAddress
  /** Where the client connected to. */
  readonly local: ClientAddress
  /** Values that came with the client's own header. */
  readonly receivedTlvs: Uint8Array | undefined
}

/** Version and command: 2, on behalf of somebody. */
const PROXY_COMMAND = 0x21
const MAPPED = 0xffff

/** Writes the PROXY header of a session at `into[at]` and returns its length, at most `HEADER_ROOM_BYTES`. */
export function writeProxyHeader(prelude: Prelude, facts: HeaderFacts, into: Uint8Array, at: number): number {
  return prelude.version === 1 ? writeLine(facts, into, at) : writeBlock(prelude, facts, into, at)
}

function writeLine({ client, local }: HeaderFacts, into: Uint8Array, at: number): number {
  const four = isFour(client) && isFour(local)
  const addresses = `${show(client, four)} ${show(local, four)} ${client.port} ${local.port}`
  return writeText(`PROXY ${four ? 'TCP4' : 'TCP6'} ${addresses}\r\n`, into, at)
}

function writeBlock(prelude: Prelude, facts: HeaderFacts, into: Uint8Array, at: number): number {
  const { client, local } = facts
  const four = isFour(client) && isFour(local)
  into.set(SIGNATURE, at)
  into[at + 12] = PROXY_COMMAND
  into[at + 13] = four ? TCP_OVER_IPV4 : TCP_OVER_IPV6
  let end = writeAddress(local, four, into, writeAddress(client, four, into, at + FIXED_BYTES))
  end = writeNumber(local.port, 2, into, writeNumber(client.port, 2, into, end))
  if (prelude.receivedTlvs && facts.receivedTlvs) end = writeTlvs(facts.receivedTlvs, prelude, into, end)
  if (prelude.uniqueIdPrefix !== undefined) {
    const bytes = writeText(`${prelude.uniqueIdPrefix}${facts.id}`, into, end + TLV_HEAD_BYTES)
    end = writeHead(TLV_UNIQUE_ID, bytes, into, end) + bytes
  }
  into.set(prelude.customTlvs, end)
  end += prelude.customTlvs.length
  const checksum = prelude.crc32c ? writeHead(TLV_CRC32C, CRC32C_BYTES, into, end) : -1
  if (checksum >= 0) end = checksum + CRC32C_BYTES
  // The length is part of what the checksum is made of.
  writeNumber(end - at - FIXED_BYTES, 2, into, at + 14)
  if (checksum >= 0) writeNumber(crc32c(into, at, end, checksum), 4, into, checksum)
  return end - at
}

/** Passes on values that we do not set ourselves. Returns where they end. */
function writeTlvs(tlvs: Uint8Array, prelude: Prelude, into: Uint8Array, at: number): number {
  let end = at
  for (let from = 0; from < tlvs.length; ) {
    const next = nextTlv(tlvs, from)
    if (!isOurs(tlvs[from] as number, prelude)) {
      into.set(tlvs.subarray(from, next), end)
      end += next - from
    }
    from = next
  }
  return end
}

function isOurs(type: number, { uniqueIdPrefix, customTlvs }: Prelude): boolean {
  if (type === TLV_UNIQUE_ID) return uniqueIdPrefix !== undefined
  for (let at = 0; at < customTlvs.length; at = nextTlv(customTlvs, at)) if (customTlvs[at] === type) return true
  return false
}

function nextTlv(tlvs: Uint8Array, at: number): number {
  return at + TLV_HEAD_BYTES + (((tlvs[at + 1] as number) << 8) | (tlvs[at + 2] as number))
}

/** Returns where the value begins. */
function writeHead(type: number, bytes: number, into: Uint8Array, at: number): number {
  into[at] = type
  return writeNumber(bytes, 2, into, at + 1)
}

function writeAddress(address: ClientAddress, four: boolean, into: Uint8Array, at: number): number {
  if (four) return writeNumber(address.word3, 4, into, at)
  const half = writeNumber(address.word1, 4, into, writeNumber(address.word0, 4, into, at))
  return writeNumber(address.word3, 4, into, writeNumber(address.word2, 4, into, half))
}

/** Most significant byte first. Returns where it ends. */
function writeNumber(value: number, bytes: number, into: Uint8Array, at: number): number {
  for (let n = 0; n < bytes; n++) into[at + n] = value >>> (8 * (bytes - 1 - n))
  return at + bytes
}

/** Writes ASCII and returns how much. */
function writeText(text: string, into: Uint8Array, at: number): number {
  for (let n = 0; n < text.length; n++) into[at + n] = text.charCodeAt(n)
  return text.length
}

function isFour(address: ClientAddress): boolean {
  return address.word0 === 0 && address.word1 === 0 && address.word2 === MAPPED
}

/** An IPv4 address beside an IPv6 one takes its form. */
function show(address: ClientAddress, four: boolean): string {
  return !four && isFour(address) ? `::ffff:${showWords(address)}` : showWords(address)
}
