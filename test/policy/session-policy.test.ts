import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { RouteSessionPolicy } from '../../src/listener/session-policy.ts'
import type { PublishedRoute, RouteEndpoint } from '../../src/model/delta.ts'
import { SESSION_ENDS, sessionEndNumber } from '../../src/model/session.ts'
import {
  clearActive,
  createSharedState,
  ENDPOINT_COUNTERS,
  type EndpointCounter,
  endCell,
  endpointBase,
  endpointCell,
  ledgerViews,
  noteMove,
  ROTATIONS,
  SERVICE_COUNTERS,
  type ServiceCounter,
  serviceBase,
  serviceCell,
} from '../../src/model/shared-layout.ts'
import { type RawRecord, RecordReader } from '../../src/observe/records.ts'
import { type Answers, clientAddress, connectSession, ScriptedSession } from '../support/scripted-client.ts'
import { scriptedRandom } from '../support/scripted-random.ts'

const FOREVER_MS = 10_800_000

/** Endpoints 10.1.0.1:80, 10.1.0.2:80, … in the slots 11, 12, …. */
function endpoints(...numbers: number[]): RouteEndpoint[] {
  return numbers.map((n) => ({
    slot: 10 + n,
    key: `10.1.0.${n}:80/TCP` as RouteEndpoint['key'],
    address: { ip: `10.1.0.${n}`, port: 80 } as RouteEndpoint['address'],
    weight: 1,
    backup: false,
  }))
}

/** The endpoint's number, or why there is none. */
function short(outcome: string): string {
  return outcome.replaceAll('10.1.0.', '').replaceAll(':80/TCP', '')
}

/** A route of listener 1; by default three endpoints, no affinity. */
function routeWith(route: Partial<PublishedRoute> = {}): PublishedRoute {
  const serviceSlot = route.serviceSlot ?? 0
  return {
    listener: 1,
    service: 'default/web:/TCP' as PublishedRoute['service'],
    serviceSlot,
    rotation: serviceSlot * ROTATIONS,
    ip: '10.0.0.1' as PublishedRoute['ip'],
    protocol: 'TCP',
    scheduler: 'rr',
    endpoints: endpoints(1, 2, 3),
    forLocalClients: undefined,
    panicPercent: 0,
    affinityTimeoutMs: undefined,
    affinityPrefix: undefined,
    affinitySlot: serviceSlot,
    sourceRanges: [],
    clientRules: undefined,
    sourceAddresses: [],
    connectMs: [250, 500, 1000, 2000],
    transparent: false,
    idleMs: 3_600_000,
    halfCloseMs: 60_000,
    udpIdleMs: 60_000,
    udpResponses: undefined,
    maxSessionMs: undefined,
    prelude: undefined,
    acceptProxy: undefined,
    limits: undefined,
    userTimeoutMs: undefined,
    ...route,
  }
}

function createWorld(rows = 1) {
  const shared = createSharedState({ rows, serviceSlots: 8, endpointSlots: 64, affinityEntries: 1024, recordsPerRing: 64 })
  const clock = manualClock()
  const views = ledgerViews(shared)
  const policies = Array.from({ length: rows }, (_, row) => new RouteSessionPolicy(shared, row, clock, scriptedRandom()))
  const [policy] = policies as [RouteSessionPolicy]
  const [row] = views.rows as [(typeof views.rows)[number]]
  let revision = 0
  const sum = (read: (row: (typeof views.rows)[number]) => number | undefined) =>
    views.rows.reduce((total, one) => total + (read(one) as number), 0)
  return {
    clock,
    policy,
    policies,
    row,
    rotations: views.rotations,
    route: routeWith,
    /** Puts a route in force on a listener. */
    set(route?: Partial<PublishedRoute>): void {
      for (const one of policies) one.apply({ revision: ++revision, set: [routeWith(route)], remove: [] })
    },
    remove(listener = 1): void {
      for (const one of policies) one.apply({ revision: ++revision, set: [], remove: [listener] })
    },
    /** Moves a session to another thread, as an engine does; `meanwhile` happens when it is with neither. */
    move(session: ScriptedSession, from: number, to: number, meanwhile?: () => void): void {
      const lease = session.endpoint?.slot as number
      const note = (slot: number) => noteMove(views, from, to, slot, lease)
      note(session.moveTo(policies[to] as RouteSessionPolicy, meanwhile))
    },
    /** A thread died, and its sessions with it. */
    die: (thread: number) => clearActive(shared, thread),
    connect: (ip: string, answers?: Answers, listener = 1) => connectSession(policy, clock, listener, ip, answers),
    /** Where sessions of these clients go. */
    go(...ips: string[]): string {
      return ips.map((ip) => short(connectSession(policy, clock, 1, ip).outcome)).join(' ')
    },
    /** A session that waits for its endpoint. */
    dial: (ip: string, thread = 0, listener = 1) =>
      new ScriptedSession(policies[thread] as RouteSessionPolicy, clock, listener, ip),
    ofService(counter: ServiceCounter, slot = 0): number {
      return sum(({ services }) => services[serviceBase(slot) + serviceCell(counter)])
    },
    ends(slot = 0): Record<string, number> {
      const counts = SESSION_ENDS.map(
        (end) => [end, sum(({ services }) => services[serviceBase(slot) + endCell(sessionEndNumber(end))])] as const,
      )
      return Object.fromEntries(counts.filter(([, count]) => count > 0))
    },
    ofEndpoint(n: number, counter: EndpointCounter | 'active'): number {
      if (counter === 'active') return sum(({ active }) => active[10 + n])
      return sum((one) => one.endpoints[endpointBase(10 + n) + endpointCell(counter)])
    },
    records(): RawRecord[] {
      const records: RawRecord[] = []
      for (const buffer of shared.records) new RecordReader(buffer).drain((record) => records.push(record))
      return records
    },
  }
}

