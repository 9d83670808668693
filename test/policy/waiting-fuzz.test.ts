import { describe, expect, it } from 'vitest'
import { Ledger } from '../../src/balancer/ledger.ts'
import { manualClock } from '../../src/lib/clock.ts'
import { type Random, seededRandom } from '../../src/lib/random.ts'
import { RouteSessionPolicy } from '../../src/listener/session-policy.ts'
import type { ClientRules } from '../../src/model/client-limits.ts'
import type { PublishedRoute, RouteLimits } from '../../src/model/delta.ts'
import type { EndpointKey, ServicePortKey } from '../../src/model/keys.ts'
import { createSharedState, ROTATIONS } from '../../src/model/shared-layout.ts'
import { waitingNow } from '../../src/model/shared-lines.ts'
import { ScriptedSession } from '../support/scripted-client.ts'

const ROWS = 3
const SEEDS = 40
const STEPS = 400
const SERVICE = 'test/web:main/TCP' as ServicePortKey
const NAMES = ['10.0.0.1:80/TCP', '10.0.0.2:80/TCP', '10.0.0.3:80/TCP'] as EndpointKey[]
const QUEUE = 12
const CLIENTS = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4']
const RULES: ClientRules = {
  allow: [],
  deny: [],
  sessions: 6,
  clientRate: undefined,
  serviceRate: undefined,
  prefix: { ipv4: 32, ipv6: 64 },
  turnAway: 'refuse',
}

/** Threads without an engine: what they tell each other arrives when the test lets it. */
class Threads {
  readonly clock = manualClock()
  readonly ledger: Ledger
  readonly policies: RouteSessionPolicy[]
  readonly sessions: { readonly row: number; readonly session: ScriptedSession; readonly deadlineMs: number }[] = []
  readonly #random: Random
  readonly #slot: number
  readonly #begunBy: readonly ScriptedSession[][] = CLIENTS.map(() => [])
  #limits: RouteLimits = { maxSessions: 3, maxPerEndpoint: 2, queueLength: QUEUE, queueMs: 1_000, holdMs: 2_000 }
  #endpoints = NAMES
  #wakes: number[] = []
  admitted: ScriptedSession[] = []

  constructor(seed: number) {
    this.#random = seededRandom(seed)
    const sizes = { serviceSlots: 4, endpointSlots: 8, affinityEntries: 64, clientEntries: 64, recordsPerRing: 4096 }
    const shared = createSharedState({ rows: ROWS, ...sizes })
    this.ledger = new Ledger(shared, seededRandom(seed))
    this.#slot = this.ledger.serviceSlot(SERVICE) as number
    this.policies = Array.from({ length: ROWS }, (_, row) => new RouteSessionPolicy(shared, row, this.clock, seededRandom(row)))
    this.publish()
  }

  get limits(): RouteLimits {
    return this.#limits
  }

  publish(limits: Partial<RouteLimits> = {}, endpoints = this.#endpoints): void {
    this.#limits = { ...this.#limits, ...limits }
    this.#endpoints = endpoints
    const route = {
      listener: 1,
      service: SERVICE,
      serviceSlot: this.#slot,
      rotation: this.#slot * ROTATIONS,
      protocol: 'TCP',
      ip: '10.96.0.1',
      scheduler: 'rr',
      endpoints: endpoints.map((key) => ({
        slot: this.ledger.endpointSlot(SERVICE, key) as number,
        key,
        address: { ip: key.split(':')[0], port: 80 },
        weight: 1,
        backup: false,
      })),
      sourceRanges: [],
      connectMs: [100, 100, 100],
      transparent: false,
      idleMs: 1,
      halfCloseMs: 1,
      udpIdleMs: 1,
      sourceAddresses: [],
      affinitySlot: this.#slot,
      clientRules: RULES,
      limits: this.#limits,
    } as unknown as PublishedRoute
    for (const policy of this.policies) policy.apply({ revision: 1, set: [route], remove: [] })
  }

  connect(row: number): void {
    const from = this.#random.below(CLIENTS.length)
    const begun = this.#begunBy[from] as ScriptedSession[]
    const has = begun.filter(({ end }) => end === undefined).length
    const session = new ScriptedSession(this.policies[row] as RouteSessionPolicy, this.clock, 1, CLIENTS[from] as string)
    expect(session.end === 'client-limit', `the client has ${has} sessions`).toBe(has === RULES.sessions)
    begun.push(session)
    const waitMs = session.waits?.withinMs ?? 0
    this.sessions.push({ row, session, deadlineMs: this.clock.now() + waitMs })
  }

