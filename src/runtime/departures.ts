import type { Clock, Timer } from '../lib/clock.ts'
import type { DeparturePolicy } from '../model/service.ts'
import type { SessionEnd } from '../model/session.ts'

/** What became of an endpoint. Sessions that are cut because of it end by this name. */
export type Departure = 'endpoint-removed' | 'endpoint-unready' | 'endpoint-down' | 'service-removed'

/** One wait for a deadline, of one endpoint or many. */
interface Drain {
  /** Those that have not come back. */
  readonly slots: Set<number>
  readonly timer: Timer
}

/** Sessions of endpoints that cannot be used any more: kept, drained until a deadline, or cut at once, as their Service says.
 *  Endpoints are slots of the ledger. Each reason has a deadline of its own, and the first one that comes ends what is left. */
export class Departures implements Disposable {
  readonly #clock: Clock
  readonly #cut: (slots: readonly number[], end: SessionEnd, why: Departure) => void
  readonly #draining = new Map<Departure, Map<number, Drain>>()

  constructor(clock: Clock, cut: (slots: readonly number[], end: SessionEnd, why: Departure) => void) {
    this.#clock = clock
    this.#cut = cut
  }

  /** This became of endpoints whose Service has this policy for it. Of one that is draining for the same reason already, the
   *  deadline stands. */
  left(slots: readonly number[], why: Departure, policy: DeparturePolicy): void {
    if (slots.length === 0 || policy.do === 'keep') return
    if (policy.do === 'cut') {
      this.#cut(slots, why, why)
      return
    }
    const draining = this.#drainingFor(why)
    const fresh = new Set(slots.filter((slot) => !draining.has(slot)))
    if (fresh.size === 0) return
    const timer = this.#clock.after(policy.deadlineMs, () => {
      for (const slot of fresh) draining.delete(slot)
      this.#cut([...fresh], 'drain-timeout', why)
    })
    for (const slot of fresh) draining.set(slot, { slots: fresh, timer })
  }

  /** Whether any endpoint has a deadline. */
  get waiting(): boolean {
    for (const draining of this.#draining.values()) if (draining.size > 0) return true
    return false
  }

  /** It is not so any more; without a reason: an endpoint came, or came back, and nothing that was is. */
  back(slot: number, why?: Departure): void {
    for (const [reason, draining] of this.#draining) if (why === undefined || why === reason) stopDraining(draining, slot)
  }

  [Symbol.dispose](): void {
    for (const draining of this.#draining.values()) for (const { timer } of draining.values()) timer[Symbol.dispose]()
    this.#draining.clear()
  }

  #drainingFor(why: Departure): Map<number, Drain> {
    const known = this.#draining.get(why)
    if (known) return known
    const draining = new Map<number, Drain>()
    this.#draining.set(why, draining)
    return draining
  }
}

function stopDraining(draining: Map<number, Drain>, slot: number): void {
  const drain = draining.get(slot)
  if (!drain) return
  draining.delete(slot)
  drain.slots.delete(slot)
  if (drain.slots.size === 0) drain.timer[Symbol.dispose]()
}
