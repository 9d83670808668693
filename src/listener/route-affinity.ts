import { AffinityTable, NO_ENDPOINT } from '../affinity/affinity-table.ts'
import { wasTried } from '../balancer/picker.ts'
import type { Standing } from '../balancer/standing.ts'
import type { Clock } from '../lib/clock.ts'
import type { PublishedRoute } from '../model/delta.ts'
import type { ClientAddress, Tried } from '../model/session.ts'
import { type LedgerRow, type SharedState, serviceBase, serviceCell } from '../model/shared-layout.ts'
import type { Choices } from './choices.ts'

const HITS = serviceCell('affinityHits')
const MISSES = serviceCell('affinityMisses')

/** Which endpoint clients of a route went to before: one thread's view of what all threads remember. Only routes with a
 *  timeout for it are to be asked about. */
export class RouteAffinity {
  readonly #table: AffinityTable
  readonly #services: Float64Array<SharedArrayBuffer>
  readonly #standing: Standing
  readonly #clock: Clock

  constructor(shared: SharedState, { services }: LedgerRow, standing: Standing, clock: Clock) {
    this.#table = new AffinityTable(shared.affinity)
    this.#services = services
    this.#standing = standing
    this.#clock = clock
  }

  /** Forgets that a client went there; nothing happens where it is remembered elsewhere. */
  forget(choices: Choices, client: ClientAddress, position: number): void {
    this.#table.forget(choices.affinitySlot, choices.rememberedAs(client), choices.affinityOf(position))
  }

  /** The position that this client's affinity names, and that may be tried; -1: none. */
  remembered(route: PublishedRoute, choices: Choices, client: ClientAddress, tried: readonly Tried[]): number {
    const { serviceSlot, affinityTimeoutMs } = route
    const { affinitySlot } = choices
    const who = choices.rememberedAs(client)
    const remembered = this.#table.find(affinitySlot, who, this.#clock.now(), affinityTimeoutMs as number)
    const known = remembered === NO_ENDPOINT ? -1 : choices.positionRemembered(remembered)
    const position = known < 0 || this.#isOut(route, choices, choices.slotAt(known), tried) ? -1 : known
    if (tried.length > 0) return position
    if (remembered !== NO_ENDPOINT && position < 0) this.#table.forget(affinitySlot, who, remembered)
    const cell = serviceBase(serviceSlot) + (position < 0 ? MISSES : HITS)
    this.#services[cell] = (this.#services[cell] as number) + 1
    return position
  }

  #isOut({ panicPercent }: PublishedRoute, { endpoints }: Choices, slot: number, tried: readonly Tried[]): boolean {
    return wasTried(tried, slot) || this.#standing.isOut(slot, endpoints, panicPercent)
  }

  /** Remembers a choice, and returns the position that stands: another thread may have made one a moment earlier. */
  remember(route: PublishedRoute, choices: Choices, client: ClientAddress, position: number, tried: readonly Tried[]): number {
    const { affinitySlot } = choices
    const affinityTimeoutMs = route.affinityTimeoutMs as number
    const who = choices.rememberedAs(client)
    const chosen = choices.affinityOf(position)
    const nowMs = this.#clock.now()
    const stands = this.#table.remember(affinitySlot, who, chosen, nowMs, affinityTimeoutMs)
    if (stands === chosen) return position
    const other = choices.positionRemembered(stands)
    if (other >= 0 && !wasTried(tried, choices.slotAt(other))) return other
    // What stands did not take this session: the client moves on.
    if (tried.length > 0) this.#table.move(affinitySlot, who, chosen, nowMs, affinityTimeoutMs)
    return position
  }
}
