import { PrefixMask } from '../affinity/client-prefix.ts'
import type { Picker, PickerState } from '../balancer/picker.ts'
import { createPicker } from '../balancer/tiers.ts'
import { AGAIN } from '../balancer/waiting-lines.ts'
import type { PublishedRoute, RouteEndpoint, RouteLimits } from '../model/delta.ts'
import { familyOf, type Ip } from '../model/keys.ts'
import type { ClientAddress } from '../model/session.ts'
import type { Decision, Wait } from './listener.ts'
import { SourcePool } from './source-pool.ts'

type EndpointList = Pick<PublishedRoute, 'endpoints' | 'rotation'>

/** A list of endpoints with what is built from it once, so that deciding allocates nothing. */
export class Choices {
  readonly route: PublishedRoute
  readonly endpoints: readonly RouteEndpoint[]
  /** The rotation word of the list. */
  readonly rotation: number
  readonly picker: Picker
  /** The Service slot that affinity remembers clients by. */
  readonly affinitySlot: number
  readonly #mask: PrefixMask | undefined
  /** Where a session waits for a place at one of them; undefined: nobody does. */
  readonly full: Wait | undefined
  /** The same for a session that has tried one already. */
  readonly fullAgain: Wait | undefined
  /** Where a session waits for the first of them. */
  readonly held: Wait | undefined
  /** Position by slot. */
  readonly #positions: ReadonlyMap<number, number>
  /** Position by what affinity remembers; of endpoints with the same address, the first. */
  readonly #remembered: ReadonlyMap<number, number>
  /** `decisions[position][attempt]`. */
  readonly #decisions: readonly (readonly Decision[])[]

  constructor({ endpoints, rotation }: EndpointList, picker: Picker, route: PublishedRoute) {
    const { connectMs, transparent, prelude, limits } = route
    this.route = route
    this.endpoints = endpoints
    this.rotation = rotation
    this.picker = picker
    this.full = limits && waitIn(rotation, limits, limits.queueMs, 'queue-timeout')
    this.fullAgain = limits && waitIn(rotation + AGAIN, limits, limits.queueMs, 'queue-timeout')
    this.held = limits?.holdMs === undefined ? undefined : waitIn(rotation, limits, limits.holdMs, 'no-endpoint')
    this.#positions = new Map(endpoints.map((endpoint, position) => [endpoint.slot, position]))
    this.affinitySlot = route.affinitySlot
    this.#mask = route.affinityPrefix && new PrefixMask(route.affinityPrefix)
    const byHost = endpoints.some(({ hostSlot }) => hostSlot !== undefined)
    this.#remembered = byHost ? firstPositions(endpoints) : this.#positions
    const pools = { 4: poolOf(route.sourceAddresses, 4), 6: poolOf(route.sourceAddresses, 6) }
    this.#decisions = endpoints.map((endpoint) => {
      const sources = pools[familyOf(endpoint.address.ip)]
      const decision = { do: 'forward', lease: endpoint.slot, endpoint, transparent, sources, prelude } as const
      return connectMs.map((one) => ({ ...decision, connectMs: one }))
    })
  }

  positionOf(slot: number): number {
    return this.#positions.get(slot) ?? -1
  }

  /** Who affinity takes a client for; good until the next call. */
  rememberedAs(client: ClientAddress): ClientAddress {
    return this.#mask === undefined ? client : this.#mask.apply(client)
  }

  /** What affinity remembers of an endpoint. */
  affinityOf(position: number): number {
    const { hostSlot, slot } = this.endpoints[position] as RouteEndpoint
    return hostSlot ?? slot
  }

  /** The endpoint that affinity means; -1: it has left. */
  positionRemembered(remembered: number): number {
    return this.#remembered.get(remembered) ?? -1
  }

  slotAt(position: number): number {
    return (this.endpoints[position] as RouteEndpoint).slot
  }

  forward(position: number, attempt: number): Decision {
    return (this.#decisions[position] as readonly Decision[])[attempt] as Decision
  }
}

function firstPositions(endpoints: readonly RouteEndpoint[]): ReadonlyMap<number, number> {
  const positions = new Map<number, number>()
  endpoints.forEach(({ hostSlot, slot }, position) => {
    if (!positions.has(hostSlot ?? slot)) positions.set(hostSlot ?? slot, position)
  })
  return positions
}

function poolOf(addresses: readonly Ip[], family: 4 | 6): SourcePool | undefined {
  const ips = addresses.filter((ip) => familyOf(ip) === family)
  return ips.length === 0 ? undefined : new SourcePool(ips)
}

function waitIn(line: number, { queueLength: most }: RouteLimits, withinMs: number, end: Wait['end']): Wait | undefined {
  return most === 0 ? undefined : { do: 'wait', line, most, withinMs, end }
}

/** A picker, and what it was made for. */
interface MadePicker extends Pick<PublishedRoute, 'scheduler' | 'rotation' | 'panicPercent'> {
  readonly picker: Picker
}

/** Makes the choices of one thread's routes. Routes with the same list share a picker: some are large. */
export class ChoicesMaker {
  readonly #state: Pick<PickerState, 'ledger' | 'row' | 'random' | 'now'>
  readonly #made = new WeakMap<readonly RouteEndpoint[], MadePicker>()

  constructor(state: Pick<PickerState, 'ledger' | 'row' | 'random' | 'now'>) {
    this.#state = state
  }

  make(route: PublishedRoute, list: EndpointList): Choices {
    return new Choices(list, this.#pickerFor(route, list), route)
  }

  #pickerFor({ scheduler, serviceSlot, ip, panicPercent }: PublishedRoute, { endpoints, rotation }: EndpointList): Picker {
    const known = this.#made.get(endpoints)
    if (known?.scheduler === scheduler && known.rotation === rotation && known.panicPercent === panicPercent) return known.picker
    const picker = createPicker(scheduler, endpoints, { ...this.#state, serviceSlot, rotation, ip, panicPercent })
    // By dh every listener has its own.
    if (scheduler !== 'dh') this.#made.set(endpoints, { scheduler, rotation, panicPercent, picker })
    return picker
  }
}