const A = '192.0.2.1'
const B = '192.0.2.2'
const C = '192.0.2.3'

describe('choosing an endpoint', () => {
  // Case 6.
  it('refuses a session of a listener that nobody has published, and counts it nowhere', () => {
    const world = createWorld()
    expect(world.connect(A).outcome).toBe('no-endpoint')
    expect(world.row.services.every((cell) => cell === 0)).toBe(true)
    expect(world.records()).toMatchObject([{ serviceSlot: -1, lease: -1, end: sessionEndNumber('no-endpoint') }])
  })

  it('refuses where a route has no endpoint', () => {
    const world = createWorld()
    world.set({ endpoints: [] })
    expect(world.connect(A).outcome).toBe('no-endpoint')
    expect(world.ends()).toEqual({ 'no-endpoint': 1 })
  })

  it('refuses where no endpoint has weight', () => {
    const world = createWorld()
    world.set({ endpoints: endpoints(1, 2).map((endpoint) => ({ ...endpoint, weight: 0 })) })
    expect(world.connect(A).outcome).toBe('no-endpoint')
  })

  // Case 7.
  it('gives a single endpoint everything', () => {
    const world = createWorld()
    world.set({ endpoints: endpoints(2) })
    expect(world.go(A, A, B, C)).toBe('2 2 2 2')
  })

  it('gives every endpoint the same share, in order', () => {
    const world = createWorld()
    world.set()
    expect(world.go(A, A, A, B, C, B)).toBe('1 2 3 1 2 3')
  })

  it('shares one rotation over the addresses of a Service port', () => {
    const world = createWorld()
    world.set({ listener: 1 })
    world.set({ listener: 2 })
    const outcomes = [1, 2, 2, 1].map((listener) => short(world.connect(A, 'ok', listener).outcome))
    expect(outcomes).toEqual(['1', '2', '3', '1'])
  })

  it('shares one rotation over all threads', () => {
    const world = createWorld(2)
    world.set()
    expect([0, 1, 1, 0].map((thread) => short(world.dial(A, thread).outcome))).toEqual(['1', '2', '3', '1'])
  })

  it('gives each attempt its own time', () => {
    const world = createWorld()
    world.set({ connectMs: [100, 300] })
    const session = world.dial(A)
    expect(session.connectMs).toBe(100)
    session.timesOut()
    expect(session.connectMs).toBe(300)
  })

  it('allocates nothing: the same decision is the same object', () => {
    const world = createWorld()
    world.set({ endpoints: endpoints(1) })
    const { client } = world.dial(A)
    expect(world.policy.decide(1, client, [])).toBe(world.policy.decide(1, client, []))
  })
})

