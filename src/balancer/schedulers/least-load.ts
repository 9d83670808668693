import type { RouteEndpoint } from '../../model/delta.ts'
import type { ClientAddress, Tried } from '../../model/session.ts'
import type { Picker, PickerState, Scheduler } from '../picker.ts'
import { wasTried } from '../picker.ts'
import { ChangedGroups } from './changed-groups.ts'
import { Loads } from './loads.ts'
import { ALIKE, BY_WEIGHT, type WeightRule, Weights } from './weights.ts'

/** How a scheduler compares endpoints: by the sessions they have, or would have with one more, over their weight. */
interface Comparison {
  readonly rule: WeightRule
  /** 1: the session that is about to be given away counts, too. */
  readonly counted: 0 | 1
  /** Whether an endpoint without sessions is taken before any other. */
  readonly idleFirst: boolean
}

/** Least connections: the endpoint with the fewest sessions. */
export const leastConnections = scheduler({ rule: ALIKE, counted: 0, idleFirst: true })
/** Weighted least connections: the endpoint with the fewest sessions over its weight. */
export const weightedLeastConnections = scheduler({ rule: BY_WEIGHT, counted: 0, idleFirst: true })
/** Shortest expected delay: the endpoint that would have the fewest sessions over its weight, this one counted. */
export const shortestExpectedDelay = scheduler({ rule: BY_WEIGHT, counted: 1, idleFirst: false })
/** Never queue: an endpoint without sessions; where there is none, as by shortest expected delay. */
export const neverQueue = scheduler({ rule: BY_WEIGHT, counted: 1, idleFirst: true })

function scheduler(comparison: Comparison): Scheduler {
  return (endpoints, state) => new LeastLoad(endpoints, state, comparison)
}

/** Shorter lists are gone through whole. */
const LEAST_GROUPED = 64

/** Of equals it takes each in turn, in the order of slots: the rotation word says where to begin to look. */
class LeastLoad implements Picker {
  /** The position in the list, by place in the order of slots. */
  readonly #positions: Int32Array
  readonly #weights: Weights
  readonly #loads: Loads
  readonly #groups: ChangedGroups
  /** The least cost in each group. */
  readonly #least: Float64Array
  readonly #rotations: Int32Array
  readonly #rotation: number
  readonly #counted: number
  readonly #idleFirst: boolean

  constructor(endpoints: readonly RouteEndpoint[], state: PickerState, { rule, counted, idleFirst }: Comparison) {
    const slotOf = (position: number) => (endpoints[position] as RouteEndpoint).slot
    this.#positions = Int32Array.from(endpoints.keys()).sort((a, b) => slotOf(a) - slotOf(b))
    const sorted = Array.from(this.#positions, (position) => endpoints[position] as RouteEndpoint)
    this.#weights = new Weights(sorted, state, rule)
    this.#loads = new Loads(this.#weights.slots, state)
    this.#groups = new ChangedGroups(this.#weights.slots, state)
    this.#least = new Float64Array(this.#groups.count)
    this.#rotations = state.ledger.rotations
    this.#rotation = state.rotation
    this.#counted = counted
    this.#idleFirst = idleFirst
  }

  pick(_client: ClientAddress, tried: readonly Tried[]): number {
    const { length } = this.#positions
    if (length === 0) return -1
    const reweighed = this.#weights.refresh()
    if (this.#loads.look() || reweighed) this.#groups.forget()
    const start = (Atomics.load(this.#rotations, this.#rotation) >>> 0) % length
    const place = length < LEAST_GROUPED || tried.length > 0 ? this.#leastOfAll(start, tried) : this.#leastOfGroups(start)
    if (place < 0) return -1
    Atomics.store(this.#rotations, this.#rotation, place + 1 === length ? 0 : place + 1)
    return this.#positions[place] as number
  }

  /** What one more session at this place costs: the least is taken. Equal quotients are equal numbers. Never less than
   *  infinite where there is no weight. */
  #cost(place: number): number {
    const load = (this.#loads.own[this.#weights.slots[place] as number] as number) + (this.#loads.elsewhere[place] as number)
    const weight = this.#weights.values[place] as number
    if (weight === 0) return Number.POSITIVE_INFINITY
    return load === 0 && this.#idleFirst ? 0 : (load + this.#counted) / weight
  }

  #leastOfAll(start: number, tried: readonly Tried[]): number {
    const { slots } = this.#weights
    const again = tried.length > 0
    let place = start
    let best = -1
    let least = Number.POSITIVE_INFINITY
    for (let left = slots.length; left > 0; left--) {
      const cost = this.#cost(place)
      if (cost < least && !(again && wasTried(tried, slots[place] as number))) {
        best = place
        least = cost
      }
      place = place + 1 === slots.length ? 0 : place + 1
    }
    return best
  }

  /** The same for a long list and a session that has tried nobody: only what changed since the last pick is looked at. */
  #leastOfGroups(start: number): number {
    const groups = this.#groups
    const costs = this.#least
    let least = Number.POSITIVE_INFINITY
    for (let group = 0; group < groups.count; group++) {
      if (groups.changed(group)) this.#measure(group)
      if ((costs[group] as number) < least) least = costs[group] as number
    }
    if (least === Number.POSITIVE_INFINITY) return -1
    const home = groups.groupAt(start)
    const near = costs[home] === least ? this.#firstOf(home, start) : -1
    if (near >= 0) return near
    let group = home
    do group = group + 1 === groups.count ? 0 : group + 1
    while (costs[group] !== least)
    return this.#firstOf(group, groups.startOf(group))
  }

  #measure(group: number): void {
    const end = this.#groups.startOf(group + 1)
    let least = Number.POSITIVE_INFINITY
    for (let place = this.#groups.startOf(group); place < end; place++) {
      const cost = this.#cost(place)
      if (cost < least) least = cost
    }
    this.#least[group] = least
  }

  /** The first place from `from` on to the end of its group that costs what is least in it; -1 where there is none. */
  #firstOf(group: number, from: number): number {
    const end = this.#groups.startOf(group + 1)
    const least = this.#least[group]
    for (let place = from; place < end; place++) if (this.#cost(place) === least) return place
    return -1
  }
}
