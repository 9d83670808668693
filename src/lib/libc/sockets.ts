import type { Arena } from './arena.ts'
import { openArena } from './arena.ts'
import {
  AF_INET,
  AF_INET6,
  IP_FREEBIND,
  IP_PKTINFO,
  IP_TRANSPARENT,
  IPV6_FREEBIND,
  IPV6_RECVPKTINFO,
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_IP,
  SOL_IPV6,
  SOL_SOCKET,
  SOL_TCP,
  SOL_UDP,
  TCP_DEFER_ACCEPT,
  TCP_NODELAY,
  UDP_GRO,
} from './constants.ts'
import { DescriptorLimits } from './descriptor-limit.ts'
import type { Libc } from './load.ts'
import { INT_BYTES } from './option-values.ts'
import type { FailedCall, Outcome } from './outcome.ts'
import { failureOf } from './outcome.ts'
import type { AddressWords } from './socket-address.ts'
import { familyOf, readSocketAddress, SOCKET_ADDRESS_BYTES, writeSocketAddress } from './socket-address.ts'
import { SocketOptions } from './socket-options.ts'

/** How members of a group that shares an address bind. The first member binds alone, so that an address in use is noticed,
 *  and then lets others in; these join. */
export type ReusePort = 'none' | 'first' | 'join'

/** What is the same for TCP and UDP sockets that clients come to. */
export interface ListenOptions {
  readonly address: Readonly<AddressWords>
  readonly reusePort?: ReusePort
  /** Default true: an IPv6 socket takes no IPv4 clients. */
  readonly ipv6Only?: boolean
  /** Binds although no interface has the address. */
  readonly freeBind?: boolean
}

/** What {@link Sockets.listenTcp} takes. */
export interface ListenTcpOptions extends ListenOptions {
  readonly backlog: number
  /** Default true; accepted sockets inherit it. */
  readonly noDelay?: boolean
  /** Clients are accepted only once they have spoken; the handshake may wait this long for it. */
  readonly deferAcceptSeconds?: number
}

/** What {@link Sockets.bindUdp} takes. */
export interface BindUdpOptions extends ListenOptions {
  /** Asked for; the system's limit may give less. */
  readonly bufferBytes?: number
  /** Lets the kernel join equal datagrams of one client; where it cannot, `gro` of the result is false. */
  readonly gro?: boolean
  /** Each datagram tells the address it came to: needed where the socket is bound to all of them. */
  readonly packetInfo?: boolean
}

/** A socket that is bound, and to what (the port that was chosen where 0 was asked for). */
export interface BoundSocket {
  readonly fd: number
  readonly address: Readonly<AddressWords>
}

/** Makes the {@link Sockets} of the calling thread; throws `E_ENGINE` without memory. */
export function openSockets(libc: Libc): Sockets {
  return new Sockets(libc, openArena(libc, 4096))
}

/** Sockets outside the hot path: opened and asked one at a time, errors as values. Descriptors made here are unknown to
 *  Node: nobody closes them but their owner. */
export class Sockets implements Disposable {
  readonly options: SocketOptions
  readonly limits: DescriptorLimits
  readonly #libc: Libc
  readonly #arena: Arena
  readonly #room: number
  readonly #length: number

  /** Takes the arena; {@link openSockets} makes it. */
  constructor(libc: Libc, arena: Arena) {
    this.options = new SocketOptions(libc, arena)
    this.limits = new DescriptorLimits(libc, arena)
    this.#libc = libc
    this.#arena = arena
    this.#room = arena.allocate(SOCKET_ADDRESS_BYTES)
    this.#length = arena.allocate(INT_BYTES)
  }

