import { describe, expect, it } from 'vitest'
import { createBackoff } from '../../src/lib/backoff.ts'
import { manualClock } from '../../src/lib/clock.ts'
import { ListenerPool } from '../../src/listener/pool.ts'
import type { ListenerKey } from '../../src/model/keys.ts'
import type { Route } from '../../src/model/snapshot.ts'
import { FakeEngine } from '../support/fake-engine.ts'
import { settle } from '../support/settle.ts'

const A = 'TCP/10.0.0.1:80' as ListenerKey
const B = 'TCP/10.0.0.2:80' as ListenerKey
const C = 'UDP/10.0.0.1:53' as ListenerKey

/** A route as far as the pool looks at it. */
function aRoute(key: ListenerKey, endpoints = 1, forLocalClients = endpoints): Route {
  const [, protocol, ip, port] = /^(\w+)\/(.*):(\d+)$/.exec(key) as unknown as [string, string, string, string]
  const some = (count: number) => Array.from({ length: count }, (_, n) => ({ key: `10.1.0.${n + 1}:80/TCP` }))
  return {
    key,
    kind: 'clusterIP',
    address: { ip, port: Number(port) },
    port: { protocol },
    endpoints: some(endpoints),
    localClientEndpoints: some(forLocalClients),
  } as unknown as Route
}

/** A pool whose back-off is 1 s, 2 s, 4 s, … up to 8 s. */
function createWorld() {
  const engine = new FakeEngine()
  const clock = manualClock(0)
  const statuses: string[] = []
  const closed: string[] = []
  const pool = new ListenerPool({
    engine,
    clock,
    createBackoff: () => createBackoff({ firstMs: 1_000, longestMs: 8_000, random: { below: (below) => below - 1 } }),
    onStatus: (route, status) => {
      const detail = status.state === 'failed' ? ` ${status.code}, again at ${status.retryAtMs}` : ''
      statuses.push(`${route.key} ${status.state}${detail}`)
    },
    onClosed: (id, route) => void closed.push(`${route.key} #${id}`),
  })
  return {
    engine,
    clock,
    pool,
    statuses,
    closed,
    /** As the data plane does it: claim, then apply. */
    async apply(routes: readonly Route[], close: readonly ListenerKey[] = []): Promise<void> {
      for (const route of routes) pool.claim(route)
      await pool.apply(routes, close)
    },
    async advance(byMs: number): Promise<void> {
      clock.advance(byMs)
      await settle()
    },
    states: () => Object.fromEntries([...pool.addresses()].map(({ route, status }) => [route.key, status.state])),
    retryAtMs(key: ListenerKey): number | undefined {
      const status = [...pool.addresses()].find(({ route }) => route.key === key)?.status
      return status?.state === 'failed' ? status.retryAtMs : undefined
    },
    takeStatuses: () => statuses.splice(0),
  }
}

