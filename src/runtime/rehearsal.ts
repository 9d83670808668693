import { AffinityTable } from '../affinity/affinity-table.ts'
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { Decision } from '../listener/listener.ts'
import { RouteSessionPolicy } from '../listener/session-policy.ts'
import type { PublishedRoute, RouteEndpoint } from '../model/delta.ts'
import type { ClientAddress, Tried } from '../model/session.ts'
import {
  createSharedState,
  ENDPOINT_WORDS,
  endpointWord,
  type LedgerViews,
  ledgerViews,
  ROTATIONS,
  type SharedState,
} from '../model/shared-layout.ts'
import { lineViews } from '../model/shared-lines.ts'

/** Of a table of clients. */
const LEAST_ENTRIES = 32

/** What the policy decides one after another, if each attempt but the last is refused. */
export interface Rehearsal {
  readonly decisions: readonly Decision[]
  /** The endpoint, by its slot in the real ledger, of each decision to forward. */
  readonly slots: readonly number[]
}

export interface RehearsalParts {
  /** Read, never written. */
  readonly ledger: LedgerViews
  readonly clock: Clock
  readonly random: Random
}

/** Asks the policy what it would decide for a client, on a copy of what it decides by: weights, positions, running
 *  sessions, and the endpoint that the client is remembered for (`remembered`, undefined: none). The policy is the very
 *  same that runs sessions; what it changes, it changes in the copy. `introduced`: a load balancer has said that it is this client's session. */
export function rehearse(
  route: PublishedRoute,
  client: ClientAddress,
  remembered: number | undefined,
  introduced: boolean,
  { ledger, clock, random }: RehearsalParts,
): Rehearsal {
  const slots = slotsOf(route)
  const copyOf = new Map(slots.map((slot, copy) => [slot, copy]))
  const shared = createSharedState({
    rows: 1,
    serviceSlots: 1,
    endpointSlots: slots.length,
    affinityEntries: LEAST_ENTRIES,
    clientEntries: LEAST_ENTRIES,
    recordsPerRing: 1,
  })
  copyLedger(ledger, ledgerViews(shared), route.serviceSlot, slots)
  // Its sessions count for the only Service there is.
  lineViews(shared).owners.fill(1, 0, slots.length)
  remember(shared, route, client, remembered === undefined ? undefined : copyOf.get(remembered), clock)
  const policy = new RouteSessionPolicy(shared, 0, clock, random)
  const copy = copyRoute(route, copyOf)
  policy.apply({ revision: 0, set: [copy], remove: [] })
  const decisions: Decision[] = []
  const tried: Tried[] = []
  const { listener } = copy
  let decision = introduced ? policy.introduced(listener, client) : policy.decide(listener, client, tried)
  for (;;) {
    decisions.push(decision)
    if (decision.do !== 'forward' || decisions.length > route.connectMs.length) break
    const failed: Tried = { lease: decision.lease, end: 'connect-refused' }
    policy.connectFailed(listener, client, failed)
    tried.push(failed)
    decision = policy.decide(listener, client, tried)
  }
  return { decisions, slots: tried.map(({ lease }) => slots[lease] as number) }
}

function slotsOf({ endpoints, forLocalClients }: PublishedRoute): number[] {
  return [...new Set([...endpoints, ...(forLocalClients?.endpoints ?? [])].map(({ slot }) => slot))]
}

function copyLedger(from: LedgerViews, to: LedgerViews, serviceSlot: number, slots: readonly number[]): void {
  for (let n = 0; n < ROTATIONS; n++) to.rotations[n] = Atomics.load(from.rotations, serviceSlot * ROTATIONS + n)
  for (const [copy, slot] of slots.entries()) {
    for (const word of ENDPOINT_WORDS) {
      to.endpointWords[endpointWord(copy, word)] = Atomics.load(from.endpointWords, endpointWord(slot, word))
    }
    for (const row of to.rows) row.active[copy] = from.rows.reduce((sum, { active }) => sum + (active[slot] as number), 0)
  }
}

function remember(
  shared: SharedState,
  { affinityTimeoutMs }: PublishedRoute,
  client: ClientAddress,
  slot: number | undefined,
  clock: Clock,
): void {
  if (slot === undefined || affinityTimeoutMs === undefined) return
  new AffinityTable(shared.affinity).remember(0, client, slot, clock.now(), affinityTimeoutMs)
}

function copyRoute(route: PublishedRoute, copyOf: ReadonlyMap<number, number>): PublishedRoute {
  const { serviceSlot, forLocalClients } = route
  const list = (endpoints: readonly RouteEndpoint[], rotation: number) => ({
    rotation: rotation - serviceSlot * ROTATIONS,
    endpoints: endpoints.map((endpoint) => ({ ...endpoint, slot: copyOf.get(endpoint.slot) as number, hostSlot: undefined })),
  })
  return {
    ...route,
    serviceSlot: 0,
    affinitySlot: 0,
    affinityPrefix: undefined,
    // One client that comes once is not to be counted.
    clientRules: undefined,
    ...list(route.endpoints, route.rotation),
    forLocalClients: forLocalClients && {
      ...forLocalClients,
      ...list(forLocalClients.endpoints, forLocalClients.rotation),
    },
  }
}
