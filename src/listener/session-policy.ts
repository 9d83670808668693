import { pickAgain } from '../balancer/picker.ts'
import { Standing } from '../balancer/standing.ts'
import type { Clock } from '../lib/clock.ts'
import { type Random, seededRandom } from '../lib/random.ts'
import type { LocalClients, RouteDelta } from '../model/delta.ts'
import type { Cidr } from '../model/keys.ts'
import type { ClientAddress, SessionFacts, Tried } from '../model/session.ts'
import { NO_TICKET, sessionEndNumber } from '../model/session.ts'
import {
  connectBucketCell,
  endCell,
  endpointBase,
  endpointCell,
  endpointTimeCell,
  groupOf,
  type LedgerRow,
  ledgerViews,
  type SharedState,
  serviceBase,
  serviceCell,
} from '../model/shared-layout.ts'
import { RecordWriter } from '../observe/records.ts'
import { ClientRanges } from './admission.ts'
import { ChoicesMaker } from './choices.ts'
import { Limiter } from './limiter.ts'
import type { Decision, SessionPolicy, SessionTimeouts } from './listener.ts'
import { DENIED, NO_ROUTE, outOfAttempts } from './refusals.ts'
import { RouteAffinity } from './route-affinity.ts'
import { isShorter, RouteState } from './route-state.ts'
import { NEWCOMER, Waiting } from './waiting.ts'

const SESSIONS = serviceCell('sessions')
const ACTIVE = serviceCell('active')
const BYTES_FROM_CLIENT = serviceCell('bytesFromClient')
const BYTES_FROM_ENDPOINT = serviceCell('bytesFromEndpoint')
const DATAGRAMS_FROM_CLIENT = serviceCell('datagramsFromClient')
const DATAGRAMS_FROM_ENDPOINT = serviceCell('datagramsFromEndpoint')
const ATTEMPTS = serviceCell('attempts')
const ATTEMPT_FAILURES = serviceCell('attemptFailures')
const RETRIES = serviceCell('retries')
const UDP_EVICTIONS = serviceCell('udpEvictions')
const CONNECT_MS_SUM = serviceCell('connectMsSum')
const CONNECTED = serviceCell('connected')
const AT_SESSIONS = endpointCell('sessions')
const AT_BYTES_FROM_CLIENT = endpointCell('bytesFromClient')
const AT_BYTES_FROM_ENDPOINT = endpointCell('bytesFromEndpoint')
const AT_ATTEMPTS = endpointCell('attempts')
const AT_REFUSED = endpointCell('refused')
const AT_TIMED_OUT = endpointCell('timedOut')
const AT_RESETS = endpointCell('resets')
const AT_REFUSED_MS = endpointTimeCell('refusedMs')
const AT_TIMED_OUT_MS = endpointTimeCell('timedOutMs')
const AT_RESET_MS = endpointTimeCell('resetMs')

const NOTHING_TRIED: readonly Tried[] = []

/** The policy of one thread's sessions; `row` is the thread's row in the ledger.
 *
 *  The life of a session, top to bottom: it begins and is counted (`decide`, nothing tried); where clients come by way of a
 *  load balancer that says who they are, that is heard first (`introduced`); a client whose address is not permitted, or who
 *  has as much as it may have (`limiter.ts`), goes no further; what a client may be given depends on whether it is on this node; one
 *  with affinity goes where it went before, if that still serves, whatever its weight; otherwise the scheduler picks an endpoint, untried ones first, and that
 *  choice is remembered. An attempt that fails ends its lease and the affinity (`connectFailed`), and the engine asks
 *  again, until the attempts are used up; where another session of the client has moved already, this one follows. At
 *  the end the record is written and the session is counted by how it ended. */
export class RouteSessionPolicy implements SessionPolicy {
  readonly #clock: Clock
  readonly #standing: Standing
  readonly #choices: ChoicesMaker
  readonly #row: LedgerRow
  readonly #affinity: RouteAffinity
  readonly #limiter: Limiter
  readonly #records: RecordWriter
  readonly waiting: Waiting
  readonly #routes = new Map<number, RouteState>()
  readonly #ranges = new WeakMap<readonly Cidr[], ClientRanges>()
  /** The Service slot of every listener ever seen; sessions may outlive their route. */
  readonly #serviceSlots: number[] = []
  /** Sessions of every listener ever seen, in this thread. */
  readonly #active: number[] = []

  constructor(shared: SharedState, row: number, clock: Clock, random: Random) {
    const views = ledgerViews(shared)
    this.#clock = clock
    this.#standing = new Standing(views)
    const drawn = seededRandom(random.below(2 ** 32))
    this.#choices = new ChoicesMaker({ ledger: views, row, random: drawn, now: () => clock.now() })
    this.#row = views.rows[row] as LedgerRow
    this.#affinity = new RouteAffinity(shared, this.#row, this.#standing, clock)
    this.#limiter = new Limiter(shared, clock)
    this.#records = new RecordWriter(shared.records[row] as SharedArrayBuffer)
    this.waiting = new Waiting(shared, row, clock, {
      affinity: this.#affinity,
      attempted: (serviceSlot, slot, again) => this.#countAttempt(serviceSlot, slot, again),
    })
  }