describe('an attempt that fails', () => {
  // Case 67.
  it('is followed by one on another endpoint, and the client sees none of it', () => {
    const world = createWorld()
    world.set()
    const session = world.connect(A, (endpoint) => (endpoint.startsWith('10.1.0.1:') ? 'refused' : 'ok'))
    expect(short(session.outcome)).toBe('2')
    expect([world.ofService('attempts'), world.ofService('retries'), world.ofService('attemptFailures')]).toEqual([2, 1, 1])
    expect(world.ofEndpoint(1, 'refused')).toBe(1)
  })

  // Case 68.
  it('delays nobody else', () => {
    const world = createWorld()
    world.set()
    const first = world.dial(A)
    const second = world.dial(B)
    expect([short(first.outcome), short(second.outcome)]).toEqual(['1', '2'])
    second.connected()
    first.timesOut()
    expect(short(first.outcome)).toBe('3')
  })

  // Case 69.
  it('is tried once more where all refuse, endpoint by endpoint, and no longer than there are attempts', () => {
    const world = createWorld()
    world.set()
    const session = world.connect(A, 'refused')
    expect(session.failed.map(short)).toEqual(['1 refused', '2 refused', '3 refused', '1 refused'])
    expect(session.outcome).toBe('connect-refused')
    expect(world.clock.now()).toBe(0)
    expect(world.ends()).toEqual({ 'connect-refused': 1 })
  })

  it('is tried once more on a single endpoint that refuses, then the client is turned away at once', () => {
    const world = createWorld()
    world.set({ endpoints: endpoints(1) })
    const session = world.connect(A, 'refused')
    expect(session.failed).toHaveLength(2)
    expect(session.outcome).toBe('connect-refused')
  })

  it('gives a single endpoint that says nothing all the time there is', () => {
    const world = createWorld()
    world.set({ endpoints: endpoints(1) })
    const session = world.connect(A, 'timeout')
    expect(session.failed).toHaveLength(4)
    expect(session.outcome).toBe('connect-timeout')
    expect(world.clock.now()).toBe(3_750)
    expect(world.ofEndpoint(1, 'timedOut')).toBe(4)
  })

  it('goes to those that timed out before those that refused, when all were tried', () => {
    const world = createWorld()
    world.set({ connectMs: [1, 1, 1, 1, 1, 1] })
    const session = world.connect(A, (endpoint) => (endpoint.startsWith('10.1.0.2:') ? 'refused' : 'timeout'))
    expect(session.failed.map(short)).toEqual(['1 timeout', '2 refused', '3 timeout', '1 timeout', '3 timeout', '2 refused'])
    expect(session.outcome).toBe('connect-refused')
  })

  it('goes to an endpoint that came meanwhile, and not to one that left', () => {
    const world = createWorld()
    world.set({ endpoints: endpoints(1, 2) })
    const session = world.dial(A).refused()
    world.set({ endpoints: endpoints(1, 5) })
    expect(short(session.refused().outcome)).toBe('5')
    world.set({ endpoints: endpoints(6) })
    expect(short(session.refused().outcome)).toBe('6')
  })

  it('ends a session whose route is gone meanwhile, or has no endpoint left', () => {
    const world = createWorld()
    world.set()
    const one = world.dial(A)
    const two = world.dial(B)
    world.set({ endpoints: [] })
    expect(one.refused().outcome).toBe('no-endpoint')
    world.remove()
    expect(two.refused().outcome).toBe('no-endpoint')
    expect(world.ofService('active')).toBe(0)
  })

  it('is one of as many as the route says now', () => {
    const world = createWorld()
    world.set()
    const session = world.dial(A).refused()
    world.set({ connectMs: [10, 20] })
    expect(session.connectMs).toBe(500)
    expect(session.refused().outcome).toBe('connect-refused')
  })

  it('never makes a session forget to end, whatever endpoints do', () => {
    const answer = fc.constantFrom<'ok' | 'refused' | 'timeout'>('ok', 'refused', 'timeout')
    const script = fc.tuple(fc.uniqueArray(fc.integer({ min: 1, max: 5 })), fc.array(answer, { minLength: 20, maxLength: 20 }))
    fc.assert(
      fc.property(fc.array(script, { maxLength: 6 }), fc.boolean(), (steps, sticky) => {
        const world = createWorld()
        for (const [numbers, answers] of steps) {
          world.set({ endpoints: endpoints(...numbers), affinityTimeoutMs: sticky ? 1_000 : undefined })
          const session = world.connect(A, (_, attempt) => answers[attempt] ?? 'ok')
          expect(session.failed.length).toBeLessThanOrEqual(4)
          const untried = numbers.filter((n) => !session.failed.some((failed) => failed.startsWith(`10.1.0.${n}:`)))
          const tries = new Set(session.failed.map((failed) => failed.split(' ')[0]))
          if (tries.size < session.failed.length) expect(untried).toEqual([])
          if (session.endpoint) session.close()
        }
        expect(world.ofService('active')).toBe(0)
        for (const n of [1, 2, 3, 4, 5]) {
          expect(world.ofEndpoint(n, 'active')).toBe(0)
          const failed = world.ofEndpoint(n, 'refused') + world.ofEndpoint(n, 'timedOut')
          expect(world.ofEndpoint(n, 'attempts')).toBe(failed + world.ofEndpoint(n, 'sessions'))
        }
        const ended = Object.values(world.ends()).reduce((sum, count) => sum + count, 0)
        expect(ended).toBe(steps.length)
        expect(world.ofService('sessions')).toBe(steps.length)
        expect(world.ofService('attempts')).toBe(world.ofService('attemptFailures') + world.ofService('connected'))
      }),
    )
  })
})

