import { pickAgain } from '../balancer/picker.ts'
import { Places } from '../balancer/places.ts'
import { AGAIN, WaitingLines } from '../balancer/waiting-lines.ts'
import type { Clock } from '../lib/clock.ts'
import type { PublishedRoute, RouteDelta, RouteEndpoint, RouteLimits } from '../model/delta.ts'
import type { ClientAddress, Tried } from '../model/session.ts'
import { ledgerViews, type SharedState } from '../model/shared-layout.ts'
import { lineViews } from '../model/shared-lines.ts'
import type { Choices } from './choices.ts'
import type { Decision, Wait, WaitingSessions } from './listener.ts'
import { NO_ROUTE, OVER_LIMIT, outOfAttempts } from './refusals.ts'
import type { RouteAffinity } from './route-affinity.ts'

/** Nobody who waits already. */
export const NEWCOMER = -1
const FULL = -2
/** How often endpoints are looked for that are not full: others may take their places meanwhile. */
const MOST_ROUNDS = 4

/** What the rest of the policy does for a session that gets a place. */
export interface WaitingHost {
  readonly affinity: RouteAffinity
  /** Counts an attempt, whose session counts at its endpoint already. */
  attempted(serviceSlot: number, slot: number, again: boolean): void
}

/** Sessions of Services that limit how many there are at once, or that hold clients while there is no endpoint: who gets a
 *  place, and who waits for one. Nobody else pays for it. */
export class Waiting implements WaitingSessions {
  readonly #places: Places
  readonly #lines: WaitingLines
  readonly #clock: Clock
  readonly #host: WaitingHost
  /** Whether any Service was ever limited here. */
  #limited = false
  /** What clients of a line choose from, as it was last seen. */
  readonly #seen = new Map<number, Choices>()
  /** What a session tried, and after that every full endpoint as if it had refused the session twice. Used anew each time. */
  readonly #shunned: Tried[] = []

  constructor(shared: SharedState, row: number, clock: Clock, host: WaitingHost) {
    this.#clock = clock
    this.#host = host
    const lines = lineViews(shared)
    this.#places = new Places(ledgerViews(shared), lines, row)
    this.#lines = new WaitingLines(lines, row, (rotation) => this.#hasRoomIn(rotation))
  }

  /** Takes note of new routes: sessions that wait for them are asked for again. */
  apply({ set, remove }: RouteDelta): void {
    for (const { limits, serviceSlot, rotation, forLocalClients } of set) {
      this.#seen.delete(rotation)
      if (forLocalClients) this.#seen.delete(forLocalClients.rotation)
      if (!isBounded(limits)) continue
      this.#limited = true
      this.#places.count(serviceSlot)
    }
    this.#lines.disturb(new Set([...set.map(({ listener }) => listener), ...remove]))
  }

  join(waiter: number, listener: number, { line, most }: Wait): boolean {
    return this.#lines.join(waiter, listener, line, most, this.#clock.now())
  }

  leave(waiter: number): void {
    this.#lines.leave(waiter, this.#clock.now())
  }

  get restless(): boolean {
    return this.#lines.restless
  }

  next(): number {
    return this.#lines.next()
  }

  takeWake(): number {
    return this.#lines.takeWake()
  }

  heed(): void {
    this.#lines.heed()
  }

  /** Counts one session of an endpoint more or less, if its Service is limited; false: it is not. */
  count(slot: number, change: 1 | -1): boolean {
    const owner = this.#limited ? this.#places.ownerOf(slot) : -1
    if (owner < 0) return false
    this.#places.change(owner, slot, change)
    if (change < 0) this.#lines.freed(owner)
    return true
  }

  /** What a session of a route with limits is to do; undefined: it may choose freely. `waiter`: who it is among those that
   *  wait, or {@link NEWCOMER}. */
  choose(
    route: PublishedRoute,
    limits: RouteLimits,
    choices: Choices,
    client: ClientAddress,
    tried: readonly Tried[],
    waiter: number,
  ): Decision | undefined {
    const lines = this.#lines
    const { rotation } = choices
    const again = tried.length > 0 && choices.endpoints.length > 0
    const line = again ? rotation + AGAIN : rotation
    if (waiter !== NEWCOMER) lines.move(waiter, line)
    if (choices.endpoints.length === 0) return this.#hold(route, choices, waiter)
    if (tried.length >= route.connectMs.length) return outOfAttempts(tried)
    if (!isBounded(limits)) return undefined
    this.#seen.set(rotation, choices)
    // Who has just failed at an endpoint goes before all others.
    const first =
      waiter === NEWCOMER ? again || !(lines.isTaken(rotation) || lines.isTaken(rotation + AGAIN)) : lines.isFirst(waiter)
    const room = this.#hasRoom(route.serviceSlot, limits, choices)
    if (!first || !room) return this.#full(route, choices, again, waiter, room && !first)

    const remembered = route.affinityTimeoutMs === undefined ? -1 : this.#host.affinity.remembered(route, choices, client, tried)
    let position = this.#place(route, limits, choices, client, tried, remembered)
    const decision = position === FULL ? this.#full(route, choices, again, waiter, false) : undefined
    if (this.#places.takeRace()) lines.freed(route.serviceSlot)
    if (decision) return decision
    if (position < 0) return outOfAttempts(tried)
    // Where its endpoint is full, a client goes to another one this time.
    if (route.affinityTimeoutMs !== undefined && remembered < 0)
      position = this.#remember(route, limits, choices, client, position, tried)
    this.#host.attempted(route.serviceSlot, choices.slotAt(position), tried.length > 0)
    return choices.forward(position, tried.length)
  }

  /** There is no endpoint: the client is held, or turned away. A UDP client sends again by itself. */
  #hold(route: PublishedRoute, choices: Choices, waiter: number): Decision {
    const { held } = choices
    if (!held) return NO_ROUTE
    if (waiter === NEWCOMER) this.#lines.needed(route.serviceSlot)
    else this.#lines.settle(choices.rotation, false)
    return route.protocol !== 'TCP' ? NO_ROUTE : held
  }