describe('listener pool', () => {
  it('opens an address that has endpoints, and parks one that has none without opening it', async () => {
    const world = createWorld()
    await world.apply([aRoute(A), aRoute(B, 0)])
    expect(world.engine.asked).toEqual([`open ${A}`])
    expect(world.statuses.sort()).toEqual([`${A} listening`, `${B} parked`])
    expect(world.states()).toEqual({ [A]: 'listening', [B]: 'parked' })
  })

  it('opens where only clients on this node may be served, and nobody else', async () => {
    const world = createWorld()
    await world.apply([aRoute(A, 0, 1), aRoute(B, 0, 0)])
    expect(world.states()).toEqual({ [A]: 'listening', [B]: 'parked' })
    await world.apply([aRoute(A, 0, 0), aRoute(B, 1, 0)])
    expect(world.states()).toEqual({ [A]: 'parked', [B]: 'listening' })
  })

  it('gives an address a number that it keeps, and every address another', async () => {
    const world = createWorld()
    const id = world.pool.claim(aRoute(A))
    await world.apply([aRoute(A), aRoute(B), aRoute(C)])
    expect(world.pool.claim(aRoute(A, 0))).toBe(id)
    expect(world.pool.idOf(A)).toBe(id)
    expect(new Set([A, B, C].map((key) => world.pool.idOf(key))).size).toBe(3)
  })

  it('does nothing to a socket whose route is swapped', async () => {
    const world = createWorld()
    await world.apply([aRoute(A)])
    await world.apply([aRoute(A, 3)])
    expect(world.engine.asked).toEqual([`open ${A}`])
    expect([...world.pool.addresses()][0]?.route.endpoints).toHaveLength(3)
  })

  it('parks when the last endpoint leaves, and opens again when one comes', async () => {
    const world = createWorld()
    await world.apply([aRoute(A)])
    await world.apply([aRoute(A, 0)])
    await world.apply([aRoute(A, 0)])
    await world.apply([aRoute(A, 2)])
    expect(world.engine.asked).toEqual([`open ${A}`, `park ${A}`, `open ${A}`])
    expect(world.statuses).toEqual([`${A} listening`, `${A} parked`, `${A} listening`])
  })

  it('closes what nobody wants any more, and lets its sessions go on', async () => {
    const world = createWorld()
    await world.apply([aRoute(A), aRoute(B)])
    await world.apply([], [A])
    expect(world.engine.takeAsked().slice(2)).toEqual([`close ${A} keep`])
    expect(world.engine.listening).toEqual([B])
    expect(world.closed).toEqual([`${A} #1`])
    expect(world.states()).toEqual({ [B]: 'listening' })
    expect(world.pool.idOf(A)).toBeUndefined()
  })

  it('does not mind closing what it never had', async () => {
    const world = createWorld()
    await world.apply([], [A])
    expect(world.engine.asked).toEqual([])
  })

  // Case 87.
  it('serves every other address when one cannot be had', async () => {
    const world = createWorld()
    world.engine.failing.set(A, 'EADDRNOTAVAIL')
    await world.apply([aRoute(A), aRoute(B), aRoute(C)])
    expect(world.engine.listening).toEqual([B, C])
    expect(world.states()).toEqual({ [A]: 'failed', [B]: 'listening', [C]: 'listening' })
  })

  // Case 86.
  it('asks again for an address that is in use, ever more slowly, until it is free', async () => {
    const world = createWorld()
    world.engine.failing.set(A, 'EADDRINUSE')
    await world.apply([aRoute(A)])
    expect(world.takeStatuses()).toEqual([`${A} failed EADDRINUSE, again at 1100`])
    await world.advance(1_099)
    expect(world.engine.asked).toHaveLength(1)
    await world.advance(1)
    expect(world.retryAtMs(A)).toBe(3_200)
    for (const delayMs of [2_100, 4_100, 8_100, 8_100]) await world.advance(delayMs)
    expect(world.engine.asked).toHaveLength(6)
    expect(world.takeStatuses()).toEqual([])
    world.engine.failing.clear()
    await world.advance(8_100)
    expect(world.takeStatuses()).toEqual([`${A} listening`])
    await world.advance(1_000_000)
    expect(world.engine.asked).toHaveLength(7)
    expect(world.clock.pending).toBe(0)
  })

  it('says a failure once, and says another one', async () => {
    const world = createWorld()
    world.engine.failing.set(A, 'EADDRINUSE')
    await world.apply([aRoute(A)])
    await world.advance(1_100)
    world.engine.failing.set(A, 'EACCES')
    await world.advance(2_100)
    expect(world.statuses).toEqual([`${A} failed EADDRINUSE, again at 1100`, `${A} failed EACCES, again at 7300`])
  })

  it('begins with short waits again after it once had the address', async () => {
    const world = createWorld()
    world.engine.failing.set(A, 'EADDRINUSE')
    await world.apply([aRoute(A)])
    await world.advance(1_100)
    world.engine.failing.clear()
    await world.advance(2_100)
    await world.apply([aRoute(A, 0)])
    world.engine.failing.set(A, 'EADDRINUSE')
    await world.apply([aRoute(A)])
    expect(world.retryAtMs(A)).toBe(3_200 + 1_100)
  })

  it('asks at once when the route changes meanwhile, with one retry under way at most', async () => {
    const world = createWorld()
    world.engine.failing.set(A, 'EADDRINUSE')
    await world.apply([aRoute(A)])
    for (let n = 0; n < 5; n++) await world.apply([aRoute(A, n + 1)])
    expect(world.engine.asked).toHaveLength(6)
    expect(world.clock.pending).toBe(1)
  })

  it('asks no more for an address that lost its endpoints or its route', async () => {
    const world = createWorld()
    world.engine.failing.set(A, 'EADDRINUSE')
    world.engine.failing.set(B, 'EADDRINUSE')
    await world.apply([aRoute(A), aRoute(B)])
    await world.apply([aRoute(A, 0)], [B])
    expect(world.clock.pending).toBe(0)
    expect(world.states()).toEqual({ [A]: 'parked' })
    expect(world.closed).toEqual([`${B} #2`])
    await world.advance(1_000_000)
    expect(world.engine.asked).toEqual([`open ${A}`, `open ${B}`])
    world.engine.failing.clear()
    await world.apply([aRoute(A)])
    expect(world.states()).toEqual({ [A]: 'listening' })
  })

  it('closes an address that is still opening as soon as it is open', async () => {
    const world = createWorld()
    const release = world.engine.hold(A)
    const opening = world.apply([aRoute(A)])
    await settle()
    const closing = world.apply([], [A])
    await settle()
    expect(world.engine.asked).toEqual([`open ${A}`])
    release()
    await Promise.all([opening, closing])
    expect(world.engine.asked).toEqual([`open ${A}`, `close ${A} keep`])
    expect(world.engine.listening).toEqual([])
    expect(world.engine.overlaps).toEqual([])
  })

  it('closes nothing where the address that was still opening could not be had', async () => {
    const world = createWorld()
    world.engine.failing.set(A, 'EACCES')
    const release = world.engine.hold(A)
    const opening = world.apply([aRoute(A)])
    await settle()
    const closing = world.apply([], [A])
    release()
    await Promise.all([opening, closing])
    expect(world.engine.asked).toEqual([`open ${A}`])
    expect(world.closed).toEqual([`${A} #1`])
    expect(world.clock.pending).toBe(0)
  })

  it('opens an address anew, once its last listener is closed, when it is wanted again at once', async () => {
    const world = createWorld()
    await world.apply([aRoute(A)])
    const release = world.engine.hold(A)
    const closing = world.apply([], [A])
    await settle()
    const id = world.pool.claim(aRoute(A))
    const opening = world.pool.apply([aRoute(A)], [])
    await settle()
    expect(world.engine.asked).toEqual([`open ${A}`, `close ${A} keep`])
    release()
    await Promise.all([closing, opening])
    expect(world.engine.asked).toEqual([`open ${A}`, `close ${A} keep`, `open ${A}`])
    expect(id).toBe(2)
    expect(world.pool.idOf(A)).toBe(2)
    expect(world.closed).toEqual([`${A} #1`])
    expect(world.states()).toEqual({ [A]: 'listening' })
    expect(world.engine.overlaps).toEqual([])
  })

  it('opens an address anew even if it is claimed before the closing began', async () => {
    const world = createWorld()
    await world.apply([aRoute(A)])
    const closing = world.pool.apply([], [A])
    const id = world.pool.claim(aRoute(A))
    await Promise.all([closing, world.pool.apply([aRoute(A)], [])])
    expect(world.pool.idOf(A)).toBe(id)
    expect(world.states()).toEqual({ [A]: 'listening' })
    expect(world.engine.listening).toEqual([A])
    expect(world.engine.overlaps).toEqual([])
  })

  it('passes over what was wanted in between', async () => {
    const world = createWorld()
    const release = world.engine.hold(A)
    const all = [world.apply([aRoute(A)])]
    await settle()
    for (let n = 0; n < 3; n++) {
      all.push(world.apply([aRoute(A, 0)]))
      all.push(world.apply([aRoute(A)]))
    }
    release()
    await Promise.all(all)
    expect(world.engine.asked).toEqual([`open ${A}`])
    expect(world.states()).toEqual({ [A]: 'listening' })
  })

  it('never does two things at once on one address, and ends with what was wanted last', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const world = createWorld()
      let dice = seed * 7919
      const roll = (sides: number) => {
        dice = (dice * 48_271) % 2_147_483_647
        return dice % sides
      }
      const all: Promise<void>[] = []
      const wanted = new Map<ListenerKey, number>()
      const releases: (() => void)[] = []
      for (let step = 0; step < 40; step++) {
        const key = [A, B][roll(2)] as ListenerKey
        const what = roll(6)
        if (what === 0) releases.push(world.engine.hold(key))
        else if (what === 1) releases.shift()?.()
        else if (what === 2) {
          wanted.delete(key)
          all.push(world.apply([], [key]))
        } else {
          const endpoints = what === 3 ? 0 : 1
          wanted.set(key, endpoints)
          all.push(world.apply([aRoute(key, endpoints)]))
        }
        if (roll(3) === 0) await settle()
      }
      for (const release of releases) release()
      await Promise.all(all)
      expect(world.engine.overlaps).toEqual([])
      const states = [...wanted].map(([key, endpoints]) => [key, endpoints > 0 ? 'listening' : 'parked'])
      expect(world.states()).toEqual(Object.fromEntries(states))
      expect(world.engine.listening).toEqual([...wanted].flatMap(([key, endpoints]) => (endpoints > 0 ? [key] : [])).sort())
    }
  })

  it('tells the one who asked when an operation breaks, and still does what is asked next', async () => {
    const world = createWorld()
    await world.apply([aRoute(A)])
    world.engine.broken.add(`park ${A}`)
    await expect(world.apply([aRoute(A, 0), aRoute(B)])).rejects.toThrow(`park ${A} broke`)
    await world.apply([aRoute(A, 0)])
    expect(world.states()).toEqual({ [A]: 'parked', [B]: 'listening' })
    await world.apply([aRoute(A)])
    expect(world.states()).toEqual({ [A]: 'listening', [B]: 'listening' })
  })

  it('stops retrying when it is disposed, even if an address fails only then', async () => {
    const world = createWorld()
    world.engine.failing.set(A, 'EADDRINUSE')
    world.engine.failing.set(B, 'EADDRINUSE')
    await world.apply([aRoute(A)])
    const release = world.engine.hold(B)
    const opening = world.apply([aRoute(B)])
    await settle()
    world.pool[Symbol.dispose]()
    world.pool[Symbol.dispose]()
    release()
    await opening
    await world.apply([aRoute(C)])
    expect(world.clock.pending).toBe(0)
    expect(world.engine.asked).toEqual([`open ${A}`, `open ${B}`])
  })
})