describe('affinity', () => {
  const sticky = { affinityTimeoutMs: 10_000 }

  it('sends a client to the endpoint it had, and counts that it did', () => {
    const world = createWorld()
    world.set(sticky)
    expect(world.go(A, B, A, C, B, A)).toBe('1 2 1 3 2 1')
    expect([world.ofService('affinityMisses'), world.ofService('affinityHits')]).toEqual([3, 3])
  })

  it('does not move the rotation for clients it knows', () => {
    const world = createWorld()
    world.set(sticky)
    expect(world.go(A, A, A, A, B)).toBe('1 1 1 1 2')
  })

  // Case 83.
  it('looks at the address of a client, never at its port', () => {
    const world = createWorld()
    world.set(sticky)
    const sessions = [1, 2, 3].map((port) => new ScriptedSession(world.policy, world.clock, 1, A, port))
    expect(sessions.map(({ outcome }) => short(outcome))).toEqual(['1', '1', '1'])
  })

  // Case 36.
  it('knows clients by IPv6', () => {
    const world = createWorld()
    world.set(sticky)
    expect(world.go('2001:db8::1', '2001:db8::2', '2001:db8:0:0::1', '2001:db8::2')).toBe('1 2 1 2')
  })

  it('knows a client by IPv4 as the same when it comes as IPv6', () => {
    const world = createWorld()
    world.set(sticky)
    expect(world.go(A, `::ffff:${A}`)).toBe('1 1')
  })

  // Cases 26 and 27.
  it('lasts until the client stayed away for the timeout', () => {
    const world = createWorld()
    world.set(sticky)
    expect(world.go(A)).toBe('1')
    world.clock.advance(9_999)
    expect(world.go(A)).toBe('1')
    world.clock.advance(9_999)
    expect(world.go(A)).toBe('1')
    world.clock.advance(10_000)
    expect(world.go(A)).toBe('2')
    expect(world.go(A)).toBe('2')
  })

  // Case 28.
  it('never moves a client that keeps coming', () => {
    const world = createWorld()
    world.set(sticky)
    for (let n = 0; n < 20; n++) {
      expect(world.go(A)).toBe('1')
      world.go(B, C)
      world.clock.advance(5_000)
    }
  })

  // Case 30.
  it('goes by a timeout that changed, at once', () => {
    const world = createWorld()
    world.set(sticky)
    expect(world.go(A, B)).toBe('1 2')
    world.clock.advance(5_000)
    world.set({ affinityTimeoutMs: 4_000 })
    expect(world.go(A)).toBe('3')
    world.set({ affinityTimeoutMs: 60_000 })
    world.clock.advance(20_000)
    expect(world.go(A, B)).toBe('3 2')
  })

  // Case 31.
  it('can be switched off and on', () => {
    const world = createWorld()
    world.set(sticky)
    expect(world.go(A, A)).toBe('1 1')
    world.set({ affinityTimeoutMs: undefined })
    expect(world.go(A, A, A)).toBe('2 3 1')
    world.set(sticky)
    expect(world.go(A, A)).toBe('1 1')
    expect(world.go(B, B)).toBe('2 2')
  })

  // Case 33.
  it('is a matter of each Service port', () => {
    const world = createWorld()
    world.set({ ...sticky, listener: 1, serviceSlot: 0 })
    world.set({ ...sticky, listener: 2, serviceSlot: 1 })
    world.connect(B, 'ok', 2)
    expect([1, 2, 1, 2].map((listener) => short(world.connect(A, 'ok', listener).outcome))).toEqual(['1', '2', '1', '2'])
  })

  it('holds over all addresses of a Service port', () => {
    const world = createWorld()
    world.set({ ...sticky, listener: 1 })
    world.set({ ...sticky, listener: 2 })
    world.connect(B)
    expect([1, 2].map((listener) => short(world.connect(A, 'ok', listener).outcome))).toEqual(['2', '2'])
  })

  // Case 34.
  it('never leads to an endpoint that left', () => {
    const world = createWorld()
    world.set(sticky)
    expect(world.go(A, B, C)).toBe('1 2 3')
    world.set({ ...sticky, endpoints: endpoints(1, 2, 4) })
    expect(world.go(C)).toBe('1')
    expect(world.go(A, B, C)).toBe('1 2 1')
  })

  // Case 70.
  it('moves a client whose endpoint is dead, and it stays there', () => {
    const world = createWorld()
    world.set(sticky)
    world.go(A)
    expect(short(world.connect(A, (endpoint) => (endpoint.startsWith('10.1.0.1:') ? 'timeout' : 'ok')).outcome)).toBe('2')
    expect(world.go(A, A)).toBe('2 2')
  })

  it('stays with an endpoint where no other could be had, as long as that takes', () => {
    const world = createWorld()
    world.set({ ...sticky, endpoints: endpoints(1) })
    const session = world.connect(A, (_, attempt) => (attempt < 3 ? 'timeout' : 'ok'))
    expect(short(session.outcome)).toBe('1')
    expect(world.go(A)).toBe('1')
  })

  it('moves all sessions of a client to one endpoint when several find theirs dead', () => {
    const world = createWorld()
    world.set(sticky)
    world.go(A)
    const sessions = [world.dial(A), world.dial(A), world.dial(A)]
    for (const session of sessions) session.refused()
    expect(sessions.map(({ outcome }) => short(outcome))).toEqual(['2', '2', '2'])
    // They followed the first of them, and took no turn of the rotation.
    expect(world.go(A, B)).toBe('2 3')
  })

  it('is not forgotten for the failure of an endpoint that the client has left already', () => {
    const world = createWorld()
    world.set(sticky)
    const [slow, quick] = [world.dial(A), world.dial(A)]
    quick.refused().connected()
    slow.refused()
    expect([short(slow.outcome), short(quick.outcome)]).toEqual(['2', '2'])
    expect(world.go(A)).toBe('2')
  })

  it('is the same in all threads', () => {
    const world = createWorld(2)
    world.set(sticky)
    const one = world.dial(A, 0)
    const other = world.dial(A, 1)
    expect(short(other.outcome)).toBe(short(one.outcome))
    one.refused()
    expect(short(other.refused().outcome)).toBe(short(one.outcome))
  })

  it('goes its own way where the choice of another thread is not in the list here', () => {
    const world = createWorld(2)
    world.set(sticky)
    const [here, there] = world.policies as [RouteSessionPolicy, RouteSessionPolicy]
    there.apply({ revision: 99, set: [{ ...routeOf(world), endpoints: endpoints(9) }], remove: [] })
    expect(short(world.dial(A, 1).outcome)).toBe('9')
    expect(short(new ScriptedSession(here, world.clock, 1, A).outcome)).toBe('1')
  })

  // Cases 22, 23 and 24: a failed attempt is what "reset" was.
  it('takes the next of the rotation after a failure, and remembers that one', () => {
    const world = createWorld()
    world.set({ affinityTimeoutMs: FOREVER_MS })
    expect(world.go(A, B, C)).toBe('1 2 3')
    const moved = (ip: string) => short(world.dial(ip).refused().outcome)
    expect(moved(A)).toBe('2')
    expect(world.go(B)).toBe('2')
    expect(moved(B)).toBe('3')
    expect(moved(C)).toBe('1')
    expect(world.go(A, B, C)).toBe('2 3 1')
  })
})