  /** No place, or not this one's turn. `again`: it has tried an endpoint; `passes`: there is a place, for somebody else. */
  #full(route: PublishedRoute, choices: Choices, again: boolean, waiter: number, passes: boolean): Decision {
    const full = again ? choices.fullAgain : choices.full
    if (waiter !== NEWCOMER && full) this.#lines.settle(full.line, passes)
    return route.protocol !== 'TCP' ? OVER_LIMIT : (full ?? OVER_LIMIT)
  }

  /** Takes a place; returns the position of its endpoint, {@link FULL}, or -1 where nobody may be tried any more. */
  #place(
    route: PublishedRoute,
    limits: RouteLimits,
    choices: Choices,
    client: ClientAddress,
    tried: readonly Tried[],
    remembered: number,
  ): number {
    const { picker, endpoints } = choices
    if (remembered >= 0 && this.#take(route, limits, choices, remembered)) return remembered
    let position = picker.pick(client, tried)
    if (position < 0 && tried.length === 0) return -1
    if (position >= 0 && this.#take(route, limits, choices, position)) return position
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const shunned = this.#shun(limits, endpoints, tried)
      position = picker.pick(client, shunned)
      if (position < 0) position = pickAgain(endpoints, shunned)
      if (position < 0) return shunned.length > tried.length ? FULL : -1
      if (this.#take(route, limits, choices, position)) return position
    }
    return FULL
  }

  #take({ serviceSlot }: PublishedRoute, limits: RouteLimits, choices: Choices, position: number): boolean {
    return this.#places.take(serviceSlot, choices.slotAt(position), limits)
  }

  /** What was tried and what is full, for a picker to leave out. */
  #shun(limits: RouteLimits, endpoints: readonly RouteEndpoint[], tried: readonly Tried[]): readonly Tried[] {
    const shunned = this.#shunned
    shunned.length = 0
    for (let n = 0; n < tried.length; n++) shunned.push(tried[n] as Tried)
    for (let n = 0; n < endpoints.length; n++) {
      const { slot } = endpoints[n] as RouteEndpoint
      if (this.#places.hasRoomAt(slot, limits)) continue
      const full: Tried = { lease: slot, end: 'connect-refused' }
      shunned.push(full, full)
    }
    return shunned
  }

  /** Remembers where a client goes. Another thread's choice stands if that was earlier and has a place. */
  #remember(
    route: PublishedRoute,
    limits: RouteLimits,
    choices: Choices,
    client: ClientAddress,
    position: number,
    tried: readonly Tried[],
  ): number {
    const stands = this.#host.affinity.remember(route, choices, client, position, tried)
    if (stands === position || !this.#take(route, limits, choices, stands)) return position
    this.#places.change(route.serviceSlot, choices.slotAt(position), -1)
    this.#lines.freed(route.serviceSlot)
    return stands
  }

  #hasRoomIn(rotation: number): boolean {
    const choices = this.#seen.get(rotation & ~AGAIN)
    const limits = choices?.route.limits
    return !choices || !limits || this.#hasRoom(choices.route.serviceSlot, limits, choices)
  }

  #hasRoom(serviceSlot: number, limits: RouteLimits, { endpoints }: Choices): boolean {
    if (!this.#places.hasRoom(serviceSlot, limits)) return false
    if (limits.maxPerEndpoint === undefined) return endpoints.length > 0
    for (let n = 0; n < endpoints.length; n++) {
      if (this.#places.hasRoomAt((endpoints[n] as RouteEndpoint).slot, limits)) return true
    }
    return false
  }
}

function isBounded(limits: RouteLimits | undefined): boolean {
  return limits !== undefined && (limits.maxSessions !== undefined || limits.maxPerEndpoint !== undefined)
}
