import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ClientSessions, NOT_COUNTED, TOO_FAST, TOO_MANY } from '../../src/affinity/client-sessions.ts'
import { Pace } from '../../src/affinity/pace.ts'
import type { ClientAddress } from '../../src/model/session.ts'
import { createSharedState, type SharedState } from '../../src/model/shared-layout.ts'

const ANY = 2 ** 30

function state(clientEntries: number): SharedState {
  return createSharedState({ rows: 1, serviceSlots: 4, endpointSlots: 1, affinityEntries: 32, clientEntries, recordsPerRing: 2 })
}

/** 10.x.y.z and some port. */
function client(n: number, port = 1): ClientAddress {
  return { word0: 0, word1: 0, word2: 0xffff, word3: 0x0a000000 + n, port }
}

const everySlot = () => true

describe('sessions by client', () => {
  it('are counted by Service port and address, whatever the port', () => {
    const sessions = new ClientSessions(state(1024))
    const ticket = sessions.enter(1, client(1, 1000), 2, undefined, 0)
    expect(ticket).toBeGreaterThan(NOT_COUNTED)
    expect(sessions.enter(1, client(1, 2000), 2, undefined, 0)).toBe(ticket)
    expect(sessions.enter(1, client(1, 3000), 2, undefined, 0)).toBe(TOO_MANY)
    expect(sessions.enter(2, client(1), 2, undefined, 0)).toBeGreaterThan(NOT_COUNTED)
    expect(sessions.enter(1, client(2), 2, undefined, 0)).toBeGreaterThan(NOT_COUNTED)
    sessions.leave(ticket)
    expect([sessions.count(1, client(1)), sessions.count(2, client(1)), sessions.count(3, client(1))]).toEqual([1, 1, 0])
    expect(sessions.enter(1, client(1), 2, undefined, 0)).toBe(ticket)
  })

  it('are never more than allowed, and never fewer, whatever happens', () => {
    const step = fc.record({
      do: fc.constantFrom('enter', 'enter', 'enter', 'leave', 'sweep'),
      n: fc.nat({ max: 40 }),
      service: fc.nat({ max: 1 }),
      most: fc.integer({ min: 1, max: 5 }),
      waitMs: fc.nat({ max: 500 }),
      which: fc.nat(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const sessions = new ClientSessions(state(1024))
        const held: { key: string; ticket: number }[] = []
        const counts = new Map<string, number>()
        let nowMs = 0
        for (const { do: what, n, service, most, waitMs, which } of steps) {
          nowMs += waitMs
          const key = `${service} ${n}`
          const count = counts.get(key) ?? 0
          if (what === 'enter') {
            const ticket = sessions.enter(service, client(n), most, undefined, nowMs)
            expect(ticket === TOO_MANY).toBe(count >= most)
            if (ticket === TOO_MANY) continue
            held.push({ key, ticket })
            counts.set(key, count + 1)
          } else if (what === 'leave' && held.length > 0) {
            const [left] = held.splice(which % held.length, 1)
            if (!left) continue
            sessions.leave(left.ticket)
            counts.set(left.key, (counts.get(left.key) as number) - 1)
          } else if (what === 'sweep') {
            const clients = new Set(held.map((one) => one.key)).size
            expect(sessions.sweep(nowMs, everySlot)).toBe(clients)
          }
          expect(sessions.count(service, client(n))).toBe(counts.get(key) ?? 0)
        }
        expect([sessions.uncounted(), sessions.evictions()]).toEqual([0, 0])
      }),
    )
  })

  it('begin no faster than allowed, and one that may not takes no token', () => {
    const sessions = new ClientSessions(state(1024))
    const pace = new Pace({ count: 1, perMs: 1000, burst: 3 })
    for (let n = 0; n < 2; n++) expect(sessions.enter(1, client(1), 2, pace, 0)).toBeGreaterThan(NOT_COUNTED)
    // It is the number of its sessions that keeps it out.
    for (let n = 0; n < 5; n++) expect(sessions.enter(1, client(1), 2, pace, 0)).toBe(TOO_MANY)
    expect(sessions.enter(1, client(1), ANY, pace, 0)).toBeGreaterThan(NOT_COUNTED)
    expect(sessions.enter(1, client(1), ANY, pace, 999)).toBe(TOO_FAST)
    expect(sessions.count(1, client(1))).toBe(3)
    expect(sessions.enter(1, client(1), ANY, pace, 1000)).toBeGreaterThan(NOT_COUNTED)
    expect(sessions.enter(1, client(2), ANY, pace, 1000)).toBeGreaterThan(NOT_COUNTED)
  })

  it('begin as many as a burst holds, also where a thread’s clock is behind', () => {
    const sessions = new ClientSessions(state(1024))
    const pace = new Pace({ count: 1, perMs: 1000, burst: 4 })
    const times = [50_000.002, 50_000.001, 49_800, 49_999, 50_000.003]
    const tickets = times.map((nowMs) => sessions.enter(1, client(1), ANY, pace, nowMs))
    expect(tickets.map((ticket) => (ticket > 0 ? 'in' : ticket))).toEqual(['in', 'in', 'in', 'in', TOO_FAST])
    expect(times.map((nowMs) => sessions.takeOf(1, pace, nowMs))).toEqual([true, true, true, true, false])
  })

  it('leave a pace behind until its tokens are back', () => {
    const sessions = new ClientSessions(state(1024))
    const pace = new Pace({ count: 1, perMs: 1000, burst: 1 })
    sessions.leave(sessions.enter(1, client(1), ANY, pace, 0))
    expect(sessions.sweep(500, everySlot)).toBe(1)
    expect(sessions.enter(1, client(1), ANY, pace, 500)).toBe(TOO_FAST)
    expect(sessions.sweep(1500, everySlot)).toBe(0)
    expect(sessions.enter(1, client(1), ANY, pace, 1500)).toBeGreaterThan(NOT_COUNTED)
  })

  it('of a full table are let in uncounted, and nobody who has one is forgotten', () => {
    const sessions = new ClientSessions(state(32))
    const tickets = Array.from({ length: 32 }, (_, n) => sessions.enter(1, client(n), 1, undefined, 0))
    expect(new Set(tickets).size).toBe(32)
    expect(Math.min(...tickets)).toBeGreaterThan(NOT_COUNTED)
    expect(sessions.enter(1, client(99), 1, undefined, 1)).toBe(NOT_COUNTED)
    expect(sessions.enter(1, client(99), 1, undefined, 1)).toBe(NOT_COUNTED)
    expect(sessions.uncounted()).toBe(2)
    for (let n = 0; n < 32; n++) expect(sessions.enter(1, client(n), 1, undefined, 2)).toBe(TOO_MANY)
    sessions.leave(tickets[7] as number)
    expect(sessions.enter(1, client(99), 1, undefined, 3)).toBe(tickets[7])
    expect(sessions.enter(1, client(7), 1, undefined, 3)).toBe(NOT_COUNTED)
    // Its client had no pace that would have been lost.
    expect(sessions.evictions()).toBe(0)
  })

  it('of a client that takes the place of another have nothing of that one’s pace', () => {
    const sessions = new ClientSessions(state(32))
    const pace = new Pace({ count: 1, perMs: 60_000, burst: 2 })
    for (let n = 0; n < 32; n++) for (let times = 0; times < 2; times++) sessions.leave(sessions.enter(1, client(n), 9, pace, n))
    for (let times = 0; times < 2; times++) expect(sessions.enter(1, client(99), 9, pace, 50)).toBeGreaterThan(NOT_COUNTED)
    expect(sessions.enter(1, client(99), 9, pace, 50)).toBe(TOO_FAST)
    expect(sessions.evictions()).toBe(1)
    // The one that had been quiet longest.
    expect(sessions.enter(1, client(1), 9, pace, 50)).toBe(TOO_FAST)
  })

  it('of a Service port that is nobody’s leave nothing to the next one that has its slot', () => {
    const sessions = new ClientSessions(state(1024))
    const pace = new Pace({ count: 1, perMs: 60_000, burst: 1 })
    sessions.leave(sessions.enter(1, client(1), 9, pace, 0))
    expect([sessions.takeOf(1, pace, 0), sessions.takeOf(1, pace, 0), sessions.takeOf(2, pace, 0)]).toEqual([true, false, true])
    expect(sessions.sweep(1, (slot) => slot === 2)).toBe(0)
    expect([sessions.takeOf(1, pace, 1), sessions.takeOf(2, pace, 1)]).toEqual([true, false])
    expect(sessions.enter(1, client(1), 9, pace, 1)).toBeGreaterThan(NOT_COUNTED)
  })

  it('are exact however many threads count them', async () => {
    const shared = state(2 ** 12)
    const [clients, most, tries, threads] = [300, 7, 5, 3]
    const start = new SharedArrayBuffer(4)
    const code = `
      import { parentPort, workerData } from 'node:worker_threads'
      import { ClientSessions } from ${JSON.stringify(new URL('../../src/affinity/client-sessions.ts', import.meta.url).href)}
      import { Pace } from ${JSON.stringify(new URL('../../src/affinity/pace.ts', import.meta.url).href)}
      const { shared, start, clients, most, tries, threads } = workerData
      const sessions = new ClientSessions(shared)
      const pace = new Pace({ count: 1, perMs: 60_000, burst: most })
      const gate = new Int32Array(start)
      Atomics.add(gate, 0, 1)
      while (Atomics.load(gate, 0) < threads) {}
      const client = { word0: 0, word1: 0, word2: 0xffff, word3: 0, port: 1 }
      const held = []
      let taken = 0
      for (let n = 0; n < clients; n++) {
        client.word3 = 0x0a000000 + n
        for (let times = 0; times < tries; times++) {
          const ticket = sessions.enter(1, client, most, undefined, 0)
          if (ticket > 0) held.push(ticket)
          if (sessions.enter(2, client, 2 ** 30, pace, 0) > 0) taken++
          // They come and go as well.
          const other = sessions.enter(3, client, 1, undefined, 0)
          if (other > 0) sessions.leave(other)
        }
      }
      parentPort.postMessage({ held, taken })
    `
    const runs = Array.from(
      { length: threads },
      () =>
        new Promise<{ held: number[]; taken: number }>((resolve, reject) => {
          const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
            workerData: { shared, start, clients, most, tries, threads },
          })
          worker.once('message', resolve)
          worker.once('error', reject)
        }),
    )
    const done = await Promise.all(runs)
    const sessions = new ClientSessions(shared)
    expect(sessions.uncounted()).toBe(0)
    expect(done.flatMap(({ held }) => held).length).toBe(clients * most)
    expect(done.reduce((sum, { taken }) => sum + taken, 0)).toBe(clients * most)
    for (let n = 0; n < clients; n++) {
      expect([sessions.count(1, client(n)), sessions.count(2, client(n)), sessions.count(3, client(n))]).toEqual([most, most, 0])
    }
    for (const ticket of done.flatMap(({ held }) => held)) sessions.leave(ticket)
    for (let n = 0; n < clients; n++) expect(sessions.count(1, client(n))).toBe(0)
  })
})