  apply(delta: RouteDelta): readonly number[] {
    const hurried: number[] = []
    for (const listener of delta.remove) this.#routes.delete(listener)
    for (const route of delta.set) {
      const before = this.#routes.get(route.listener)?.route
      if (before && isShorter(route, before)) hurried.push(route.listener)
      this.#routes.set(route.listener, new RouteState(route, this.#choices, this.#rangesOf(route.forLocalClients)))
      this.#handOver(route.listener, route.serviceSlot)
    }
    this.waiting.apply(delta)
    return hurried
  }

  decide(listener: number, client: ClientAddress, tried: readonly Tried[]): Decision {
    const state = this.#routes.get(listener)
    if (!state) {
      if (tried.length === 0) this.#begin(listener)
      return NO_ROUTE
    }
    if (tried.length === 0) {
      this.#begin(listener)
      if (state.introducers !== undefined) {
        return state.introducers.contains(client) ? state.hear : this.#limiter.deny(state.limits)
      }
      const turnedAway = this.#admit(state, client)
      if (turnedAway !== undefined) return turnedAway
    }
    return this.#choose(state, client, tried)
  }

  introduced(listener: number, client: ClientAddress): Decision {
    const state = this.#routes.get(listener)
    if (!state) return NO_ROUTE
    return this.#admit(state, client) ?? this.#choose(state, client, NOTHING_TRIED)
  }

  delayed(listener: number, client: ClientAddress): Decision {
    const state = this.#routes.get(listener)
    return state ? this.#choose(state, client, NOTHING_TRIED) : NO_ROUTE
  }

  takeTicket(): number {
    return this.#limiter.takeTicket()
  }

  decideAgain(waiter: number, listener: number, client: ClientAddress, tried: readonly Tried[]): Decision {
    const state = this.#routes.get(listener)
    // It was let in and counted when it came: only its address may have been ruled out since.
    const permitted = state?.admission.permits(client) && state.limits?.permits(client) !== false
    const decision = !state ? NO_ROUTE : permitted ? this.#choose(state, client, tried, waiter) : DENIED
    if (decision.do !== 'wait') this.waiting.leave(waiter)
    return decision
  }

  connectFailed(listener: number, client: ClientAddress, tried: Tried): void {
    const { services, endpoints } = this.#row
    const at = endpointBase(tried.lease)
    this.#countActive(tried.lease, -1)
    const refused = tried.end === 'connect-refused'
    add(endpoints, at + (refused ? AT_REFUSED : AT_TIMED_OUT), 1)
    endpoints[at + (refused ? AT_REFUSED_MS : AT_TIMED_OUT_MS)] = this.#clock.now()
    this.#standing.failed(tried.lease)
    const serviceSlot = this.#serviceSlots[listener]
    if (serviceSlot === undefined) return
    add(services, serviceBase(serviceSlot) + ATTEMPT_FAILURES, 1)
    const choices = this.#routes.get(listener)?.choicesFor(client)
    const position = choices?.positionOf(tried.lease) ?? -1
    if (choices && position >= 0) this.#affinity.forget(choices, client, position)
  }

  connected(lease: number): void {
    this.#standing.reached(lease)
  }

  ended(session: SessionFacts): void {
    const serviceSlot = this.#serviceSlots[session.listener]
    const startedAtMs = this.#clock.wall() - (this.#clock.now() - session.startedMs)
    // Before the counts: the slots that the record names are held for as long as the session counts.
    this.#records.write(session, serviceSlot ?? -1, startedAtMs)
    if (session.ticket !== NO_TICKET) this.#limiter.left(session.ticket)
    if (serviceSlot !== undefined) this.#countEnd(session, serviceBase(serviceSlot))
    if (session.lease >= 0) this.#endLease(session)
  }

  refused(session: SessionFacts): void {
    this.#begin(session.listener)
    this.ended(session)
  }

  released(listener: number): number {
    this.#active[listener] = (this.#active[listener] as number) - 1
    return this.#serviceSlots[listener] as number
  }

  adopted(listener: number, serviceSlot: number): void {
    // Its listener may be closed, and this thread may have begun after that.
    this.#serviceSlots[listener] ??= serviceSlot
    const own = this.#serviceSlots[listener] as number
    this.#active[listener] = (this.#active[listener] ?? 0) + 1
    // The other thread's row goes on counting it; what ends here is taken off here, and the sum is right all the while.
    if (own !== serviceSlot) this.#recount(serviceSlot, own, 1)
  }

  serves(listener: number, lease: number, client: ClientAddress): boolean {
    const state = this.#routes.get(listener)
    return state !== undefined && state.choicesFor(client).positionOf(lease) >= 0
  }

  timeouts(listener: number): SessionTimeouts | undefined {
    return this.#routes.get(listener)?.route
  }

