import {
  AF_INET6,
  IP_BIND_ADDRESS_NO_PORT,
  IP_TRANSPARENT,
  IPV6_TRANSPARENT,
  SOL_IP,
  SOL_IPV6,
} from '../../lib/libc/constants.ts'
import { ERRNO } from '../../lib/libc/errno.ts'
import { INT_BYTES } from '../../lib/libc/option-values.ts'
import { familyOf, SOCKET_ADDRESS_BYTES, writeSocketAddress } from '../../lib/libc/socket-address.ts'
import type { ClientAddress } from '../../model/session.ts'
import type { Decision } from '../listener.ts'
import type { SourcePool } from '../source-pool.ts'
import type { EndpointAddresses } from './endpoint-addresses.ts'
import type { WorkerContext } from './worker-context.ts'

type Forward = Extract<Decision, { readonly do: 'forward' }>

/** Connects sockets to endpoints: from whatever address the kernel chooses, from their client's own, or from one of a pool. */
export class Connector {
  readonly #context: WorkerContext
  readonly #addresses: EndpointAddresses
  readonly #offset: number
  readonly #source: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }

  constructor(context: WorkerContext, addresses: EndpointAddresses) {
    this.#context = context
    this.#addresses = addresses
    this.#offset = context.arena.allocate(SOCKET_ADDRESS_BYTES)
  }

  /** Connects a new socket as a decision says: 0, or the errno. A client of another family than the endpoint's, which a PROXY
   *  header may name, cannot be seen: that is connected as if nothing were asked for. */
  connect(fd: number, { lease, transparent, sources }: Forward, client: ClientAddress): number {
    if (transparent && familyOf(client) === this.#addresses.family(lease)) {
      const unbound = this.#bindTransparent(fd, lease, client)
      return unbound === 0 ? this.#call(fd, lease) : unbound
    }
    return sources === undefined ? this.#call(fd, lease) : this.#connectFrom(fd, lease, sources)
  }

  /** Tries one address of a pool after the other, for as long as it is ports that are missing. */
  #connectFrom(fd: number, lease: number, sources: SourcePool): number {
    const first = sources.begin()
    let at = first
    for (;;) {
      const unbound = this.#bind(fd, lease, sources.addresses[at] as ClientAddress)
      const error = unbound === 0 ? this.#call(fd, lease) : unbound
      at = sources.after(at)
      if (at === first || !isPortless(error)) return error
    }
  }

  #call(fd: number, lease: number): number {
    const { calls, errno } = this.#context
    return calls.connect(fd, this.#addresses.address(lease), this.#addresses.bytes(lease)) === 0 ? 0 : (errno[0] as number)
  }

  /** The port is another one than the client's, which may be connected to the same endpoint by way of another of our
   *  addresses. */
  #bindTransparent(fd: number, lease: number, client: ClientAddress): number {
    const { calls, values, errno } = this.#context
    const ipv6 = this.#addresses.family(lease) === AF_INET6
    const source = this.#source
    source.word0 = client.word0
    source.word1 = client.word1
    source.word2 = client.word2
    source.word3 = client.word3
    const option = ipv6 ? IPV6_TRANSPARENT : IP_TRANSPARENT
    if (calls.setsockopt(fd, ipv6 ? SOL_IPV6 : SOL_IP, option, values.one, INT_BYTES) < 0) return errno[0] as number
    return this.#bind(fd, lease, source)
  }

  /** The kernel chooses the port when it knows the endpoint: one port then serves for many of them. */
  #bind(fd: number, lease: number, source: ClientAddress): number {
    const { calls, arena, values, errno } = this.#context
    if (calls.setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, values.one, INT_BYTES) < 0) return errno[0] as number
    const bytes = writeSocketAddress(arena, this.#offset, source, this.#addresses.family(lease))
    return calls.bind(fd, arena.addressOf(this.#offset), bytes) < 0 ? (errno[0] as number) : 0
  }
}

/** Whether an address has no port left, or is not this machine's. */
function isPortless(error: number): boolean {
  return error === ERRNO.EADDRNOTAVAIL || error === ERRNO.EADDRINUSE || error === ERRNO.EAGAIN
}
