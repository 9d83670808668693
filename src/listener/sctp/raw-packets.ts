import type { Arena } from '../../lib/libc/arena.ts'
import type { Calls } from '../../lib/libc/calls.ts'
import { AF_INET, AF_INET6, IPV6_PKTINFO, MSG_DONTWAIT, MSG_NOSIGNAL, SOL_IPV6 } from '../../lib/libc/constants.ts'
import { ERRNO } from '../../lib/libc/errno.ts'
import { IN6_PKTINFO, SOCKADDR_IN, SOCKADDR_IN6 } from '../../lib/libc/layout.ts'
import type { Libc } from '../../lib/libc/load.ts'
import { IoVectors, MessageBatch } from '../../lib/libc/message-batch.ts'
import { OVERSIZED_BYTES, OversizedPackets } from './oversized-packets.ts'
import type { PacketOutput } from './own-packets.ts'
import { Packet, readU16 } from './packet.ts'
import { copyWire, isMappedWire, MAPPED_WORD } from './wire-address.ts'

/** Packets taken from the kernel at once. */
const BATCH = 64
/** Batches after which the rest of the loop gets its turn. */
const MOST_BATCHES = 8
/** Room before a packet for the header that it will go out with. */
const HEADROOM = 64
/** The longest IP packet: peers on this machine hand over several packets in one. */
const LONGEST = 65_536
const SLOT_BYTES = HEADROOM + LONGEST
/** Room for packets that we write ourselves. */
const OWN_BYTES = 2_048
const OWN_SLOTS = 64
/** Packets that may wait to be sent. */
const QUEUE = BATCH + OWN_SLOTS
const IPV4_BYTES = 20
const IPV6_BYTES = 40
const PROTOCOL = 132
const HOPS = 64
const FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL

/** How much memory {@link RawPackets} takes of an arena. */
export const RAW_PACKETS_BYTES = BATCH * SLOT_BYTES + OWN_SLOTS * OWN_BYTES + (BATCH + QUEUE) * 256 + OVERSIZED_BYTES + 16_384

/** What happened to packets on their way out. */
export interface SendTally {
  sent: number
  /** The system had no room, or no way: SCTP sends them again. */
  dropped: number
}

/** SCTP packets of raw sockets, received and sent in batches. A packet that is passed on leaves from where it was received. */
export class RawPackets implements PacketOutput {
  readonly tally: SendTally = { sent: 0, dropped: 0 }
  readonly #calls: Calls
  readonly #errno: Int32Array
  readonly #arena: Arena
  readonly #incoming: MessageBatch
  readonly #outgoing: MessageBatch
  readonly #outVectors: IoVectors
  readonly #slots: number
  readonly #own: number
  readonly #packet: Packet
  readonly #take: (packet: Packet) => void
  readonly #oversized: OversizedPackets
  /** By family: AF_INET, AF_INET6; -1: there is none. */
  #fd4 = -1
  #fd6 = -1
  /** What waits to be sent, all of one family. */
  #queued = 0
  #queuedFd = -1
  /** Where each of it stands, without the IP header. */
  readonly #starts = new Int32Array(QUEUE)
  readonly #ends = new Int32Array(QUEUE)
  #ownUsed = 0

