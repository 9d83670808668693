import type { Random } from '../lib/random.ts'
import type { EndpointKey, ServicePortKey } from '../model/keys.ts'
import {
  ENDPOINT_WORDS,
  type EndpointWord,
  endpointBase,
  endpointWord,
  type LedgerViews,
  ledgerViews,
  ROTATIONS,
  type SharedState,
  serviceBase,
  serviceCell,
} from '../model/shared-layout.ts'
import { clearLinesOf, type LineViews, lineViews } from '../model/shared-lines.ts'

/** Whose slot it is. */
interface EndpointName {
  readonly service: ServicePortKey
  readonly key: EndpointKey
}

/** The slots of one Service port. */
interface ServiceEntry {
  readonly key: ServicePortKey
  readonly slot: number
  readonly endpoints: Map<EndpointKey, number>
}

/** A slot of something that left. Nobody else may be given it before `revision` is in force everywhere and its last
 *  session has ended; what comes back before that gets the same one. */
interface Retired {
  readonly slot: number
  readonly revision: number
  /** Whether no session ran on it at the last look. */
  idle: boolean
}

function nameOf(service: ServicePortKey, endpoint: EndpointKey): string {
  return `${service} ${endpoint}`
}

/** Who owns which slot of the shared ledger. Lives on the main thread; what happens is counted by the threads
 *  themselves, in the slots, which therefore outlive any number of snapshots. */
export class Ledger {
  readonly views: LedgerViews
  readonly lines: LineViews
  readonly #shared: SharedState
  readonly #random: Random
  readonly #forget: () => void
  readonly #services = new Map<ServicePortKey, ServiceEntry>()
  readonly #serviceNames: (ServicePortKey | undefined)[] = []
  readonly #endpointNames: (EndpointName | undefined)[] = []
  readonly #freeServices: number[] = []
  readonly #freeEndpoints: number[] = []
  /** Nobody's, but the affinity table may still name them. */
  #unsweptServices: number[] = []
  #unsweptEndpoints: number[] = []
  readonly #retiredServices = new Map<ServicePortKey, Retired>()
  readonly #retiredEndpoints = new Map<string, Retired>()

  /** `forget` removes every slot without a name from whatever remembers slots; called before such slots are given to
   *  others, who would otherwise inherit clients. */
  constructor(shared: SharedState, random: Random, forget: () => void = () => {}) {
    this.#shared = shared
    this.#forget = forget
    this.#random = random
    this.views = ledgerViews(shared)
    this.lines = lineViews(shared)
  }

