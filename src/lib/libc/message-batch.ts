import { ProxyError } from '../errors.ts'
import type { Arena } from './arena.ts'
import { SOL_UDP, UDP_GRO, UDP_SEGMENT } from './constants.ts'
import { CMSGHDR, IOVEC, MMSGHDR, MSGHDR } from './layout.ts'

/** Room for a GRO size and the arrival address of either family: what a datagram's control messages are. */
const DATAGRAM_CONTROL_BYTES = 64
const NAME_BYTES = 32
const HIGH = 2 ** 32

function writePointer(words: Uint32Array, word: number, address: number): void {
  words[word] = address
  words[word + 1] = address / HIGH
}

/** Buffers that messages are read into or sent from; a message has a run of them. */
export class IoVectors {
  readonly capacity: number
  readonly #offset: number
  readonly #address: number
  readonly #words: Uint32Array

  constructor(arena: Arena, capacity: number) {
    this.capacity = capacity
    this.#offset = arena.allocate(capacity * IOVEC.bytes, 64)
    this.#address = arena.address
    this.#words = arena.u32
  }

  /** Points vector `index` at `bytes` from arena offset `offset` on. */
  set(index: number, offset: number, bytes: number): void {
    const word = (this.#offset + index * IOVEC.bytes) >> 2
    writePointer(this.#words, word, this.#address + offset)
    this.#words[word + 2] = bytes
  }

  /** Where vector `index` stands: for {@link MessageBatch.setVectors}. */
  offset(index: number): number {
    return this.#offset + index * IOVEC.bytes
  }
}

/** Headers for `recvmmsg` and `sendmmsg`, or one at a time for `recvmsg` and `sendmsg`. Every slot has room of its own for a
 *  peer's address and for control messages; its data is where its vectors point. */
export class MessageBatch {
  readonly capacity: number
  readonly #arena: Arena
  readonly #words: Uint32Array
  readonly #headers: number
  readonly #names: number
  readonly #controls: number
  readonly #controlBytes: number

  constructor(arena: Arena, capacity: number, controlBytes: number = DATAGRAM_CONTROL_BYTES) {
    this.capacity = capacity
    this.#arena = arena
    this.#words = arena.u32
    this.#headers = arena.allocate(capacity * MMSGHDR.bytes, 64)
    this.#names = arena.allocate(capacity * NAME_BYTES, 64)
    this.#controlBytes = Math.ceil(controlBytes / CMSGHDR.alignment) * CMSGHDR.alignment
    this.#controls = arena.allocate(capacity * this.#controlBytes, 64)
  }

  /** For the calls: the headers from `slot` on. */
  address(slot: number): number {
    return this.#arena.address + this.#headers + slot * MMSGHDR.bytes
  }

  /** `count` vectors from the one at `offset` (of {@link IoVectors.offset}) on. */
  setVectors(slot: number, offset: number, count: number): void {
    const word = (this.#headers + slot * MMSGHDR.bytes + MSGHDR.vectors) >> 2
    writePointer(this.#words, word, this.#arena.address + offset)
    this.#words[word + 2] = count
  }

  // --- receiving

  /** Lets a slot receive: the peer's address and control messages into its own room. Once per slot, then {@link rearm}. */
  arm(slot: number): void {
    const header = (this.#headers + slot * MMSGHDR.bytes) >> 2
    const base = this.#arena.address
    writePointer(this.#words, header + (MSGHDR.name >> 2), base + this.nameOffset(slot))
    writePointer(this.#words, header + (MSGHDR.control >> 2), base + this.#controls + slot * this.#controlBytes)
    this.rearm(slot)
  }

  /** Gives a slot its room back: the kernel overwrites the lengths each time. */
  rearm(slot: number): void {
    const header = (this.#headers + slot * MMSGHDR.bytes) >> 2
    this.#words[header + (MSGHDR.nameLength >> 2)] = NAME_BYTES
    this.#words[header + (MSGHDR.controlLength >> 2)] = this.#controlBytes
    this.#words[header + (MSGHDR.flags >> 2)] = 0
  }

  /** Bytes that were received or sent; of the `recvmmsg` and `sendmmsg` calls only. */
  length(slot: number): number {
    return this.#words[(this.#headers + slot * MMSGHDR.bytes + MMSGHDR.length) >> 2] as number
  }

  /** Bits of `MSG_TRUNC` and its kin. */
  flags(slot: number): number {
    return this.#words[(this.#headers + slot * MMSGHDR.bytes + MSGHDR.flags) >> 2] as number
  }

  /** Where the slot's room for a peer's address is; its length after receiving is {@link nameLength}. */
  nameOffset(slot: number): number {
    return this.#names + slot * NAME_BYTES
  }

  nameLength(slot: number): number {
    return this.#words[(this.#headers + slot * MMSGHDR.bytes + MSGHDR.nameLength) >> 2] as number
  }

  /** The size of the datagrams that were joined in this slot (the last may be shorter), or 0: it holds one. */
  segmentSize(slot: number): number {
    if (this.#words[(this.#headers + slot * MMSGHDR.bytes + MSGHDR.controlLength) >> 2] === 0) return 0
    const offset = this.findControl(slot, SOL_UDP, UDP_GRO)
    return offset < 0 ? 0 : (this.#words[offset >> 2] as number)
  }

  /** Where the data of a received control message begins, or -1. */
  findControl(slot: number, level: number, type: number): number {
    const words = this.#words
    let at = this.#controls + slot * this.#controlBytes
    const end = at + (words[(this.#headers + slot * MMSGHDR.bytes + MSGHDR.controlLength) >> 2] as number)
    while (at + CMSGHDR.data <= end) {
      if (words[(at + CMSGHDR.level) >> 2] === level && words[(at + CMSGHDR.type) >> 2] === type) return at + CMSGHDR.data
      const length = words[(at + CMSGHDR.length) >> 2] as number
      if (length < CMSGHDR.data) return -1
      at += (length + CMSGHDR.alignment - 1) & -CMSGHDR.alignment
    }
    return -1
  }

  /** How many bytes of data the control message has whose data begins at `offset`. */
  controlDataBytes(offset: number): number {
    return (this.#words[(offset - CMSGHDR.data + CMSGHDR.length) >> 2] as number) - CMSGHDR.data
  }

  // --- sending

  /** Sends to the `sockaddr` at an arena offset; 0 bytes: to whom the socket is connected. */
  setName(slot: number, offset: number, bytes: number): void {
    const header = (this.#headers + slot * MMSGHDR.bytes) >> 2
    writePointer(this.#words, header + (MSGHDR.name >> 2), bytes === 0 ? 0 : this.#arena.address + offset)
    this.#words[header + (MSGHDR.nameLength >> 2)] = bytes
  }

  /** Sends without control messages, until one is added. */
  clearControl(slot: number): void {
    const header = (this.#headers + slot * MMSGHDR.bytes) >> 2
    writePointer(this.#words, header + (MSGHDR.control >> 2), 0)
    this.#words[header + (MSGHDR.controlLength >> 2)] = 0
  }

  /** Appends a control message and returns the offset for its data, which the caller writes. */
  addControl(slot: number, level: number, type: number, dataBytes: number): number {
    const words = this.#words
    const header = (this.#headers + slot * MMSGHDR.bytes) >> 2
    const used = words[header + (MSGHDR.controlLength >> 2)] as number
    const start = this.#controls + slot * this.#controlBytes
    const end = used + ((CMSGHDR.data + dataBytes + CMSGHDR.alignment - 1) & -CMSGHDR.alignment)
    if (end > this.#controlBytes)
      throw new ProxyError('E_INTERNAL', 'bug', `control messages: ${end} bytes, room ${this.#controlBytes}`)
    const word = (start + used) >> 2
    words[word] = CMSGHDR.data + dataBytes
    words[word + 1] = 0
    words[word + (CMSGHDR.level >> 2)] = level
    words[word + (CMSGHDR.type >> 2)] = type
    writePointer(words, header + (MSGHDR.control >> 2), this.#arena.address + start)
    words[header + (MSGHDR.controlLength >> 2)] = end
    return start + used + CMSGHDR.data
  }

  /** Has the kernel cut the slot's bytes into datagrams of `bytes`; after {@link clearControl}. */
  setSegmentSize(slot: number, bytes: number): void {
    this.#arena.u16[this.addControl(slot, SOL_UDP, UDP_SEGMENT, Uint16Array.BYTES_PER_ELEMENT) >> 1] = bytes
  }
}