  /** Opens a TCP socket that listens, non-blocking. */
  listenTcp(wanted: ListenTcpOptions): Outcome<BoundSocket> {
    return this.#open(SOCK_STREAM, wanted, (fd) => {
      const seconds = wanted.deferAcceptSeconds
      return (
        this.options.setInt(fd, SOL_SOCKET, SO_REUSEADDR, 1) ??
        this.options.setInt(fd, SOL_TCP, TCP_NODELAY, wanted.noDelay === false ? 0 : 1) ??
        (seconds === undefined ? undefined : this.options.setInt(fd, SOL_TCP, TCP_DEFER_ACCEPT, seconds)) ??
        this.#bind(fd, wanted) ??
        failureOf(this.#libc, 'listen', this.#libc.calls.listen(fd, wanted.backlog))
      )
    })
  }

  /** Opens a bound UDP socket, non-blocking. */
  bindUdp(wanted: BindUdpOptions): Outcome<BoundSocket & { readonly gro: boolean }> {
    let gro = false
    const opened = this.#open(SOCK_DGRAM, wanted, (fd) => {
      if (wanted.bufferBytes !== undefined) this.options.setBuffers(fd, wanted.bufferBytes)
      if (wanted.gro) gro = this.options.setInt(fd, SOL_UDP, UDP_GRO, 1) === undefined
      return (wanted.packetInfo ? this.#tellPacketInfo(fd, wanted) : undefined) ?? this.#bind(fd, wanted)
    })
    return opened.failed ? opened : { value: { ...opened.value, gro } }
  }

  /** Whether this process may give sockets addresses of others (`IP_TRANSPARENT`: CAP_NET_ADMIN or CAP_NET_RAW). */
  mayBeTransparent(): boolean {
    const fd = this.#libc.calls.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)
    if (fd < 0) return false
    const refused = this.options.setInt(fd, SOL_IP, IP_TRANSPARENT, 1)
    this.#libc.calls.close(fd)
    return refused === undefined
  }

  /** The address a socket is bound to. */
  localAddress(fd: number): Outcome<AddressWords> {
    return this.#addressBy('getsockname', fd)
  }

  /** The address a socket is connected to. */
  peerAddress(fd: number): Outcome<AddressWords> {
    return this.#addressBy('getpeername', fd)
  }

  [Symbol.dispose](): void {
    this.#arena[Symbol.dispose]()
  }

  #open(type: number, wanted: ListenOptions, prepare: (fd: number) => FailedCall | undefined): Outcome<BoundSocket> {
    const { calls } = this.#libc
    const fd = calls.socket(familyOf(wanted.address), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    const refused = failureOf(this.#libc, 'socket', fd)
    if (refused) return { failed: refused }
    const unprepared = prepare(fd)
    const address: Outcome<AddressWords> = unprepared ? { failed: unprepared } : this.localAddress(fd)
    if (!address.failed) return { value: { fd, address: address.value } }
    calls.close(fd)
    return address
  }

  #bind(fd: number, wanted: ListenOptions): FailedCall | undefined {
    const family = familyOf(wanted.address)
    const ipv6 = family === AF_INET6
    const refused =
      (ipv6 ? this.options.setInt(fd, SOL_IPV6, IPV6_V6ONLY, wanted.ipv6Only === false ? 0 : 1) : undefined) ??
      (wanted.freeBind ? this.options.setInt(fd, ipv6 ? SOL_IPV6 : SOL_IP, ipv6 ? IPV6_FREEBIND : IP_FREEBIND, 1) : undefined) ??
      (wanted.reusePort === 'join' ? this.options.setInt(fd, SOL_SOCKET, SO_REUSEPORT, 1) : undefined)
    if (refused) return refused
    const bytes = writeSocketAddress(this.#arena, this.#room, wanted.address, family)
    const unbound = failureOf(this.#libc, 'bind', this.#libc.calls.bind(fd, this.#arena.addressOf(this.#room), bytes))
    return unbound ?? (wanted.reusePort === 'first' ? this.options.setInt(fd, SOL_SOCKET, SO_REUSEPORT, 1) : undefined)
  }

  #tellPacketInfo(fd: number, wanted: ListenOptions): FailedCall | undefined {
    const ipv6 = familyOf(wanted.address) === AF_INET6
    return this.options.setInt(fd, ipv6 ? SOL_IPV6 : SOL_IP, ipv6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1)
  }

  #addressBy(call: 'getsockname' | 'getpeername', fd: number): Outcome<AddressWords> {
    const arena = this.#arena
    arena.i32[this.#length >> 2] = SOCKET_ADDRESS_BYTES
    const result = this.#libc.calls[call](fd, arena.addressOf(this.#room), arena.addressOf(this.#length))
    const failed = failureOf(this.#libc, call, result)
    if (failed) return { failed }
    const value = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
    return readSocketAddress(arena, this.#room, value) ? { value } : { failed: { call, errno: 'EAFNOSUPPORT' } }
  }
}
