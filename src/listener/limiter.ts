import { PrefixMask } from '../affinity/client-prefix.ts'
import { ClientSessions, NOT_COUNTED, TOO_MANY } from '../affinity/client-sessions.ts'
import { Pace } from '../affinity/pace.ts'
import type { Clock } from '../lib/clock.ts'
import type { ClientRules, Rate, TurnAway } from '../model/client-limits.ts'
import type { PublishedRoute } from '../model/delta.ts'
import { type ClientAddress, NO_TICKET, type SessionEnd } from '../model/session.ts'
import type { SharedState } from '../model/shared-layout.ts'
import { ClientRanges } from './admission.ts'
import type { Decision } from './listener.ts'

/** How long a client that is dropped waits in vain. */
const DROP_MS = 10_000
/** Clients that wait in vain at once, in each thread; more are refused. */
const MOST_DROPPED = 256
/** How long a client that begins sessions too fast may have to wait for the next one. */
const PATIENCE_MS = 5_000
/** The ticket of one that waits in vain. */
const DROPPED = -1
/** More than a client can have. */
const ANY_NUMBER = 2 ** 30

/** How a client is turned away for one reason. */
interface TurnedAway {
  readonly refused: Decision
  readonly dropped: Decision
}

function turnedAway(end: SessionEnd): TurnedAway {
  return { refused: { do: 'refuse', end }, dropped: { do: 'drop', end, forMs: DROP_MS } }
}

const DENIED = turnedAway('denied')
const TOO_MANY_SESSIONS = turnedAway('client-limit')
const TOO_FAST_FOR_CLIENT = turnedAway('client-rate')
const TOO_FAST_FOR_SERVICE = turnedAway('service-rate')

/** What a route's clients are held to, ready to be asked. */
export class LimitState {
  readonly serviceSlot: number
  readonly allowed: ClientRanges | undefined
  readonly denied: ClientRanges | undefined
  /** Whether clients are counted one by one. */
  readonly countsClients: boolean
  readonly sessions: number
  readonly clientPace: Pace | undefined
  readonly servicePace: Pace | undefined
  readonly mask: PrefixMask
  readonly turnAway: TurnAway
  readonly patienceMs: number

  constructor({ serviceSlot, protocol }: PublishedRoute, limits: ClientRules) {
    const { allow, deny, sessions, clientRate, serviceRate } = limits
    this.serviceSlot = serviceSlot
    this.allowed = allow.length === 0 ? undefined : new ClientRanges(allow)
    this.denied = deny.length === 0 ? undefined : new ClientRanges(deny)
    this.countsClients = sessions !== undefined || clientRate !== undefined
    this.sessions = sessions ?? ANY_NUMBER
    this.clientPace = paceOf(clientRate)
    this.servicePace = paceOf(serviceRate)
    this.mask = new PrefixMask(limits.prefix)
    // Nothing is ever said to a UDP client that is turned away.
    this.turnAway = protocol === 'TCP' ? limits.turnAway : 'refuse'
    this.patienceMs = this.turnAway === 'delay' ? PATIENCE_MS : 0
  }

  /** Whether a client may come at all, by its address. */
  permits(client: ClientAddress): boolean {
    return !this.denied?.contains(client) && this.allowed?.contains(client) !== false
  }
}

function paceOf(rate: Rate | undefined): Pace | undefined {
  return rate && new Pace(rate)
}

/** Turns clients away that a Service does not want, or that want too much of it: one thread's part. What clients have is
 *  counted in memory that all threads share. */
export class Limiter {
  readonly #sessions: ClientSessions
  readonly #clock: Clock
  /** Not taken yet by the session that it was drawn for. */
  #ticket = NO_TICKET
  #dropped = 0

  constructor(shared: SharedState, clock: Clock) {
    this.#sessions = new ClientSessions(shared)
    this.#clock = clock
  }

  /** Lets a client in and counts its session; or says how it is turned away, or that it has to wait. */
  admit(limits: LimitState, client: ClientAddress): Decision | undefined {
    if (!limits.permits(client)) return this.#turnAway(limits, DENIED)
    const nowMs = this.#clock.now()
    const { serviceSlot, servicePace, patienceMs } = limits
    let waitMs = 0
    if (limits.countsClients) {
      const masked = limits.mask.apply(client)
      const ticket = this.#sessions.enter(serviceSlot, masked, limits.sessions, limits.clientPace, nowMs, patienceMs)
      if (ticket < NOT_COUNTED) {
        return this.#turnAway(limits, ticket === TOO_MANY ? TOO_MANY_SESSIONS : TOO_FAST_FOR_CLIENT)
      }
      this.#give(ticket)
      waitMs = this.#sessions.waitMs
    }
    if (servicePace !== undefined) {
      if (!this.#sessions.takeOf(serviceSlot, servicePace, nowMs, patienceMs)) {
        this.#give(NO_TICKET)
        return this.#turnAway(limits, TOO_FAST_FOR_SERVICE)
      }
      waitMs = Math.max(waitMs, this.#sessions.waitMs)
    }
    return waitMs === 0 ? undefined : { do: 'delay', forMs: waitMs }
  }

  /** Turns away a client that its address or what it said rules out. */
  deny(limits: LimitState | undefined): Decision {
    return limits === undefined ? DENIED.refused : this.#turnAway(limits, DENIED)
  }

  takeTicket(): number {
    const ticket = this.#ticket
    if (ticket !== NO_TICKET) this.#ticket = NO_TICKET
    return ticket
  }

  /** The session with this ticket has ended. */
  left(ticket: number): void {
    if (ticket !== DROPPED) this.#sessions.leave(ticket)
    // The policy that counts for a thread that died has dropped nobody.
    else if (this.#dropped > 0) this.#dropped--
  }

  #turnAway({ turnAway }: LimitState, { refused, dropped }: TurnedAway): Decision {
    if (turnAway !== 'drop' || this.#dropped === MOST_DROPPED) return refused
    this.#dropped++
    this.#give(DROPPED)
    return dropped
  }

  /** One that was not taken, because of an error of ours or because its session was turned away after all, is void. */
  #give(ticket: number): void {
    if (this.#ticket !== NO_TICKET) this.left(this.#ticket)
    this.#ticket = ticket
  }
}
