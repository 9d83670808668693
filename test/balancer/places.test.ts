import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { Places } from '../../src/balancer/places.ts'
import { createSharedState, ledgerViews } from '../../src/model/shared-layout.ts'
import { clearLines, lineViews } from '../../src/model/shared-lines.ts'
import type { PlacesRace } from './places-worker.ts'

const ROWS = 3
const SERVICE = 2
const SLOTS = [4, 5]

function createPlaces() {
  const shared = createSharedState({ rows: ROWS, serviceSlots: 4, endpointSlots: 8, affinityEntries: 32, recordsPerRing: 8 })
  const lines = lineViews(shared)
  for (const slot of SLOTS) lines.owners[slot] = SERVICE + 1
  return { shared, lines, views: ledgerViews(shared) }
}

describe('places', () => {
  for (const limits of [
    { maxSessions: 2, maxPerEndpoint: undefined },
    { maxSessions: undefined, maxPerEndpoint: 1 },
    { maxSessions: 1, maxPerEndpoint: 1 },
  ]) {
    it(`are never more than ${JSON.stringify(limits)}, whoever takes them at the same instant`, async () => {
      const { shared, lines, views } = createPlaces()
      const holders = new Int32Array(new SharedArrayBuffer(16))
      const runs = Array.from({ length: ROWS }, (_, row) => {
        const race: PlacesRace = { shared, row, rows: ROWS, rounds: 20_000, limits, holders }
        return new Promise<{ taken: number; most: readonly number[] }>((resolve, reject) => {
          const worker = new Worker(new URL('./places-worker.ts', import.meta.url), { workerData: race })
          worker.once('message', resolve)
          worker.once('error', reject)
        })
      })
      const results = await Promise.all(runs)
      const most = [0, 1, 2].map((n) => Math.max(...results.map((result) => result.most[n] as number)))
      const each = limits.maxPerEndpoint ?? limits.maxSessions ?? 0
      expect(most[0]).toBeLessThanOrEqual(each)
      expect(most[1]).toBeLessThanOrEqual(each)
      expect(most[2]).toBeLessThanOrEqual(limits.maxSessions ?? 2)
      expect(results.every(({ taken }) => taken > 0)).toBe(true)
      const left = [
        ...lines.rows.map(({ leased }) => leased[SERVICE]),
        ...views.rows.map(({ active }) => active[SLOTS[0] as number]),
      ]
      expect(left).toEqual(left.map(() => 0))
    })
  }

  it('of a thread that died are free again, but for those of sessions that moved', () => {
    const { shared, lines, views } = createPlaces()
    const limits = { maxSessions: 3, maxPerEndpoint: undefined }
    const [dead, other] = [new Places(views, lines, 0), new Places(views, lines, 1)]
    for (const places of [dead, other]) places.count(SERVICE)
    expect([1, 2, 3, 4].map(() => dead.take(SERVICE, 4, limits))).toEqual([true, true, true, false])
    expect(other.take(SERVICE, 4, limits)).toBe(false)
    // One of them moved to row 1: row 0 counts it on, row 1 will take it off.
    const active = views.rows[0]?.active as Int32Array<SharedArrayBuffer>
    active[4] = 1
    clearLines(shared, 0, active)
    expect([1, 2, 3].map(() => other.take(SERVICE, 5, limits))).toEqual([true, true, false])
    other.change(SERVICE, 4, -1)
    expect(other.take(SERVICE, 5, limits)).toBe(true)
  })

  it('count sessions that ran before, of their own Service only', () => {
    const { lines, views } = createPlaces()
    const active = views.rows[0]?.active as Int32Array<SharedArrayBuffer>
    active[4] = 2
    active[6] = 5
    const places = new Places(views, lines, 0)
    expect(places.ownerOf(4)).toBe(-1)
    places.count(SERVICE)
    expect([places.ownerOf(4), places.ownerOf(6)]).toEqual([SERVICE, -1])
    expect([3, 2].map((maxSessions) => places.hasRoom(SERVICE, { maxSessions, maxPerEndpoint: undefined }))).toEqual([
      true,
      false,
    ])
  })
})
