import { readSocketAddress, SOCKET_ADDRESS_BYTES, writeSocketAddress } from '../../lib/libc/socket-address.ts'
import { fillClientAddress } from '../../model/address.ts'
import type { RouteDelta, RouteEndpoint } from '../../model/delta.ts'
import type { ClientAddress } from '../../model/session.ts'
import type { WorkerContext } from './worker-context.ts'

/** Socket addresses of endpoints, ready for connect(2), by slot. */
export class EndpointAddresses {
  readonly #context: WorkerContext
  /** The family in the low bits is not enough: connect wants the length too. */
  readonly #lengths = new Map<number, number>()
  readonly #known = new WeakSet<readonly RouteEndpoint[]>()
  readonly #address: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }

  constructor(context: WorkerContext) {
    this.#context = context
  }

  /** Takes the addresses of every endpoint in new routes; routes of one Service share their list. */
  apply(delta: RouteDelta): void {
    for (const { endpoints, forLocalClients } of delta.set) {
      this.#take(endpoints)
      if (forLocalClients) this.#take(forLocalClients.endpoints)
    }
  }

  /** Takes the address of an endpoint that this worker may never have been told of: it began after that had left. A slot that
   *  sessions hold is nobody else's. */
  learn(slot: number, address: Readonly<ClientAddress>): void {
    if (!this.#lengths.has(slot)) this.#write(slot, address)
  }

  /** For connect(2). */
  address(slot: number): number {
    return this.#context.arena.addressOf(this.#context.addressOffset(slot))
  }

  bytes(slot: number): number {
    return this.#lengths.get(slot) ?? SOCKET_ADDRESS_BYTES
  }

  read(slot: number, into: ClientAddress): void {
    readSocketAddress(this.#context.arena, this.#context.addressOffset(slot), into)
  }

  /** AF_INET or AF_INET6: the first field of every socket address. */
  family(slot: number): number {
    return this.#context.arena.u16[this.#context.addressOffset(slot) >> 1] as number
  }

  #take(endpoints: readonly RouteEndpoint[]): void {
    if (this.#known.has(endpoints)) return
    this.#known.add(endpoints)
    for (const { slot, address } of endpoints) {
      fillClientAddress(address.ip, address.port, this.#address)
      this.#write(slot, this.#address)
    }
  }

  #write(slot: number, address: Readonly<ClientAddress>): void {
    this.#lengths.set(slot, writeSocketAddress(this.#context.arena, this.#context.addressOffset(slot), address))
  }
}

/** Reads the address that the kernel wrote for an accepted socket. */
export function readPeer(context: WorkerContext, into: ClientAddress): void {
  readSocketAddress(context.arena, context.peerOffset, into)
}
