import type { Arena } from '../../lib/libc/arena.ts'
import {
  AF_INET,
  AF_INET6,
  IP_HDRINCL,
  IP_MTU,
  IPV6_HDRINCL,
  IPV6_MTU,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOL_IP,
  SOL_IPV6,
} from '../../lib/libc/constants.ts'
import type { Libc } from '../../lib/libc/load.ts'
import { IoVectors, MessageBatch } from '../../lib/libc/message-batch.ts'
import { INT_BYTES, OptionValues } from '../../lib/libc/option-values.ts'
import { addDepartureAddress } from '../../lib/libc/packet-info.ts'
import { writeSocketAddress } from '../../lib/libc/socket-address.ts'
import type { ClientAddress } from '../../model/session.ts'
import { isIntact } from './checksum.ts'
import { cutPacket } from './cut-packet.ts'
import { Packet } from './packet.ts'
import { fromWire, isMappedWire } from './wire-address.ts'

const LONGEST = 65_536
const HEADER_BYTES = { 4: 20, 6: 40 } as const
const FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL
/** What every IPv6 link carries: enough for an answer that never comes. */
const LEAST_MTU = 1280

/** How much memory {@link OversizedPackets} takes of an arena. */
export const OVERSIZED_BYTES = LONGEST + 1_024

/** Sends packets that are longer than the interface they leave by carries. They come from peers on this machine, whose kernel hands
 *  over several packets in one and leaves the cutting to hardware, or by an interface that carries more. The first kind is cut
 *  between its chunks; a chunk that is too long by itself is sent in IP fragments. One at a time: none of this is usual. */
export class OversizedPackets {
  readonly #libc: Libc
  readonly #arena: Arena
  readonly #values: OptionValues
  readonly #message: MessageBatch
  readonly #vector: IoVectors
  readonly #part: Packet
  readonly #length: number
  readonly #address: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }

  /** Allocates in the arena, which has {@link OVERSIZED_BYTES}. */
  constructor(libc: Libc, arena: Arena) {
    this.#libc = libc
    this.#arena = arena
    this.#values = new OptionValues(arena)
    this.#message = new MessageBatch(arena, 1)
    this.#vector = new IoVectors(arena, 1)
    this.#message.setVectors(0, this.#vector.offset(0), 1)
    this.#part = new Packet(arena.u8)
    this.#part.start = arena.allocate(LONGEST, 64)
    this.#length = arena.allocate(INT_BYTES)
  }

  /** Sends a packet, whose bytes are in the arena, by a raw socket; false: at least a part of it was not sent. */
  send(fd: number, packet: Packet): boolean {
    const family = isMappedWire(packet.addresses, 4) ? 4 : 6
    const mostBytes = this.#mtuTo(packet, family) - HEADER_BYTES[family]
    // Cutting makes new checksums, which must not make a damaged packet look whole.
    if (!isIntact(packet.bytes, packet.start, packet.end)) return false
    this.#setHeaderIncluded(fd, family, this.#values.zero)
    const sent = cutPacket(packet, mostBytes, this.#part, (part) => this.#sendPart(fd, part))
    this.#setHeaderIncluded(fd, family, this.#values.one)
    return sent
  }

  /** The kernel writes the header, and makes fragments of what is still too long. */
  #sendPart(fd: number, { addresses, start, end }: Packet): boolean {
    const message = this.#message
    this.#vector.set(0, start, end - start)
    fromWire(addresses, 4, 0, this.#address)
    const name = message.nameOffset(0)
    message.setName(0, name, writeSocketAddress(this.#arena, name, this.#address))
    message.clearControl(0)
    fromWire(addresses, 0, 0, this.#address)
    addDepartureAddress(this.#arena, message, 0, this.#address)
    return this.#libc.calls.sendmmsg(fd, message.address(0), 1, FLAGS) === 1
  }

  #setHeaderIncluded(fd: number, family: 4 | 6, value: number): void {
    const { calls } = this.#libc
    calls.setsockopt(fd, family === 4 ? SOL_IP : SOL_IPV6, family === 4 ? IP_HDRINCL : IPV6_HDRINCL, value, INT_BYTES)
  }

  /** What the way to a packet's destination carries, as far as the kernel knows. */
  #mtuTo({ addresses }: Packet, family: 4 | 6): number {
    const { calls } = this.#libc
    fromWire(addresses, 4, 9, this.#address)
    const name = this.#message.nameOffset(0)
    const bytes = writeSocketAddress(this.#arena, name, this.#address)
    const fd = calls.socket(family === 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)
    if (fd < 0) return LEAST_MTU
    this.#arena.i32[this.#length >> 2] = INT_BYTES
    const length = this.#arena.addressOf(this.#length)
    const [level, option] = family === 4 ? [SOL_IP, IP_MTU] : [SOL_IPV6, IPV6_MTU]
    const told =
      calls.connect(fd, this.#arena.addressOf(name), bytes) === 0 &&
      calls.getsockopt(fd, level, option, this.#values.cellAddress, length) === 0
    calls.close(fd)
    return told ? this.#values.cell : LEAST_MTU
  }
}