  /** The slot of a Service port, given on first use; undefined when the ledger is full. */
  serviceSlot(key: ServicePortKey): number | undefined {
    const known = this.#services.get(key)
    if (known) return known.slot
    const retired = this.#retiredServices.get(key)
    const slot = retired?.slot ?? this.#vacantService()
    if (slot === undefined) return undefined
    this.#retiredServices.delete(key)
    this.#serviceNames[slot] = key
    this.#services.set(key, { key, slot, endpoints: new Map() })
    if (retired) return slot
    for (let n = 0; n < ROTATIONS; n++) {
      Atomics.store(this.views.rotations, slot * ROTATIONS + n, this.#random.below(2 ** 31))
    }
    return slot
  }

  /** The slot that a Service port has, if it has one. */
  knownServiceSlot(key: ServicePortKey): number | undefined {
    return this.#services.get(key)?.slot
  }

  /** The slot of an endpoint of a Service port, given on first use; undefined when the ledger is full or the Service
   *  port has no slot. */
  endpointSlot(service: ServicePortKey, key: EndpointKey): number | undefined {
    const entry = this.#services.get(service)
    if (!entry) return undefined
    const known = entry.endpoints.get(key)
    if (known !== undefined) return known
    const name = nameOf(service, key)
    const slot = this.#retiredEndpoints.get(name)?.slot ?? this.#vacantEndpoint()
    if (slot === undefined) return undefined
    this.#retiredEndpoints.delete(name)
    this.#endpointNames[slot] = { service, key }
    entry.endpoints.set(key, slot)
    Atomics.store(this.lines.owners, slot, entry.slot + 1)
    return slot
  }

  /** The slot that an endpoint has, if it has one. */
  knownEndpointSlot(service: ServicePortKey, key: EndpointKey): number | undefined {
    return this.#services.get(service)?.endpoints.get(key)
  }

  /** Lays something over the weight of an endpoint, if it has a slot. The word first, then the version: who sees the version
   *  sees the word. */
  lay(service: ServicePortKey, key: EndpointKey, word: EndpointWord, value: number): void {
    const entry = this.#services.get(service)
    const slot = entry?.endpoints.get(key)
    if (entry === undefined || slot === undefined) return
    const { endpointWords, weightVersions } = this.views
    if (Atomics.exchange(endpointWords, endpointWord(slot, word), value) === value) return
    Atomics.add(weightVersions, entry.slot, 1)
  }

  /** Gives up slots that `revision` no longer uses: endpoints that left, and whole Service ports. Returns the slots of
   *  the endpoints that left. */
  retain(service: ServicePortKey, endpoints: ReadonlySet<EndpointKey> | undefined, revision: number): number[] {
    const entry = this.#services.get(service)
    if (!entry) return []
    const left: number[] = []
    for (const [key, slot] of entry.endpoints) {
      if (endpoints?.has(key)) continue
      entry.endpoints.delete(key)
      this.#retiredEndpoints.set(nameOf(service, key), { slot, revision, idle: false })
      left.push(slot)
    }
    if (!endpoints) {
      this.#services.delete(service)
      this.#retiredServices.set(service, { slot: entry.slot, revision, idle: false })
    }
    return left
  }

  /** Takes back retired slots: those that no thread can still mean, because `revision` is in force everywhere,
   *  and whose sessions had all ended when it was called last. Call it after the session records were drained, which
   *  name slots too: a session's record is written before the session stops counting, but maybe after that drain. */
  reclaim(revision: number): void {
    for (const [name, retired] of this.#retiredEndpoints) {
      if (!wasIdle(retired, revision, this.activeAt(retired.slot))) continue
      for (const { endpoints, active } of this.views.rows) {
        endpoints.fill(0, endpointBase(retired.slot), endpointBase(retired.slot + 1))
        // Where sessions have moved between rows, only their sum is 0.
        active[retired.slot] = 0
      }
      for (const word of ENDPOINT_WORDS) Atomics.store(this.views.endpointWords, endpointWord(retired.slot, word), 0)
      this.#retiredEndpoints.delete(name)
      this.#endpointNames[retired.slot] = undefined
      this.#unsweptEndpoints.push(retired.slot)
    }
    for (const [key, retired] of this.#retiredServices) {
      if (!wasIdle(retired, revision, this.#activeOf(retired.slot))) continue
      for (const row of this.views.rows) row.services.fill(0, serviceBase(retired.slot), serviceBase(retired.slot + 1))
      clearLinesOf(this.lines, retired.slot)
      this.#retiredServices.delete(key)
      this.#serviceNames[retired.slot] = undefined
      this.#unsweptServices.push(retired.slot)
    }
  }

  /** Makes slots that were taken back free for others. */
  reuse(): void {
    this.#forget()
    this.#freeServices.push(...this.#unsweptServices)
    this.#freeEndpoints.push(...this.#unsweptEndpoints)
    this.#unsweptServices = []
    this.#unsweptEndpoints = []
  }

  /** Sessions that run on an endpoint now, over all threads. */
  activeAt(endpointSlot: number): number {
    let active = 0
    for (const row of this.views.rows) active += row.active[endpointSlot] as number
    return active
  }

  /** Service ports that have a slot, with their names. */
  *servicePorts(): Iterable<{ readonly slot: number; readonly key: ServicePortKey }> {
    for (const { slot, key } of this.#services.values()) yield { slot, key }
  }

  /** Endpoints that have a slot, those that left while sessions run to them among them. */
  *endpoints(): Iterable<EndpointName & { readonly slot: number }> {
    for (const [slot, name] of this.#endpointNames.entries()) if (name) yield { slot, ...name }
  }

  serviceName(slot: number): ServicePortKey | undefined {
    return this.#serviceNames[slot]
  }

  endpointName(slot: number): EndpointName | undefined {
    return this.#endpointNames[slot]
  }

  #vacantService(): number | undefined {
    if (this.#freeServices.length > 0) return this.#freeServices.pop()
    if (this.#serviceNames.length < this.#shared.serviceSlots) return this.#serviceNames.length
    if (this.#unsweptServices.length > 0) this.reuse()
    return this.#freeServices.pop()
  }

  #vacantEndpoint(): number | undefined {
    if (this.#freeEndpoints.length > 0) return this.#freeEndpoints.pop()
    if (this.#endpointNames.length < this.#shared.endpointSlots) return this.#endpointNames.length
    if (this.#unsweptEndpoints.length > 0) this.reuse()
    return this.#freeEndpoints.pop()
  }

  #activeOf(serviceSlot: number): number {
    let active = 0
    for (const row of this.views.rows) active += row.services[serviceBase(serviceSlot) + serviceCell('active')] as number
    return active
  }
}

/** Whether nothing ran on a slot at the last look and nothing does now. */
function wasIdle(retired: Retired, revision: number, active: number): boolean {
  const before = retired.idle
  retired.idle = retired.revision <= revision && active === 0
  return before && retired.idle
}
