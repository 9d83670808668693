import type { Arena } from './arena.ts'
import { IP_PKTINFO, IPV6_PKTINFO, SOL_IP, SOL_IPV6 } from './constants.ts'
import { IN_PKTINFO, IN6_PKTINFO } from './layout.ts'
import type { MessageBatch } from './message-batch.ts'
import type { AddressWords } from './socket-address.ts'
import { isMapped } from './socket-address.ts'

/** Reads to which of our addresses a datagram came, where the socket was asked to tell (`packetInfo`). The port is left
 *  alone: it is the socket's. False when the datagram does not say. */
export function readArrivalAddress(arena: Arena, batch: MessageBatch, slot: number, into: AddressWords): boolean {
  const { data } = arena
  const info = batch.findControl(slot, SOL_IP, IP_PKTINFO)
  if (info >= 0) {
    into.word0 = 0
    into.word1 = 0
    into.word2 = 0xffff
    into.word3 = data.getUint32(info + IN_PKTINFO.destination)
    return true
  }
  const info6 = batch.findControl(slot, SOL_IPV6, IPV6_PKTINFO)
  if (info6 < 0) return false
  into.word0 = data.getUint32(info6 + IN6_PKTINFO.address)
  into.word1 = data.getUint32(info6 + IN6_PKTINFO.address + 4)
  into.word2 = data.getUint32(info6 + IN6_PKTINFO.address + 8)
  into.word3 = data.getUint32(info6 + IN6_PKTINFO.address + 12)
  return true
}

/** Sends a slot's datagram from `address` instead of what routing would choose; after `clearControl`. The socket's family
 *  is that of the address. */
export function addDepartureAddress(arena: Arena, batch: MessageBatch, slot: number, address: Readonly<AddressWords>): void {
  const { data, u32 } = arena
  if (isMapped(address)) {
    const info = batch.addControl(slot, SOL_IP, IP_PKTINFO, IN_PKTINFO.bytes)
    u32[(info + IN_PKTINFO.interface) >> 2] = 0
    data.setUint32(info + IN_PKTINFO.local, address.word3)
    u32[(info + IN_PKTINFO.destination) >> 2] = 0
    return
  }
  const info = batch.addControl(slot, SOL_IPV6, IPV6_PKTINFO, IN6_PKTINFO.bytes)
  data.setUint32(info + IN6_PKTINFO.address, address.word0)
  data.setUint32(info + IN6_PKTINFO.address + 4, address.word1)
  data.setUint32(info + IN6_PKTINFO.address + 8, address.word2)
  data.setUint32(info + IN6_PKTINFO.address + 12, address.word3)
  u32[(info + IN6_PKTINFO.interface) >> 2] = 0
}