  /** One thread's turn: it is woken if it was called, and asks for those that may have their turn. */
  turn(row: number): void {
    const policy = this.policies[row] as RouteSessionPolicy
    if (this.#wakes.includes(row)) {
      this.#wakes = this.#wakes.filter((woken) => woken !== row)
      policy.waiting.heed()
    }
    let asked = 0
    for (let id = policy.waiting.next(); id >= 0; id = policy.waiting.next()) {
      expect(++asked, 'a thread goes round in circles').toBeLessThan(1_000)
      const session = this.sessions.find((one) => one.session.id === id)?.session as ScriptedSession
      session.askAgain()
      if (session.endpoint) this.admitted.push(session)
    }
    for (let woken = policy.waiting.takeWake(); woken >= 0; woken = policy.waiting.takeWake()) this.#wakes.push(woken)
  }

  settle(): void {
    const busy = () => this.#wakes.length > 0 || this.policies.some(({ waiting }) => waiting.restless)
    for (let turns = 0; busy(); turns++) {
      expect(turns, 'threads keep waking each other').toBeLessThan(1_000)
      this.turn(this.#random.below(ROWS))
    }
  }

  get running(): ScriptedSession[] {
    return this.sessions.map(({ session }) => session).filter(({ endpoint }) => endpoint !== undefined)
  }

  get queued(): ScriptedSession[] {
    return this.sessions.map(({ session }) => session).filter(({ waits }) => waits !== undefined)
  }

  /** What holds when everything that was told has arrived. */
  check(): void {
    const { maxSessions, maxPerEndpoint, queueLength } = this.#limits
    const perEndpoint = NAMES.map((key) => this.running.filter(({ endpoint }) => endpoint?.key === key).length)
    const waiting = this.queued
    expect(waitingNow(this.ledger.lines, this.#slot)).toBe(waiting.length)
    expect(waiting.length).toBeLessThanOrEqual(Math.max(queueLength, QUEUE))
    // Those that have tried an endpoint cannot go everywhere.
    if (!waiting.some(({ failed }) => failed.length === 0) || this.#endpoints.length === 0) return
    const room = this.#endpoints.some(
      (key) => (perEndpoint[NAMES.indexOf(key)] as number) < (maxPerEndpoint ?? Number.POSITIVE_INFINITY),
    )
    expect(room && this.running.length < (maxSessions ?? Number.POSITIVE_INFINITY), 'a place is free and somebody waits').toBe(
      false,
    )
  }
}

describe('sessions that wait in several threads', () => {
  it('are never more than may run or a client may have, leave no place free, and have turns in order, whatever happens when', () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const threads = new Threads(seed)
      const random = seededRandom(1_000 + seed)
      const pick = <T>(list: readonly T[]): T | undefined => list[random.below(Math.max(list.length, 1))]
      let most = 3
      for (let step = 0; step < STEPS; step++) {
        const before = threads.queued
        threads.admitted = []
        let ordered = false
        switch (random.below(9)) {
          case 0:
          case 1:
          case 2:
            threads.connect(random.below(ROWS))
            break
          case 3:
          case 4:
            pick(threads.running)?.close()
            ordered = true
            break
          case 5:
            pick(threads.queued)?.close('client-reset')
            break
          case 6: {
            threads.clock.advance(random.below(300))
            for (const { session, deadlineMs } of threads.sessions) {
              if (session.waits && threads.clock.now() >= deadlineMs) session.close(session.waits.end)
            }
            break
          }
          case 7:
            pick(threads.running)?.refused()
            break
          default:
            if (random.below(3) === 0) {
              most = 1 + random.below(5)
              threads.publish({ maxSessions: most, maxPerEndpoint: random.below(2) === 0 ? undefined : 1 + random.below(3) })
            } else if (random.below(4) === 0) threads.publish({}, random.below(2) === 0 ? [] : NAMES.slice(random.below(2)))
        }
        // Half of what threads tell each other is late.
        if (random.below(2) === 0) threads.turn(random.below(ROWS))
        else {
          threads.settle()
          threads.check()
          if (threads.admitted.length > 0) expect(threads.running.length).toBeLessThanOrEqual(most)
          // Whoever had a turn came before all that still wait, but for those that have tried an endpoint.
          const [first] = threads.admitted
          if (!ordered || !first || threads.admitted.length > 1 || first.failed.length > 0) continue
          const earlier = before.slice(0, before.indexOf(first)).filter(({ waits, failed }) => waits && failed.length === 0)
          expect(earlier.map(({ id }) => id)).toEqual([])
        }
      }
      for (const { session } of threads.sessions) if (session.end === undefined) session.close()
      threads.settle()
      const { lines, views } = threads.ledger
      const sum = (words: readonly (number | undefined)[]) => words.reduce<number>((total, word) => total + (word ?? 0), 0)
      expect(sum(lines.rows.map(({ leased }) => leased[0]))).toBe(0)
      expect(sum(lines.rows.map(({ waiting }) => waiting[0]))).toBe(0)
      expect(views.rows.map(({ active }) => sum([...active]))).toEqual(views.rows.map(() => 0))
      expect(lines.rows.flatMap(({ heads }) => [...heads]).filter((head) => head !== 0)).toEqual([])
    }
  })
})