function routeOf(world: ReturnType<typeof createWorld>): PublishedRoute {
  return world.policy.timeouts(1) as PublishedRoute
}

describe('source ranges', () => {
  it('let in who is inside one of them, and nobody else', () => {
    const world = createWorld()
    world.set({ sourceRanges: ['192.0.2.0/31', '198.51.100.7/32'] as unknown as PublishedRoute['sourceRanges'] })
    const ips = ['192.0.2.0', '192.0.2.1', '192.0.2.2', '198.51.100.7', '198.51.100.8', '2001:db8::1']
    expect(ips.map((ip) => (world.connect(ip).endpoint ? 'in' : 'out'))).toEqual(['in', 'in', 'out', 'in', 'out', 'out'])
    expect(world.ends()).toEqual({ denied: 3 })
  })

  it.each([
    ['0.0.0.0/0', ['192.0.2.1', '::ffff:10.0.0.1'], ['2001:db8::1']],
    ['2001:db8::/33', ['2001:db8:7fff::1'], ['2001:db8:8000::1', '192.0.2.1']],
    ['2001:db8::1/128', ['2001:db8::1'], ['2001:db8::2', '2001:db8:0:0:0:0:1:1']],
    ['128.0.0.0/1', ['255.0.0.1', '128.0.0.1'], ['127.255.255.255']],
    ['2001:db8:0:1::/64', ['2001:db8:0:1:ffff::1'], ['2001:db8:0:2::1', '2001:db8::1']],
  ])('are exact to the bit: %s', (range, inside, outside) => {
    const world = createWorld()
    world.set({ sourceRanges: [range] as unknown as PublishedRoute['sourceRanges'] })
    expect(inside.map((ip) => world.connect(ip).outcome)).not.toContain('denied')
    expect(outside.map((ip) => world.connect(ip).outcome)).toEqual(outside.map(() => 'denied'))
  })

  it('take no turn of the rotation, no attempt and no affinity from who stays outside', () => {
    const world = createWorld()
    world.set({ affinityTimeoutMs: 1_000, sourceRanges: ['192.0.2.1/32'] as unknown as PublishedRoute['sourceRanges'] })
    expect(world.go(B, C, A)).toBe('denied denied 1')
    expect([world.ofService('sessions'), world.ofService('attempts'), world.ofService('affinityMisses')]).toEqual([3, 1, 1])
    expect(world.ofService('active')).toBe(1)
  })

  it('change on a live listener, for new sessions', () => {
    const world = createWorld()
    world.set()
    const session = world.dial(A)
    world.set({ sourceRanges: ['10.0.0.0/8'] as unknown as PublishedRoute['sourceRanges'] })
    expect(world.connect(A).outcome).toBe('denied')
    expect(short(session.refused().outcome)).toBe('2')
  })
})