  /** Undefined: the client may come in. */
  #admit({ admission, limits }: RouteState, client: ClientAddress): Decision | undefined {
    if (!admission.permits(client)) return this.#limiter.deny(limits)
    return limits === undefined ? undefined : this.#limiter.admit(limits, client)
  }

  #choose(state: RouteState, client: ClientAddress, tried: readonly Tried[], waiter = NEWCOMER): Decision {
    const { route } = state
    const choices = state.choicesFor(client)
    if (route.limits !== undefined) {
      const decision = this.waiting.choose(route, route.limits, choices, client, tried, waiter)
      if (decision) return decision
    }
    if (choices.endpoints.length === 0) return NO_ROUTE
    if (tried.length >= route.connectMs.length) return outOfAttempts(tried)

    let position = -1
    if (route.affinityTimeoutMs !== undefined) position = this.#affinity.remembered(route, choices, client, tried)
    if (position < 0) {
      position = choices.picker.pick(client, tried)
      if (position < 0) position = pickAgain(choices.endpoints, tried)
      if (position < 0) return outOfAttempts(tried)
      if (route.affinityTimeoutMs !== undefined) position = this.#affinity.remember(route, choices, client, position, tried)
    }
    const slot = choices.slotAt(position)
    this.#countAttempt(route.serviceSlot, slot, tried.length > 0)
    this.#countActive(slot, 1)
    return choices.forward(position, tried.length)
  }

  /** Sessions of a listener count for the Service port that has it now: when another one gets the address, the port is
   *  renamed or its slot was given anew, those that run go along. */
  #handOver(listener: number, serviceSlot: number): void {
    const before = this.#serviceSlots[listener]
    const active = this.#active[listener]
    this.#serviceSlots[listener] = serviceSlot
    if (before !== undefined && before !== serviceSlot && active) this.#recount(before, serviceSlot, active)
  }

  #recount(before: number, after: number, sessions: number): void {
    add(this.#row.services, serviceBase(before) + ACTIVE, -sessions)
    add(this.#row.services, serviceBase(after) + ACTIVE, sessions)
  }

  #begin(listener: number): void {
    const serviceSlot = this.#serviceSlots[listener]
    if (serviceSlot === undefined) return
    this.#active[listener] = (this.#active[listener] ?? 0) + 1
    const base = serviceBase(serviceSlot)
    add(this.#row.services, base + SESSIONS, 1)
    add(this.#row.services, base + ACTIVE, 1)
  }

  /** Routes of one revision share the list. */
  #rangesOf(locals: LocalClients | undefined): ClientRanges | undefined {
    if (!locals) return undefined
    const known = this.#ranges.get(locals.clients)
    const ranges = known ?? new ClientRanges(locals.clients)
    if (!known) this.#ranges.set(locals.clients, ranges)
    return ranges
  }

  #countAttempt(serviceSlot: number, slot: number, again: boolean): void {
    const { services, endpoints } = this.#row
    const base = serviceBase(serviceSlot)
    const at = endpointBase(slot)
    add(services, base + ATTEMPTS, 1)
    if (again) add(services, base + RETRIES, 1)
    add(endpoints, at + AT_ATTEMPTS, 1)
  }

  #countActive(slot: number, change: 1 | -1): void {
    if (this.waiting.count(slot, change)) return
    const { active, changes } = this.#row
    active[slot] = (active[slot] as number) + change
    changes[groupOf(slot)] = ((changes[groupOf(slot)] as number) + 1) | 0
  }

  #countEnd(session: SessionFacts, base: number): void {
    const { services } = this.#row
    const active = this.#active[session.listener]
    if (active) {
      this.#active[session.listener] = active - 1
      add(services, base + ACTIVE, -1)
    }
    add(services, base + endCell(sessionEndNumber(session.end)), 1)
    add(services, base + BYTES_FROM_CLIENT, session.bytesFromClient)
    add(services, base + BYTES_FROM_ENDPOINT, session.bytesFromEndpoint)
    add(services, base + DATAGRAMS_FROM_CLIENT, session.datagramsFromClient)
    add(services, base + DATAGRAMS_FROM_ENDPOINT, session.datagramsFromEndpoint)
    if (session.end === 'over-limit' && session.datagramsFromClient > 0) add(services, base + UDP_EVICTIONS, 1)
    if (session.connectMs < 0) return
    add(services, base + CONNECTED, 1)
    add(services, base + CONNECT_MS_SUM, session.connectMs)
    add(services, base + connectBucketCell(session.connectMs), 1)
  }

  #endLease(session: SessionFacts): void {
    const { endpoints } = this.#row
    const at = endpointBase(session.lease)
    this.#countActive(session.lease, -1)
    add(endpoints, at + AT_SESSIONS, 1)
    add(endpoints, at + AT_BYTES_FROM_CLIENT, session.bytesFromClient)
    add(endpoints, at + AT_BYTES_FROM_ENDPOINT, session.bytesFromEndpoint)
    this.#standing.ended(session)
    if (session.end !== 'endpoint-reset') return
    add(endpoints, at + AT_RESETS, 1)
    endpoints[at + AT_RESET_MS] = session.endedMs
  }
}

function add(cells: Float64Array<SharedArrayBuffer>, cell: number, amount: number): void {
  cells[cell] = (cells[cell] as number) + amount
}
