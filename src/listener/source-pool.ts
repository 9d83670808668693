import { fillClientAddress } from '../model/address.ts'
import type { Ip } from '../model/keys.ts'
import type { ClientAddress } from '../model/session.ts'

/** Addresses of this machine, of one family, that sockets to endpoints leave from: each attempt begins with the next one, and goes on
 *  to the others where that has no port left. There is at least one. */
export class SourcePool {
  readonly ips: readonly Ip[]
  /** The same as numbers, each with port 0. */
  readonly addresses: readonly Readonly<ClientAddress>[]
  #next = 0

  constructor(ips: readonly Ip[]) {
    this.ips = ips
    this.addresses = ips.map((ip) => {
      const address = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
      fillClientAddress(ip, 0, address)
      return address
    })
  }

  /** Where to begin this time. */
  begin(): number {
    const begin = this.#next
    this.#next = this.after(begin)
    return begin
  }

  /** The one after place `n`. */
  after(n: number): number {
    return n + 1 === this.ips.length ? 0 : n + 1
  }

  turn(): SourceTurn {
    return new SourceTurn(this)
  }
}

/** One attempt's way through a pool. */
export class SourceTurn {
  readonly #pool: SourcePool
  readonly #first: number
  #at: number

  constructor(pool: SourcePool) {
    this.#pool = pool
    this.#first = pool.begin()
    this.#at = this.#first
  }

  get ip(): Ip {
    return this.#pool.ips[this.#at] as Ip
  }

  /** Goes on to the next one; false: that was the last. */
  next(): boolean {
    this.#at = this.#pool.after(this.#at)
    return this.#at !== this.#first
  }
}
