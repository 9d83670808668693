import type { Random } from '../lib/random.ts'
import type { RouteEndpoint } from '../model/delta.ts'
import type { Ip } from '../model/keys.ts'
import type { ClientAddress, Tried } from '../model/session.ts'
import type { LedgerViews } from '../model/shared-layout.ts'

/** The momentary choice over a fixed list of endpoints: replaced when the list changes, never edited. Synchronous. */
export interface Picker {
  /** The position of an endpoint that has weight and was not tried yet; -1 where there is none. */
  pick(client: ClientAddress, tried: readonly Tried[]): number
}

/** What a picker may look at beyond its list. */
export interface PickerState {
  /** Words in shared memory: they outlive the picker, and other threads change them. */
  readonly ledger: LedgerViews
  /** The row of the thread that picks. */
  readonly row: number
  readonly serviceSlot: number
  /** The rotation word of this list. */
  readonly rotation: number
  /** The address that clients come to. */
  readonly ip: Ip
  /** The whole list that clients are given, backups included. */
  readonly list: readonly RouteEndpoint[]
  /** Where less than this many in a hundred of the list are up, all are used. */
  readonly panicPercent: number
  readonly random: Random
  /** Milliseconds that only ever go forward. */
  readonly now: () => number
}

/** A way of choosing. Registered in `schedulers/registry.ts`. */
export type Scheduler = (endpoints: readonly RouteEndpoint[], state: PickerState) => Picker

/** Whether this session was already tried on the endpoint with this slot. */
export function wasTried(tried: readonly Tried[], slot: number): boolean {
  for (let n = 0; n < tried.length; n++) if ((tried[n] as Tried).lease === slot) return true
  return false
}

/** The position to try again when every endpoint was tried, in rounds: those tried least often come first, among them
 *  those that timed out, in the order in which they were last tried, before those that refused. Who refused twice is not
 *  asked again. -1 when nobody is left. */
export function pickAgain(endpoints: readonly RouteEndpoint[], tried: readonly Tried[]): number {
  const length = tried.length
  let choice = -1
  let choiceRank = Number.POSITIVE_INFINITY
  for (let position = 0; position < endpoints.length; position++) {
    const slot = (endpoints[position] as RouteEndpoint).slot
    let last = -1
    let tries = 0
    let refusals = 0
    for (let n = 0; n < length; n++) {
      const attempt = tried[n] as Tried
      if (attempt.lease !== slot) continue
      last = n
      tries++
      if (attempt.end === 'connect-refused') refusals++
    }
    if (last < 0 || refusals > 1) continue
    const refused = (tried[last] as Tried).end === 'connect-refused'
    const rank = (2 * tries + (refused ? 1 : 0)) * length + last
    if (rank < choiceRank) {
      choiceRank = rank
      choice = position
    }
  }
  return choice
}
