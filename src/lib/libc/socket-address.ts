import type { Arena } from './arena.ts'
import { AF_INET, AF_INET6 } from './constants.ts'
import { SOCKADDR_IN, SOCKADDR_IN6 } from './layout.ts'

/** An address as numbers: four 32-bit words of IPv6, unsigned, most significant first, IPv4 mapped (`::ffff:a.b.c.d`).
 *  The shape of the model's `ClientAddress`; one is filled and reused. */
export interface AddressWords {
  word0: number
  word1: number
  word2: number
  word3: number
  port: number
}

/** Room for the address of either family. */
export const SOCKET_ADDRESS_BYTES = SOCKADDR_IN6.bytes

const MAPPED = 0xffff

/** Whether an address is one of IPv4, which decides the family of the socket that can reach it. */
export function isMapped(address: Readonly<AddressWords>): boolean {
  return address.word0 === 0 && address.word1 === 0 && address.word2 === MAPPED
}

/** The family that an address has by itself. */
export function familyOf(address: Readonly<AddressWords>): number {
  return isMapped(address) ? AF_INET : AF_INET6
}

/** Writes a `sockaddr` at an offset that is a multiple of 4 and returns its length. `family` is the socket's: an IPv6
 *  socket takes IPv4 addresses in their mapped form. `scope` is the interface of a link-local address. */
export function writeSocketAddress(
  arena: Arena,
  offset: number,
  address: Readonly<AddressWords>,
  family: number = familyOf(address),
  scope = 0,
): number {
  const { data, u16, u32 } = arena
  u16[(offset + SOCKADDR_IN.family) >> 1] = family
  data.setUint16(offset + SOCKADDR_IN.port, address.port)
  if (family === AF_INET) {
    data.setUint32(offset + SOCKADDR_IN.address, address.word3)
    u32[(offset + SOCKADDR_IN.address + 4) >> 2] = 0
    u32[(offset + SOCKADDR_IN.address + 8) >> 2] = 0
    return SOCKADDR_IN.bytes
  }
  u32[(offset + SOCKADDR_IN6.flow) >> 2] = 0
  data.setUint32(offset + SOCKADDR_IN6.address, address.word0)
  data.setUint32(offset + SOCKADDR_IN6.address + 4, address.word1)
  data.setUint32(offset + SOCKADDR_IN6.address + 8, address.word2)
  data.setUint32(offset + SOCKADDR_IN6.address + 12, address.word3)
  u32[(offset + SOCKADDR_IN6.scope) >> 2] = scope
  return SOCKADDR_IN6.bytes
}

/** Reads the `sockaddr` at an offset that is a multiple of 4. False, and `::` with port 0, for any other family. */
export function readSocketAddress(arena: Arena, offset: number, into: AddressWords): boolean {
  const { data } = arena
  const family = arena.u16[(offset + SOCKADDR_IN.family) >> 1]
  if (family === AF_INET) {
    into.word0 = 0
    into.word1 = 0
    into.word2 = MAPPED
    into.word3 = data.getUint32(offset + SOCKADDR_IN.address)
    into.port = data.getUint16(offset + SOCKADDR_IN.port)
    return true
  }
  const known = family === AF_INET6
  into.word0 = known ? data.getUint32(offset + SOCKADDR_IN6.address) : 0
  into.word1 = known ? data.getUint32(offset + SOCKADDR_IN6.address + 4) : 0
  into.word2 = known ? data.getUint32(offset + SOCKADDR_IN6.address + 8) : 0
  into.word3 = known ? data.getUint32(offset + SOCKADDR_IN6.address + 12) : 0
  into.port = known ? data.getUint16(offset + SOCKADDR_IN6.port) : 0
  return known
}

/** The interface in the `sockaddr` at an offset: not 0 only for link-local addresses, which cannot be answered without it. */
export function readScope(arena: Arena, offset: number): number {
  if (arena.u16[(offset + SOCKADDR_IN6.family) >> 1] !== AF_INET6) return 0
  return arena.u32[(offset + SOCKADDR_IN6.scope) >> 2] as number
}
