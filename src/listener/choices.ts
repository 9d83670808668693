import type { Picker, PickerState } from '../balancer/picker.ts'
import { createPicker } from '../balancer/tiers.ts'
import type { PublishedRoute, RouteEndpoint } from '../model/delta.ts'
import type { Decision } from './listener.ts'

/** A list of endpoints with what is built from it once, so that deciding allocates nothing. */
export class Choices {
  readonly endpoints: readonly RouteEndpoint[]
  readonly picker: Picker
  /** Position by slot. */
  readonly #positions: ReadonlyMap<number, number>
  /** `decisions[position][attempt]`. */
  readonly #decisions: readonly (readonly Decision[])[]

  constructor(endpoints: readonly RouteEndpoint[], picker: Picker, { connectMs, transparent, prelude }: PublishedRoute) {
    this.endpoints = endpoints
    this.picker = picker
    this.#positions = new Map(endpoints.map((endpoint, position) => [endpoint.slot, position]))
    this.#decisions = endpoints.map((endpoint) =>
      connectMs.map((one) => ({ do: 'forward', lease: endpoint.slot, endpoint, connectMs: one, transparent, prelude }) as const),
    )
  }

  positionOf(slot: number): number {
    return this.#positions.get(slot) ?? -1
  }

  slotAt(position: number): number {
    return (this.endpoints[position] as RouteEndpoint).slot
  }

  forward(position: number, attempt: number): Decision {
    return (this.#decisions[position] as readonly Decision[])[attempt] as Decision
  }
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

  make(route: PublishedRoute, list: Pick<PublishedRoute, 'endpoints' | 'rotation'>): Choices {
    return new Choices(list.endpoints, this.#pickerFor(route, list), route)
  }

  #pickerFor(
    { scheduler, serviceSlot, ip, panicPercent }: PublishedRoute,
    { endpoints, rotation }: Pick<PublishedRoute, 'endpoints' | 'rotation'>,
  ): Picker {
    const known = this.#made.get(endpoints)
    if (known?.scheduler === scheduler && known.rotation === rotation && known.panicPercent === panicPercent) return known.picker
    const picker = createPicker(scheduler, endpoints, { ...this.#state, serviceSlot, rotation, ip, panicPercent })
    // By dh every listener has its own.
    if (scheduler !== 'dh') this.#made.set(endpoints, { scheduler, rotation, panicPercent, picker })
    return picker
  }
}
