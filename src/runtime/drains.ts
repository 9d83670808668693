import type { Ledger } from '../balancer/ledger.ts'
import type { Overlay } from '../balancer/overlay.ts'
import type { Engine } from '../listener/listener.ts'
import type { DrainedEndpoint, DrainTarget } from '../model/drain.ts'
import { type EndpointKey, endpointAddress, type ServiceKey, type ServicePortKey } from '../model/keys.ts'
import type { Snapshot } from '../model/snapshot.ts'
import { isAt, isOf } from './meant.ts'

export interface DrainParts {
  readonly overlay: Pick<Overlay, 'set' | 'list'>
  readonly ledger: Ledger
  readonly engine: Pick<Engine, 'cut'>
  readonly snapshot: () => Snapshot | undefined
}

/** Takes endpoints out at run time, and puts them back. What is taken out gets nothing new, whatever is loaded later, until
 *  it is put back or the process ends. Endpoints that join later are not meant. */
export class Drains {
  readonly #parts: DrainParts

  constructor(parts: DrainParts) {
    this.#parts = parts
  }

  /** Takes out the endpoints that are meant (`out`), or puts them back; returns them. */
  set(target: DrainTarget, out: boolean): readonly DrainedEndpoint[] {
    const { overlay } = this.#parts
    const kept = overlay.list().map(({ service, endpoint: key, weight }) => [nameOf({ service, key }), weight] as const)
    const weights = new Map(kept)
    const meant = this.#meant(target)
    for (const one of meant) {
      overlay.set(ownerOf(one.service), endpointAddress(one.key), { weight: weights.get(nameOf(one)), maintenance: out })
    }
    return this.#view(meant)
  }

  /** The endpoints that are meant, with what still runs. */
  look(target: DrainTarget): readonly DrainedEndpoint[] {
    return this.#view(this.#meant(target))
  }

  /** Ends what still runs on the endpoints that are meant and taken out; returns how many sessions. */
  async finish(target: DrainTarget): Promise<number> {
    const { ledger, engine } = this.#parts
    const out = this.#out()
    const leases = this.#meant(target)
      .filter((one) => out.has(nameOf(one)))
      .map(({ service, key }) => ledger.knownEndpointSlot(service, key))
      .filter((slot) => slot !== undefined)
    return leases.length === 0 ? 0 : await engine.cut({ leases }, 'drained')
  }

  /** Listed endpoints, and those that left while a wish for them is kept. */
  #meant({ service, endpoint, node }: DrainTarget): Meant[] {
    const found = new Map<string, Meant>()
    const take = (owner: ServicePortKey, key: EndpointKey) => {
      if (!isOf(owner, service) || (endpoint !== undefined && !isAt(key, endpoint))) return
      found.set(nameOf({ service: owner, key }), { service: owner, key })
    }
    for (const { ports } of this.#parts.snapshot()?.services.values() ?? []) {
      for (const [owner, { all }] of ports) {
        for (const { key, nodeName } of all) if (node === undefined || nodeName === node) take(owner, key)
      }
    }
    if (node === undefined) for (const { service: owner, endpoint: key } of this.#parts.overlay.list()) take(owner, key)
    return [...found.values()]
  }

  #view(meant: readonly Meant[]): readonly DrainedEndpoint[] {
    const { ledger } = this.#parts
    const out = this.#out()
    return meant.map((one) => {
      const slot = ledger.knownEndpointSlot(one.service, one.key)
      return {
        service: one.service,
        endpoint: endpointAddress(one.key),
        drained: out.has(nameOf(one)),
        active: slot === undefined ? 0 : ledger.activeAt(slot),
      }
    })
  }

  /** Who is out. */
  #out(): ReadonlySet<string> {
    const wishes = this.#parts.overlay.list().filter(({ maintenance }) => maintenance)
    return new Set(wishes.map(({ service, endpoint: key }) => nameOf({ service, key })))
  }
}

/** An endpoint of a Service port. */
interface Meant {
  readonly service: ServicePortKey
  readonly key: EndpointKey
}

function nameOf({ service, key }: Meant): string {
  return `${service} ${key}`
}

function ownerOf(service: ServicePortKey): ServiceKey {
  return service.slice(0, service.indexOf(':')) as ServiceKey
}