describe('counting', () => {
  it('follows a session from its beginning to its end', () => {
    const world = createWorld()
    world.set()
    const session = world.dial(A)
    expect([world.ofService('sessions'), world.ofService('active'), world.ofEndpoint(1, 'active')]).toEqual([1, 1, 1])
    world.clock.advance(7)
    session.connected().close('endpoint-reset', { bytesFromClient: 100, bytesFromEndpoint: 2_000 })
    expect([world.ofService('active'), world.ofEndpoint(1, 'active')]).toEqual([0, 0])
    const counts = Object.fromEntries(SERVICE_COUNTERS.map((counter) => [counter, world.ofService(counter)]))
    expect(counts).toEqual({
      sessions: 1,
      active: 0,
      bytesFromClient: 100,
      bytesFromEndpoint: 2_000,
      datagramsFromClient: 0,
      datagramsFromEndpoint: 0,
      attempts: 1,
      attemptFailures: 0,
      retries: 0,
      affinityHits: 0,
      affinityMisses: 0,
      udpEvictions: 0,
      connectMsSum: 7,
      connected: 1,
    })
    expect(world.ends()).toEqual({ 'endpoint-reset': 1 })
    const counters = [...ENDPOINT_COUNTERS, 'active'] as const
    const atEndpoint = Object.fromEntries(counters.map((counter) => [counter, world.ofEndpoint(1, counter)]))
    expect(atEndpoint).toEqual({
      sessions: 1,
      active: 0,
      bytesFromClient: 100,
      bytesFromEndpoint: 2_000,
      attempts: 1,
      refused: 0,
      timedOut: 0,
      resets: 1,
    })
  })

  it('takes no connect time from a session that never connected', () => {
    const world = createWorld()
    world.set()
    world.dial(A).close('client-reset')
    expect([world.ofService('connected'), world.ofService('connectMsSum')]).toEqual([0, 0])
    expect([world.ofService('active'), world.ofEndpoint(1, 'active')]).toEqual([0, 0])
  })

  it('includes sessions that were turned away before they could ask', () => {
    const world = createWorld()
    world.set()
    const { client } = world.dial(A)
    const facts = {
      id: 9,
      listener: 1,
      client,
      lease: -1,
      ticket: 0,
      attempts: 0,
      end: 'over-limit',
      startedMs: 0,
      endedMs: 0,
    } as const
    const nothing = { bytesFromClient: 0, bytesFromEndpoint: 0, datagramsFromClient: 0, datagramsFromEndpoint: 0 }
    world.policy.refused({ ...facts, ...nothing, connectMs: -1 })
    expect([world.ofService('sessions'), world.ofService('active')]).toEqual([2, 1])
    expect(world.ends()).toEqual({ 'over-limit': 1 })
    expect(world.ofService('udpEvictions')).toBe(0)
  })

  it('tells a UDP session that gave way to another from one that found no room', () => {
    const world = createWorld()
    world.set({ protocol: 'UDP' })
    world.dial(A).connected().close('over-limit', { datagramsFromClient: 3, datagramsFromEndpoint: 2 })
    expect([world.ofService('udpEvictions'), world.ofService('datagramsFromClient')]).toEqual([1, 3])
  })

  it('stays with the thread that did it', () => {
    const world = createWorld(2)
    world.set()
    world.dial(A, 1)
    expect(world.row.services.every((cell) => cell === 0)).toBe(true)
    expect(world.ofService('active')).toBe(1)
  })

  it('goes on for sessions whose route is gone', () => {
    const world = createWorld()
    world.set()
    const session = world.dial(A).connected()
    world.remove()
    session.close('endpoint-closed', { bytesFromClient: 5 })
    expect([world.ofService('active'), world.ofService('bytesFromClient'), world.ofEndpoint(1, 'active')]).toEqual([0, 5, 0])
  })

  it('takes running sessions along when a listener goes over to another Service port', () => {
    const world = createWorld(2)
    world.set({ serviceSlot: 0 })
    const sessions = [world.dial(A, 0), world.dial(B, 1), world.dial(C, 1)]
    world.set({ serviceSlot: 3, endpoints: endpoints(4, 5) })
    expect([world.ofService('active', 0), world.ofService('active', 3)]).toEqual([0, 3])
    sessions[0]?.refused()
    for (const session of sessions) session.close()
    expect([world.ofService('active', 0), world.ofService('active', 3)]).toEqual([0, 0])
    for (const n of [1, 2, 3, 4, 5]) expect(world.ofEndpoint(n, 'active')).toBe(0)
    expect([world.ofService('sessions', 0), world.ofService('sessions', 3)]).toEqual([3, 0])
    expect(world.ends(3)).toEqual({ 'client-closed': 3 })
  })

  it('of a session that moves between threads begins in one and ends in another, and is right all the while', () => {
    const world = createWorld(3)
    world.set({ endpoints: endpoints(1) })
    const active = () => [world.ofService('active'), world.ofEndpoint(1, 'active')]
    const session = world.dial(A, 0).connected()
    for (const [from, to] of [
      [0, 1],
      [1, 2],
      [2, 0],
      [0, 2],
    ] as const) {
      world.move(session, from, to, () => expect(active()).toEqual([1, 1]))
      expect(active()).toEqual([1, 1])
    }
    session.close('client-closed', { bytesFromClient: 3 })
    expect(active()).toEqual([0, 0])
    expect([world.ofService('sessions'), world.ofService('bytesFromClient'), world.ofEndpoint(1, 'sessions')]).toEqual([1, 3, 1])
    expect(world.records().length).toBe(1)
  })

  it('follows a listener to another Service port wherever its sessions are at that moment', () => {
    const world = createWorld(2)
    world.set({ serviceSlot: 0 })
    const sessions = [world.dial(A, 0), world.dial(B, 0), world.dial(C, 0)].map((session) => session.connected())
    const [before, between, after] = sessions as [ScriptedSession, ScriptedSession, ScriptedSession]
    world.move(before, 0, 1)
    world.move(between, 0, 1, () => world.set({ serviceSlot: 3 }))
    world.move(after, 0, 1)
    expect([world.ofService('active', 0), world.ofService('active', 3)]).toEqual([0, 3])
    for (const session of sessions) session.close()
    expect([world.ofService('active', 0), world.ofService('active', 3)]).toEqual([0, 0])
    expect(world.ends(3)).toEqual({ 'client-closed': 3 })
  })

  it('goes on for a session whose listener the thread it comes to never knew', () => {
    const world = createWorld(2)
    world.policies[0]?.apply({ revision: 1, set: [world.route()], remove: [] })
    const session = world.dial(A, 0).connected()
    world.move(session, 0, 1)
    session.close()
    expect([world.ofService('sessions'), world.ofService('active')]).toEqual([1, 0])
    expect(world.ends()).toEqual({ 'client-closed': 1 })
  })

  it('forgets exactly the sessions of a thread that dies, wherever they began', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2), fc.nat(2)), { maxLength: 30 }), fc.nat(2), (steps, dies) => {
        const world = createWorld(3)
        world.set({ endpoints: endpoints(1) })
        const living: { session: ScriptedSession; thread: number }[] = []
        for (const [thread, to] of steps) {
          const one = { session: world.dial(A, thread).connected(), thread }
          living.push(one)
          // The oldest ones travel on.
          const moved = living[to] ?? one
          world.move(moved.session, moved.thread, to)
          moved.thread = to
          if (to === 0 && living.length > 5) living.shift()?.session.close()
        }
        world.die(dies)
        const left = living.filter(({ thread }) => thread !== dies)
        expect([world.ofService('active'), world.ofEndpoint(1, 'active')]).toEqual([left.length, left.length])
        for (const { session } of left) session.close()
        expect([world.ofService('active'), world.ofEndpoint(1, 'active')]).toEqual([0, 0])
      }),
    )
  })
})

