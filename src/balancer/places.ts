import type { RouteLimits } from '../model/delta.ts'
import { groupOf, type LedgerRow, type LedgerViews } from '../model/shared-layout.ts'
import type { LineRow, LineViews } from '../model/shared-lines.ts'

/** How many sessions there may be at once; undefined: as many as come. */
type Limits = Pick<RouteLimits, 'maxSessions' | 'maxPerEndpoint'>

const UNLIMITED = Number.POSITIVE_INFINITY
/** How often a place that two threads took at once is tried for. */
const MOST_RACES = 4

/** Places of limited Services, as one thread sees them. A place is taken by counting the session in the thread's own row and
 *  adding up all rows then: of two that take the last place at once, at least one sees both, and gives its own back. So a limit
 *  is never passed, nothing has to be undone for a thread that dies but its row, and sessions that began before there was a
 *  limit count too. */
export class Places {
  readonly #ledger: LedgerViews
  readonly #own: LedgerRow
  readonly #lines: LineViews
  readonly #ownLine: LineRow
  /** By Service slot: not 0 once this thread counts its sessions for it. */
  readonly #counted: Uint8Array
  #raced = false

  constructor(ledger: LedgerViews, lines: LineViews, row: number) {
    this.#ledger = ledger
    this.#own = ledger.rows[row] as LedgerRow
    this.#lines = lines
    this.#ownLine = lines.rows[row] as LineRow
    this.#counted = new Uint8Array(this.#ownLine.leased.length)
  }

  /** Counts sessions of a Service port from now on, those that run among them. */
  count(serviceSlot: number): void {
    if (this.#counted[serviceSlot] !== 0) return
    const { active } = this.#own
    const { owners } = this.#lines
    let sessions = 0
    for (let slot = 0; slot < active.length; slot++) {
      if (active[slot] !== 0 && Atomics.load(owners, slot) === serviceSlot + 1) sessions += active[slot] as number
    }
    Atomics.store(this.#ownLine.leased, serviceSlot, sessions)
    this.#counted[serviceSlot] = 1
  }

  /** The Service slot whose sessions an endpoint's count for, if they are counted; else -1. */
  ownerOf(slot: number): number {
    const owner = Atomics.load(this.#lines.owners, slot) - 1
    return owner >= 0 && this.#counted[owner] !== 0 ? owner : -1
  }

  /** Counts one session of an endpoint more or less, without asking whether there is a place. */
  change(owner: number, slot: number, change: 1 | -1): void {
    Atomics.add(this.#ownLine.leased, owner, change)
    Atomics.add(this.#own.active, slot, change)
    const { changes } = this.#own
    changes[groupOf(slot)] = ((changes[groupOf(slot)] as number) + 1) | 0
  }

  /** Whether a Service port may have one more session. */
  hasRoom(owner: number, { maxSessions }: Limits): boolean {
    return maxSessions === undefined || this.#leased(owner) < maxSessions
  }

  /** Whether an endpoint may have one more session. */
  hasRoomAt(slot: number, { maxPerEndpoint }: Limits): boolean {
    return maxPerEndpoint === undefined || this.#active(slot) < maxPerEndpoint
  }

  /** Counts one session more at an endpoint, if there is a place for it. False: there is none, or other threads were about to
   *  take the last one at the same time. */
  take(owner: number, slot: number, limits: Limits): boolean {
    const { maxSessions = UNLIMITED, maxPerEndpoint = UNLIMITED } = limits
    for (let race = 0; race < MOST_RACES; race++) {
      if (!this.hasRoom(owner, limits) || !this.hasRoomAt(slot, limits)) return false
      this.change(owner, slot, 1)
      if (
        (maxSessions === UNLIMITED || this.#leased(owner) <= maxSessions) &&
        (maxPerEndpoint === UNLIMITED || this.#active(slot) <= maxPerEndpoint)
      ) {
        return true
      }
      this.change(owner, slot, -1)
      this.#raced = true
    }
    return false
  }

  /** Whether a place was given back since this was asked last because other threads were about to take it: who looked at that
   *  moment has seen it taken. */
  takeRace(): boolean {
    const raced = this.#raced
    this.#raced = false
    return raced
  }

  #leased(owner: number): number {
    let sessions = 0
    const { rows } = this.#lines
    for (let row = 0; row < rows.length; row++) sessions += Atomics.load((rows[row] as LineRow).leased, owner)
    return sessions
  }

  #active(slot: number): number {
    let sessions = 0
    const { rows } = this.#ledger
    for (let row = 0; row < rows.length; row++) sessions += Atomics.load((rows[row] as LedgerRow).active, slot)
    return sessions
  }
}
