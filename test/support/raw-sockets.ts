import { type Arena, openArena } from '../../src/lib/libc/arena.ts'
import {
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SHUT_WR,
  SO_LINGER,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  SOL_TCP,
  SOL_UDP,
  TCP_NODELAY,
  UDP_SEGMENT,
} from '../../src/lib/libc/constants.ts'
import { ERRNO } from '../../src/lib/libc/errno.ts'
import { type Libc, loadLibc } from '../../src/lib/libc/load.ts'
import { INT_BYTES, LINGER_BYTES, OptionValues } from '../../src/lib/libc/option-values.ts'
import { familyOf, SOCKET_ADDRESS_BYTES, writeSocketAddress } from '../../src/lib/libc/socket-address.ts'
import { type BoundSocket, openSockets, type Sockets } from '../../src/lib/libc/sockets.ts'
import { fillClientAddress } from '../../src/model/address.ts'
import type { Ip, Port, SocketAddress } from '../../src/model/keys.ts'

const ROOM_BYTES = 512 * 1024
/** Not among the constants: nothing of ours sends urgent data. */
const MSG_OOB = 1

/** Sockets without Node in between: what is asked for happens at once. Connecting waits, nothing else does. */
export class RawSockets implements Disposable {
  readonly #libc: Libc
  readonly #arena: Arena
  readonly #sockets: Sockets
  readonly #values: OptionValues
  readonly #address: number
  readonly #data: number
  readonly #open = new Set<number>()

  constructor() {
    this.#libc = loadLibc().libc as Libc
    this.#arena = openArena(this.#libc, ROOM_BYTES + 65_536)
    this.#sockets = openSockets(this.#libc)
    this.#values = new OptionValues(this.#arena)
    this.#address = this.#arena.allocate(SOCKET_ADDRESS_BYTES)
    this.#data = this.#arena.allocate(ROOM_BYTES)
  }

  connect(address: SocketAddress): number {
    return this.#connected(SOCK_STREAM, address)
  }

  /** Listens on a free port of `ip`. */
  listen(ip: string): { readonly fd: number; readonly address: SocketAddress } {
    const wanted = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
    fillClientAddress(ip, 0, wanted)
    const { value } = this.#sockets.listenTcp({ address: wanted, backlog: 1024 }) as { value: BoundSocket }
    this.#open.add(value.fd)
    return { fd: value.fd, address: { ip: ip as Ip, port: value.address.port as Port } }
  }

  /** The next connection that has come; undefined: none. */
  accept(listener: number): number | undefined {
    const fd = this.#libc.calls.accept4(listener, 0, 0, SOCK_CLOEXEC)
    if (fd < 0) return undefined
    this.#open.add(fd)
    this.#sockets.options.setInt(fd, SOL_TCP, TCP_NODELAY, 1)
    return fd
  }

  /** A UDP socket; `segmentBytes`: what it sends is cut into datagrams of that size by the kernel. */
  udp(address: SocketAddress, segmentBytes = 0): number {
    const fd = this.#connected(SOCK_DGRAM, address)
    if (segmentBytes > 0) this.#libc.calls.setsockopt(fd, SOL_UDP, UDP_SEGMENT, this.#values.int(segmentBytes), INT_BYTES)
    return fd
  }

  /** How many bytes the system took: 0 if it has no room, -1 if the other side is gone. */
  send(fd: number, data: string | Uint8Array, flags = 0): number {
    const bytes = Buffer.from(data as string).subarray(0, ROOM_BYTES)
    this.#arena.u8.set(bytes, this.#data)
    const sent = this.#libc.calls.send(fd, this.#arena.addressOf(this.#data), bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL | flags)
    return sent < 0 && this.#libc.errno[0] === ERRNO.EAGAIN ? 0 : sent
  }

  sendUrgent(fd: number, byte: string): void {
    this.send(fd, byte, MSG_OOB)
  }

  /** What has come: one datagram, or what a stream has, at most 64 KiB. Or how the other side went; or nothing. */
  receive(fd: number): Buffer | 'empty' | 'end' | 'reset' {
    const bytes = this.#libc.calls.recv(fd, this.#arena.addressOf(this.#data), 65_536, MSG_DONTWAIT)
    if (bytes > 0) return Buffer.from(this.#arena.u8.subarray(this.#data, this.#data + bytes))
    if (bytes === 0) return 'end'
    return this.#libc.errno[0] === ERRNO.EAGAIN ? 'empty' : 'reset'
  }

  /** Bytes that were sent and that the other end of the wire does not have yet: a reset takes them back. */
  unacknowledged(fd: number): number {
    const unsent = this.#sockets.options.unsentBytes(fd)
    return unsent.failed ? 0 : unsent.value
  }

  /** Bytes that have come and were not read. */
  unread(fd: number): number {
    const unread = this.#sockets.options.unreadBytes(fd)
    return unread.failed ? 0 : unread.value
  }

  halfClose(fd: number): void {
    this.#libc.calls.shutdown(fd, SHUT_WR)
  }

  reset(fd: number): void {
    this.#libc.calls.setsockopt(fd, SOL_SOCKET, SO_LINGER, this.#values.reset, LINGER_BYTES)
    this.close(fd)
  }

  close(fd: number): void {
    if (this.#open.delete(fd)) this.#libc.calls.close(fd)
  }

  [Symbol.dispose](): void {
    for (const fd of [...this.#open]) this.close(fd)
    this.#sockets[Symbol.dispose]()
    this.#arena[Symbol.dispose]()
  }

  #connected(type: number, { ip, port }: SocketAddress): number {
    const address = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
    fillClientAddress(ip, port, address)
    const fd = this.#libc.calls.socket(familyOf(address), type | SOCK_CLOEXEC, 0)
    this.#open.add(fd)
    if (type === SOCK_STREAM) this.#sockets.options.setInt(fd, SOL_TCP, TCP_NODELAY, 1)
    const bytes = writeSocketAddress(this.#arena, this.#address, address)
    if (this.#libc.calls.connect(fd, this.#arena.addressOf(this.#address), bytes) < 0) {
      throw new Error(`connect ${ip}:${port}: errno ${this.#libc.errno[0]}`)
    }
    return fd
  }
}