  /** Allocates in the arena, which has {@link RAW_PACKETS_BYTES}. `take` is given every packet that comes in. */
  constructor(libc: Libc, arena: Arena, take: (packet: Packet) => void) {
    this.#calls = libc.calls
    this.#errno = libc.errno
    this.#arena = arena
    this.#take = take
    this.#oversized = new OversizedPackets(libc, arena)
    this.#packet = new Packet(arena.u8)
    this.#slots = arena.allocate(BATCH * SLOT_BYTES, 64)
    this.#own = arena.allocate(OWN_SLOTS * OWN_BYTES, 64)
    this.#incoming = new MessageBatch(arena, BATCH)
    this.#outgoing = new MessageBatch(arena, QUEUE)
    const vectors = new IoVectors(arena, BATCH)
    for (let slot = 0; slot < BATCH; slot++) {
      vectors.set(slot, this.#slots + slot * SLOT_BYTES + HEADROOM, LONGEST)
      this.#incoming.setVectors(slot, vectors.offset(slot), 1)
      this.#incoming.arm(slot)
    }
    this.#outVectors = new IoVectors(arena, QUEUE)
    for (let slot = 0; slot < QUEUE; slot++) {
      this.#outgoing.setVectors(slot, this.#outVectors.offset(slot), 1)
      this.#outgoing.clearControl(slot)
    }
  }

  /** Uses these sockets, which stay their owner's; -1: there is none. */
  attach(fd4: number, fd6: number): void {
    this.#fd4 = fd4
    this.#fd6 = fd6
  }

  /** Takes what a socket has received, and sends what comes of it. */
  receive(fd: number): void {
    const incoming = this.#incoming
    for (let batch = 0; batch < MOST_BATCHES; batch++) {
      const count = this.#calls.recvmmsg(fd, incoming.address(0), BATCH, MSG_DONTWAIT, 0)
      for (let slot = 0; slot < count; slot++) {
        const readable = fd === this.#fd4 ? this.#readIpv4(slot) : this.#readIpv6(slot)
        incoming.rearm(slot)
        if (readable) this.#take(this.#packet)
      }
      // What is queued lies where the next packets will.
      this.flush()
      if (count < BATCH) return
    }
  }

  send(packet: Packet): void {
    const mapped = isMappedWire(packet.addresses, 4)
    const fd = mapped ? this.#fd4 : this.#fd6
    if (fd < 0) {
      this.tally.dropped++
      return
    }
    const foreign = packet.bytes !== this.#arena.u8
    if (fd !== this.#queuedFd || this.#queued === QUEUE || (foreign && this.#ownUsed === OWN_SLOTS)) this.flush()
    this.#queuedFd = fd
    const length = packet.end - packet.start
    let { start } = packet
    if (foreign) {
      start = this.#own + this.#ownUsed++ * OWN_BYTES + HEADROOM
      this.#arena.u8.set(packet.bytes.subarray(packet.start, packet.end), start)
    }
    const slot = this.#queued++
    const name = this.#outgoing.nameOffset(slot)
    if (mapped) {
      this.#writeIpv4(start - IPV4_BYTES, length, packet.addresses)
      this.#outVectors.set(slot, start - IPV4_BYTES, length + IPV4_BYTES)
      this.#outgoing.setName(slot, name, this.#nameIpv4(name, packet.addresses))
    } else {
      this.#writeIpv6(start - IPV6_BYTES, length, packet.addresses)
      this.#outVectors.set(slot, start - IPV6_BYTES, length + IPV6_BYTES)
      this.#outgoing.setName(slot, name, this.#nameIpv6(name, packet.addresses))
    }
    this.#starts[slot] = start
    this.#ends[slot] = start + length
  }

  /** Sends what waits. */
  flush(): void {
    const count = this.#queued
    if (count === 0) return
    const fd = this.#queuedFd
    let at = 0
    while (at < count) {
      const sent = this.#calls.sendmmsg(fd, this.#outgoing.address(at), count - at, FLAGS)
      if (sent > 0) {
        at += sent
        this.tally.sent += sent
        continue
      }
      const error = this.#errno[0] as number
      if (error === ERRNO.EMSGSIZE && this.#sendOversized(fd, at)) this.tally.sent++
      else this.tally.dropped++
      at++
    }
    this.#queued = 0
    this.#ownUsed = 0
  }

  #sendOversized(fd: number, slot: number): boolean {
    const packet = this.#packet
    packet.start = this.#starts[slot] as number
    packet.end = this.#ends[slot] as number
    const header = fd === this.#fd4 ? packet.start - IPV4_BYTES : packet.start - IPV6_BYTES
    if (fd === this.#fd4) this.#readIpv4Addresses(header)
    else {
      copyWire(this.#arena.i32, (header + 8) >> 2, packet.addresses, 0)
      copyWire(this.#arena.i32, (header + 24) >> 2, packet.addresses, 4)
    }
    return this.#oversized.send(fd, packet)
  }

  /** False: it is no packet. */
  #readIpv4(slot: number): boolean {
    const { u8 } = this.#arena
    const at = this.#slots + slot * SLOT_BYTES + HEADROOM
    const received = this.#incoming.length(slot)
    if (received < IPV4_BYTES) return false
    const header = ((u8[at] as number) & 15) << 2
    const packet = this.#packet
    packet.start = at + header
    // A packet whose length needs more than 16 bits has none in its header.
    packet.end = at + Math.min(received, readU16(u8, at + 2) || received)
    if (header < IPV4_BYTES || packet.start > packet.end) return false
    this.#readIpv4Addresses(at)
    return true
  }

  #readIpv4Addresses(header: number): void {
    const { i32 } = this.#arena
    const { addresses } = this.#packet
    addresses[0] = 0
    addresses[1] = 0
    addresses[2] = MAPPED_WORD
    addresses[3] = i32[(header + 12) >> 2] as number
    addresses[4] = 0
    addresses[5] = 0
    addresses[6] = MAPPED_WORD
    addresses[7] = i32[(header + 16) >> 2] as number
  }

  #readIpv6(slot: number): boolean {
    const { i32 } = this.#arena
    const packet = this.#packet
    const info = this.#incoming.findControl(slot, SOL_IPV6, IPV6_PKTINFO)
    if (info < 0) return false
    packet.start = this.#slots + slot * SLOT_BYTES + HEADROOM
    packet.end = packet.start + this.#incoming.length(slot)
    copyWire(i32, (this.#incoming.nameOffset(slot) + SOCKADDR_IN6.address) >> 2, packet.addresses, 0)
    copyWire(i32, (info + IN6_PKTINFO.address) >> 2, packet.addresses, 4)
    return true
  }

  /** The kernel fills in length, identification and checksum; routers may cut what does not fit, as the sender's own idea of what
   *  fits ends here. */
  #writeIpv4(at: number, length: number, addresses: Int32Array): void {
    const { i32, u8 } = this.#arena
    const word = at >> 2
    i32[word] = 0x45
    u8[at + 2] = (length + IPV4_BYTES) >>> 8
    u8[at + 3] = length + IPV4_BYTES
    i32[word + 1] = 0
    i32[word + 2] = HOPS | (PROTOCOL << 8)
    i32[word + 3] = addresses[3] as number
    i32[word + 4] = addresses[7] as number
  }

  #writeIpv6(at: number, length: number, addresses: Int32Array): void {
    const { i32, u8 } = this.#arena
    const word = at >> 2
    i32[word] = 0x60
    u8[at + 4] = length >>> 8
    u8[at + 5] = length
    u8[at + 6] = PROTOCOL
    u8[at + 7] = HOPS
    copyWire(addresses, 0, i32, word + 2)
    copyWire(addresses, 4, i32, word + 6)
  }

  #nameIpv4(at: number, addresses: Int32Array): number {
    const { i32 } = this.#arena
    i32[at >> 2] = AF_INET
    i32[(at + SOCKADDR_IN.address) >> 2] = addresses[7] as number
    return SOCKADDR_IN.bytes
  }

  #nameIpv6(at: number, addresses: Int32Array): number {
    const { i32 } = this.#arena
    i32[at >> 2] = AF_INET6
    i32[(at + SOCKADDR_IN6.flow) >> 2] = 0
    copyWire(addresses, 4, i32, (at + SOCKADDR_IN6.address) >> 2)
    i32[(at + SOCKADDR_IN6.scope) >> 2] = 0
    return SOCKADDR_IN6.bytes
  }
}