describe('the record of a session', () => {
  it('says all there is to say', () => {
    const world = createWorld()
    world.set({ listener: 5, serviceSlot: 2 })
    world.clock.advance(1_000)
    const session = world.dial('198.51.100.9', 0, 5).refused()
    world.clock.advance(30)
    session.connected()
    world.clock.advance(70)
    session.close('client-closed', { id: 77, bytesFromClient: 1, bytesFromEndpoint: 2 })
    expect(world.records()).toEqual([
      {
        id: 77,
        startedAtMs: 1_700_000_001_000,
        durationMs: 100,
        connectMs: 30,
        word0: 0,
        word1: 0,
        word2: 0xffff,
        word3: 0xc6336409,
        port: 40_000,
        listener: 5,
        serviceSlot: 2,
        lease: 12,
        attempts: 2,
        bytesFromClient: 1,
        bytesFromEndpoint: 2,
        datagramsFromClient: 0,
        datagramsFromEndpoint: 0,
        end: sessionEndNumber('client-closed'),
      },
    ])
  })

  it('is written before its slots stop counting the session', () => {
    const world = createWorld()
    world.set()
    const session = world.dial(A).connected()
    const seen: number[] = []
    const facts = {
      get end() {
        // Asked for the record first; at that moment the session still counts.
        seen.push(world.ofEndpoint(1, 'active'))
        return 'client-closed' as const
      },
    }
    const { client } = session
    const numbers = { bytesFromClient: 0, bytesFromEndpoint: 0, datagramsFromClient: 0, datagramsFromEndpoint: 0 }
    world.policy.ended(
      Object.defineProperties(
        { id: 1, listener: 1, client, lease: 11, attempts: 1, startedMs: 0, endedMs: 0, connectMs: 0, ...numbers } as never,
        Object.getOwnPropertyDescriptors(facts),
      ),
    )
    expect(seen[0]).toBe(1)
    expect(world.ofEndpoint(1, 'active')).toBe(0)
  })
})

describe('what a route says to sessions that run', () => {
  it('is which endpoints new sessions may go to', () => {
    const world = createWorld()
    world.set({ endpoints: endpoints(1, 2) })
    expect([11, 12, 13].map((slot) => world.policy.serves(1, slot, clientAddress(A)))).toEqual([true, true, false])
    world.set({ endpoints: endpoints(2) })
    expect([11, 12, 13].map((slot) => world.policy.serves(1, slot, clientAddress(A)))).toEqual([false, true, false])
    world.remove()
    expect(world.policy.serves(1, 12, clientAddress(A))).toBe(false)
  })

  it('is how long they may be quiet, until the route is gone', () => {
    const world = createWorld()
    expect(world.policy.timeouts(1)).toBeUndefined()
    world.set({ idleMs: 5, halfCloseMs: 6, udpIdleMs: 7, udpResponses: 8 })
    expect(world.policy.timeouts(1)).toMatchObject({ idleMs: 5, halfCloseMs: 6, udpIdleMs: 7, udpResponses: 8 })
    world.remove()
    expect(world.policy.timeouts(1)).toBeUndefined()
  })
})
