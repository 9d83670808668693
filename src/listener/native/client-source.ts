import {
  AF_INET6,
  IP_BIND_ADDRESS_NO_PORT,
  IP_TRANSPARENT,
  IPV6_TRANSPARENT,
  SOL_IP,
  SOL_IPV6,
} from '../../lib/libc/constants.ts'
import { INT_BYTES } from '../../lib/libc/option-values.ts'
import { familyOf, SOCKET_ADDRESS_BYTES, writeSocketAddress } from '../../lib/libc/socket-address.ts'
import type { ClientAddress } from '../../model/session.ts'
import type { WorkerContext } from './worker-context.ts'

/** Lets sockets to endpoints leave from their client's own address. */
export class ClientSource {
  readonly #context: WorkerContext
  readonly #offset: number
  readonly #source: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }

  constructor(context: WorkerContext) {
    this.#context = context
    this.#offset = context.arena.allocate(SOCKET_ADDRESS_BYTES)
  }

  /** Binds a socket of `family` before it is connected: 0, or the errno. A client of the other family, which a PROXY header
   *  may name, cannot be seen: that leaves the socket as it is. The port is another one than the client's, which may
   *  be connected to the same endpoint by way of another of our addresses. */
  bind(fd: number, family: number, client: ClientAddress): number {
    const { calls, arena, values, errno } = this.#context
    if (familyOf(client) !== family) return 0
    const ipv6 = family === AF_INET6
    const source = this.#source
    source.word0 = client.word0
    source.word1 = client.word1
    source.word2 = client.word2
    source.word3 = client.word3
    const option = ipv6 ? IPV6_TRANSPARENT : IP_TRANSPARENT
    if (calls.setsockopt(fd, ipv6 ? SOL_IPV6 : SOL_IP, option, values.one, INT_BYTES) < 0) return errno[0] as number
    // The kernel chooses the port when it knows the endpoint: one port then serves for many of them.
    if (calls.setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, values.one, INT_BYTES) < 0) return errno[0] as number
    const bytes = writeSocketAddress(arena, this.#offset, source, family)
    return calls.bind(fd, arena.addressOf(this.#offset), bytes) < 0 ? (errno[0] as number) : 0
  }
}
