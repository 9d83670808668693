import type { Clock } from '../../lib/clock.ts'
import type { Arena } from '../../lib/libc/arena.ts'
import { AF_INET6, SOCK_CLOEXEC, SOCK_DGRAM } from '../../lib/libc/constants.ts'
import { SOCKADDR_IN6 } from '../../lib/libc/layout.ts'
import type { Libc } from '../../lib/libc/load.ts'
import { familyOf, readSocketAddress, SOCKET_ADDRESS_BYTES, writeSocketAddress } from '../../lib/libc/socket-address.ts'
import { fillClientAddress } from '../../model/address.ts'
import type { RouteEndpoint } from '../../model/delta.ts'
import type { ClientAddress } from '../../model/session.ts'
import type { WireWords } from './packet.ts'
import { copyWire, toWire } from './wire-address.ts'

/** How long an answer holds: routes change seldom. */
const GOOD_FOR_MS = 2_000

/** Finds the address that this machine uses towards an endpoint, by asking the kernel where a datagram would come from; none is
 *  sent. */
export class SourceFinder {
  readonly #libc: Libc
  readonly #arena: Arena
  readonly #clock: Pick<Clock, 'now'>
  readonly #room: number
  readonly #length: number
  readonly #address: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  readonly #known = new WeakMap<RouteEndpoint, { readonly words: WireWords | undefined; readonly untilMs: number }>()

  /** Takes a little of the arena. */
  constructor(libc: Libc, arena: Arena, clock: Pick<Clock, 'now'>) {
    this.#libc = libc
    this.#arena = arena
    this.#clock = clock
    this.#room = arena.allocate(SOCKET_ADDRESS_BYTES)
    this.#length = arena.allocate(4)
  }

  /** Writes the address; false: there is no way to the endpoint. */
  find(endpoint: RouteEndpoint, into: WireWords): boolean {
    const now = this.#clock.now()
    let known = this.#known.get(endpoint)
    if (!known || known.untilMs < now) {
      known = { words: this.#ask(endpoint), untilMs: now + GOOD_FOR_MS }
      this.#known.set(endpoint, known)
    }
    if (!known.words) return false
    copyWire(known.words, 0, into, 0)
    return true
  }

  #ask({ address }: RouteEndpoint): WireWords | undefined {
    const { calls } = this.#libc
    fillClientAddress(address.ip, address.port, this.#address)
    const family = familyOf(this.#address)
    const fd = calls.socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)
    if (fd < 0) return undefined
    const room = this.#arena.addressOf(this.#room)
    const bytes = writeSocketAddress(this.#arena, this.#room, this.#address, family)
    const connected = calls.connect(fd, room, bytes) === 0
    this.#arena.i32[this.#length >> 2] = family === AF_INET6 ? SOCKADDR_IN6.bytes : SOCKET_ADDRESS_BYTES
    const told = connected && calls.getsockname(fd, room, this.#arena.addressOf(this.#length)) === 0
    calls.close(fd)
    if (!told || !readSocketAddress(this.#arena, this.#room, this.#address)) return undefined
    const words = new Int32Array(4)
    toWire(this.#address, words, 0)
    return words
  }
}
