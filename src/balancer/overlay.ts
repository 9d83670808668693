import type { Clock } from '../lib/clock.ts'
import { ProxyError } from '../lib/errors.ts'
import type { Endpoint } from '../model/endpoint.ts'
import { type EndpointKey, type ServiceKey, type ServicePortKey, type SocketAddress, showAddress } from '../model/keys.ts'
import { MOST_WEIGHT } from '../model/service.ts'
import { IN_MAINTENANCE } from '../model/shared-layout.ts'
import type { CompiledService } from '../model/snapshot.ts'
import type { Ledger } from './ledger.ts'
import { SlowStart } from './slow-start.ts'

/** More are kept only as long as their endpoints are listed. */
const MOST_UNLISTED = 4_096

/** What somebody wants of an endpoint at run time, whatever the objects say. */
export interface EndpointWish {
  /** 0 to 65535; left out: what the objects say. */
  readonly weight?: number | undefined
  /** Nothing new goes there, not even clients with affinity. Sessions that run go on. */
  readonly maintenance?: boolean | undefined
}

/** A wish that is in force, or will be when the endpoint is listed again. */
export interface EndpointOverride extends EndpointWish {
  readonly service: ServicePortKey
  readonly endpoint: EndpointKey
}

interface Kept extends EndpointOverride {
  readonly owner: ServiceKey
  readonly address: SocketAddress
}

/** What lies over the weights of the objects: wishes made at run time, which stay until they are taken back, and slow
 *  start. Lives on the main thread; pickers read it from the ledger's words. */
export class Overlay implements Disposable {
  readonly #ledger: Ledger
  readonly #slowStart: SlowStart
  readonly #wishes = new Map<string, Kept>()
  readonly #compiled = new Map<ServiceKey, CompiledService>()
  /** Whether any word was ever written for a wish. */
  #used = false

  constructor(ledger: Ledger, clock: Clock) {
    this.#ledger = ledger
    this.#slowStart = new SlowStart(clock, (service, endpoint, steps) => ledger.lay(service, endpoint, 'ramp', steps))
  }

  /** A Service as it will be in force; call it when its endpoints have slots and its routes are not published yet.
   *  `before`: as it is in force; undefined: not at all. */
  update(compiled: CompiledService, before: CompiledService | undefined): void {
    this.#compiled.set(compiled.input.value.key, compiled)
    this.#slowStart.update(compiled, before)
    if (!this.#used) return
    for (const [service, { all }] of compiled.ports) for (const { key } of all) this.#writeWish(service, key)
  }

  /** A Service that is no more. */
  remove(compiled: CompiledService): void {
    this.#compiled.delete(compiled.input.value.key)
    this.#slowStart.remove(compiled)
  }

  /** An endpoint works again, beside others that have worked all along. */
  returned(owner: ServiceKey, service: ServicePortKey, endpoint: EndpointKey): void {
    const slowStartMs = this.#compiled.get(owner)?.input.value.options.slowStartMs
    if (slowStartMs !== undefined) this.#slowStart.restart(service, endpoint, slowStartMs)
  }

  /** Takes a wish for the endpoints of a Service with this address (`10.1.0.1`, or `10.1.0.1:8080`), in place of the one
   *  before; an empty one takes it back. Returns how many endpoints it is for: those that are listed, and those that have
   *  a wish already.
   *  @throws ProxyError E_CONFIG when the weight is none. */
  set(owner: ServiceKey, address: string, { weight, maintenance = false }: EndpointWish): number {
    if (weight !== undefined && !(Number.isInteger(weight) && weight >= 0 && weight <= MOST_WEIGHT)) {
      throw new ProxyError('E_CONFIG', 'config', `weight "${weight}": must be a whole number from 0 to ${MOST_WEIGHT}`)
    }
    this.#used = true
    const targets = this.#targets(owner, address)
    for (const [name, target] of targets) {
      if (weight === undefined && !maintenance) this.#wishes.delete(name)
      else this.#wishes.set(name, { ...target, weight, maintenance })
      this.#writeWish(target.service, target.endpoint)
    }
    if (this.#wishes.size > MOST_UNLISTED) this.#forgetUnlisted()
    return targets.size
  }

  /** Every wish, in the order in which they were first made. */
  list(): readonly EndpointOverride[] {
    return [...this.#wishes.values()].map(({ service, endpoint, weight, maintenance }) => ({
      service,
      endpoint,
      weight,
      maintenance,
    }))
  }

  [Symbol.dispose](): void {
    this.#slowStart[Symbol.dispose]()
  }

  #targets(owner: ServiceKey, address: string): Map<string, Kept> {
    const targets = new Map<string, Kept>()
    const isMeant = (one: SocketAddress) => one.ip === address || showAddress(one) === address
    for (const [name, kept] of this.#wishes) if (kept.owner === owner && isMeant(kept.address)) targets.set(name, kept)
    for (const [service, { all }] of this.#compiled.get(owner)?.ports ?? []) {
      for (const endpoint of all) {
        if (isMeant(endpoint.address)) targets.set(nameOf(service, endpoint.key), asTarget(owner, service, endpoint))
      }
    }
    return targets
  }

  #writeWish(service: ServicePortKey, endpoint: EndpointKey): void {
    const wish = this.#wishes.get(nameOf(service, endpoint))
    const word = wish?.maintenance ? IN_MAINTENANCE : wish?.weight === undefined ? 0 : wish.weight + 1
    this.#ledger.lay(service, endpoint, 'override', word)
  }

  #forgetUnlisted(): void {
    for (const [name, { service, endpoint }] of this.#wishes) {
      if (this.#ledger.knownEndpointSlot(service, endpoint) === undefined) this.#wishes.delete(name)
    }
  }
}

function nameOf(service: ServicePortKey, endpoint: EndpointKey): string {
  return `${service} ${endpoint}`
}

function asTarget(owner: ServiceKey, service: ServicePortKey, { key, address }: Endpoint): Kept {
  return { owner, service, endpoint: key, address }
}
