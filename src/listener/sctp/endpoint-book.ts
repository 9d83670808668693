import type { RouteDelta, RouteEndpoint } from '../../model/delta.ts'
import { wireOf } from './doors.ts'
import type { WireWords } from './packet.ts'
import { sameWire } from './wire-address.ts'

/** The endpoints of SCTP routes: their addresses as packets have them. */
export class EndpointBook {
  readonly #routes = new Map<number, readonly RouteEndpoint[]>()
  readonly #words = new WeakMap<RouteEndpoint, WireWords>()
  /** By port; made when it is first asked for after a change. */
  #byPort: Map<number, WireWords[]> | undefined

  apply(delta: RouteDelta): void {
    for (const listener of delta.remove) if (this.#routes.delete(listener)) this.#byPort = undefined
    for (const { listener, protocol, endpoints, forLocalClients } of delta.set) {
      if (protocol !== 'SCTP') continue
      this.#routes.set(listener, [...endpoints, ...(forLocalClients?.endpoints ?? [])])
      this.#byPort = undefined
    }
  }

  /** Parsed once. */
  wordsOf(endpoint: RouteEndpoint): WireWords {
    let words = this.#words.get(endpoint)
    if (!words) {
      words = wireOf(endpoint.address)
      this.#words.set(endpoint, words)
    }
    return words
  }

  /** Whether some route has an endpoint with the address at `at`. */
  has(addresses: WireWords, at: number, port: number): boolean {
    this.#byPort ??= this.#index()
    return this.#byPort.get(port)?.some((words) => sameWire(words, 0, addresses, at)) ?? false
  }

  #index(): Map<number, WireWords[]> {
    const index = new Map<number, WireWords[]>()
    for (const endpoints of this.#routes.values()) {
      for (const endpoint of endpoints) {
        const known = index.get(endpoint.address.port)
        const words = this.wordsOf(endpoint)
        if (!known) index.set(endpoint.address.port, [words])
        else if (!known.some((other) => sameWire(other, 0, words, 0))) known.push(words)
      }
    }
    return index
  }
}
