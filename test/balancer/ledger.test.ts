import { describe, expect, it } from 'vitest'
import { Ledger } from '../../src/balancer/ledger.ts'
import type { EndpointKey, ServicePortKey } from '../../src/model/keys.ts'
import {
  clearActive,
  createSharedState,
  endpointBase,
  endpointCell,
  noteMove,
  ROTATIONS,
  type SharedSizes,
  serviceBase,
  serviceCell,
} from '../../src/model/shared-layout.ts'
import { scriptedRandom } from '../support/scripted-random.ts'

const WEB = 'default/web:/TCP' as ServicePortKey
const API = 'default/api:/TCP' as ServicePortKey
const E1 = '10.1.0.1:80/TCP' as EndpointKey
const E2 = '10.1.0.2:80/TCP' as EndpointKey
const E3 = '10.1.0.3:80/TCP' as EndpointKey

function createLedger(sizes: Partial<SharedSizes> = {}, ...random: number[]): Ledger {
  const shared = createSharedState({
    rows: 2,
    serviceSlots: 4,
    endpointSlots: 8,
    affinityEntries: 32,
    recordsPerRing: 2,
    ...sizes,
  })
  return new Ledger(shared, scriptedRandom(...random))
}

/** Sessions begin (or end) on an endpoint, in one of the threads. */
function countSessions(ledger: Ledger, slot: number, change: number, row = 0): void {
  const { active } = ledger.views.rows[row] as (typeof ledger.views.rows)[number]
  active[slot] = (active[slot] as number) + change
}

function countOfService(ledger: Ledger, slot: number, change: number, row = 0): void {
  const { services } = ledger.views.rows[row] as (typeof ledger.views.rows)[number]
  const cell = serviceBase(slot) + serviceCell('active')
  services[cell] = (services[cell] as number) + change
}

/** A ledger holds slots for two looks: the second one finds all records drained. */
function reclaimFully(ledger: Ledger, revision: number): void {
  ledger.reclaim(revision)
  ledger.reclaim(revision)
  ledger.reuse()
}

describe('ledger', () => {
  it('gives a Service port and its endpoints slots that stay', () => {
    const ledger = createLedger()
    const web = ledger.serviceSlot(WEB)
    const e1 = ledger.endpointSlot(WEB, E1)
    ledger.retain(WEB, new Set([E1]), 2)
    reclaimFully(ledger, 2)
    expect(ledger.serviceSlot(WEB)).toBe(web)
    expect(ledger.endpointSlot(WEB, E1)).toBe(e1)
    expect([...ledger.servicePorts()]).toEqual([{ slot: web, key: WEB }])
  })

  it('counts one address once for each Service port it serves', () => {
    const ledger = createLedger()
    ledger.serviceSlot(WEB)
    ledger.serviceSlot(API)
    expect(ledger.endpointSlot(WEB, E1)).not.toBe(ledger.endpointSlot(API, E1))
  })

  it('knows the names of slots', () => {
    const ledger = createLedger()
    const web = ledger.serviceSlot(WEB) as number
    const e1 = ledger.endpointSlot(WEB, E1) as number
    expect(ledger.serviceName(web)).toBe(WEB)
    expect(ledger.endpointName(e1)).toEqual({ service: WEB, key: E1 })
    expect(ledger.serviceName(3)).toBeUndefined()
    expect(ledger.endpointName(7)).toBeUndefined()
  })

  it('begins every rotation at random', () => {
    const ledger = createLedger({}, 11, 12, 13, 14, 15, 16, 17, 18, 21)
    const web = ledger.serviceSlot(WEB) as number
    const api = ledger.serviceSlot(API) as number
    expect([...ledger.views.rotations.slice(web * ROTATIONS, (web + 1) * ROTATIONS)]).toEqual([11, 12, 13, 14, 15, 16, 17, 18])
    expect(ledger.views.rotations[api * ROTATIONS]).toBe(21)
  })

  it('tells which endpoints left', () => {
    const ledger = createLedger()
    ledger.serviceSlot(WEB)
    const [e1, , e3] = [E1, E2, E3].map((key) => ledger.endpointSlot(WEB, key))
    expect(ledger.retain(WEB, new Set([E2]), 2)).toEqual([e1, e3])
    expect(ledger.retain(WEB, new Set([E2]), 3)).toEqual([])
  })

  it('gives an endpoint that comes back the slot it had', () => {
    const ledger = createLedger()
    ledger.serviceSlot(WEB)
    const e1 = ledger.endpointSlot(WEB, E1) as number
    ledger.retain(WEB, new Set(), 2)
    expect(ledger.endpointSlot(WEB, E1)).toBe(e1)
    reclaimFully(ledger, 9)
    expect(ledger.endpointName(e1)).toEqual({ service: WEB, key: E1 })
  })

  it('gives a Service port that comes back the slot, the counts and the place in its rotation that it had', () => {
    const ledger = createLedger({}, 1, 2, 3, 4, 5, 6, 7, 8)
    const web = ledger.serviceSlot(WEB) as number
    const e1 = ledger.endpointSlot(WEB, E1)
    countOfService(ledger, web, 1)
    ledger.retain(WEB, undefined, 2)
    reclaimFully(ledger, 2)
    expect(ledger.serviceSlot(API)).not.toBe(web)
    expect(ledger.serviceSlot(WEB)).toBe(web)
    expect(ledger.endpointSlot(WEB, E1)).toBe(e1)
    expect(ledger.views.rotations[web * ROTATIONS]).toBe(1)
    reclaimFully(ledger, 2)
    expect(ledger.serviceName(web)).toBe(WEB)
  })

  it('gives nobody a slot before the revision that gave it up is in force everywhere', () => {
    const ledger = createLedger()
    ledger.serviceSlot(WEB)
    const e1 = ledger.endpointSlot(WEB, E1)
    ledger.retain(WEB, new Set(), 5)
    reclaimFully(ledger, 4)
    expect(ledger.endpointSlot(WEB, E2)).not.toBe(e1)
    reclaimFully(ledger, 5)
    expect(ledger.endpointSlot(WEB, E3)).toBe(e1)
  })

  it('gives nobody a slot on which a session of any thread runs', () => {
    const ledger = createLedger()
    const web = ledger.serviceSlot(WEB) as number
    const e1 = ledger.endpointSlot(WEB, E1) as number
    countSessions(ledger, e1, 1, 1)
    countOfService(ledger, web, 1, 1)
    ledger.retain(WEB, undefined, 2)
    reclaimFully(ledger, 2)
    expect(ledger.serviceSlot(API)).not.toBe(web)
    expect(ledger.endpointSlot(API, E2)).not.toBe(e1)
    countSessions(ledger, e1, -1, 1)
    countOfService(ledger, web, -1, 1)
    reclaimFully(ledger, 2)
    expect(ledger.endpointSlot(API, E3)).toBe(e1)
    expect(ledger.serviceSlot('default/new:/TCP' as ServicePortKey)).toBe(web)
  })

  it('keeps the names of a slot for one look after its last session, when its record may still be under way', () => {
    const ledger = createLedger()
    const web = ledger.serviceSlot(WEB) as number
    const e1 = ledger.endpointSlot(WEB, E1) as number
    countSessions(ledger, e1, 1)
    ledger.retain(WEB, undefined, 2)
    reclaimFully(ledger, 2)
    countSessions(ledger, e1, -1)
    ledger.reclaim(2)
    expect(ledger.endpointName(e1)).toEqual({ service: WEB, key: E1 })
    ledger.reclaim(2)
    expect(ledger.endpointName(e1)).toBeUndefined()
    expect(ledger.serviceName(web)).toBeUndefined()
  })

  it('hands slots on with all counts at zero, in every row', () => {
    const ledger = createLedger()
    const web = ledger.serviceSlot(WEB) as number
    const e1 = ledger.endpointSlot(WEB, E1) as number
    const next = ledger.endpointSlot(WEB, E2) as number
    for (const row of ledger.views.rows) {
      row.endpoints[endpointBase(e1) + endpointCell('sessions')] = 7
      row.endpoints[endpointBase(next) + endpointCell('sessions')] = 9
      row.services[serviceBase(web) + serviceCell('sessions')] = 7
    }
    ledger.retain(WEB, new Set([E2]), 2)
    reclaimFully(ledger, 2)
    for (const row of ledger.views.rows) {
      expect(row.endpoints[endpointBase(e1) + endpointCell('sessions')]).toBe(0)
      expect(row.endpoints[endpointBase(next) + endpointCell('sessions')]).toBe(9)
      expect(row.services[serviceBase(web) + serviceCell('sessions')]).toBe(7)
    }
    ledger.retain(WEB, undefined, 3)
    reclaimFully(ledger, 3)
    for (const row of ledger.views.rows) expect(row.services[serviceBase(web) + serviceCell('sessions')]).toBe(0)
  })

  it('hands slots on that know nothing of sessions that moved between rows, whoever dies then', () => {
    const shared = createSharedState({ rows: 2, serviceSlots: 4, endpointSlots: 1, affinityEntries: 32, recordsPerRing: 2 })
    const ledger = new Ledger(shared, scriptedRandom())
    const web = ledger.serviceSlot(WEB)
    const e1 = ledger.endpointSlot(WEB, E1) as number
    // Two sessions that began in one row and ended in the other.
    countSessions(ledger, e1, 2, 0)
    noteMove(ledger.views, 0, 1, web as number, e1)
    noteMove(ledger.views, 0, 1, web as number, e1)
    countSessions(ledger, e1, -2, 1)
    ledger.retain(WEB, new Set(), 2)
    reclaimFully(ledger, 2)
    const e2 = ledger.endpointSlot(WEB, E2) as number
    expect(e2).toBe(e1)
    countSessions(ledger, e2, 1, 1)
    clearActive(shared, 0)
    expect(ledger.activeAt(e2)).toBe(1)
  })

  it('gives no slot when it is full, and one again when there is room', () => {
    const ledger = createLedger({ serviceSlots: 1, endpointSlots: 2 })
    expect(ledger.serviceSlot(WEB)).toBe(0)
    expect(ledger.serviceSlot(API)).toBeUndefined()
    expect(ledger.endpointSlot(API, E1)).toBeUndefined()
    expect([E1, E2, E3].map((key) => ledger.endpointSlot(WEB, key))).toEqual([0, 1, undefined])
    ledger.retain(WEB, new Set([E2]), 2)
    expect(ledger.endpointSlot(WEB, E3)).toBeUndefined()
    reclaimFully(ledger, 2)
    expect(ledger.endpointSlot(WEB, E3)).toBe(0)
    ledger.retain(WEB, undefined, 3)
    reclaimFully(ledger, 3)
    expect(ledger.serviceSlot(API)).toBe(0)
  })

  it('never gives one slot to two, whatever comes and goes', () => {
    const ledger = createLedger({ endpointSlots: 16 })
    ledger.serviceSlot(WEB)
    const held = new Map<EndpointKey, number>()
    let revision = 1
    for (let step = 0; step < 2_000; step++) {
      const staying = new Set([...held.keys()].filter((_, n) => (step * 7 + n * 13) % 5 !== 0))
      const arriving = `10.1.0.${(step * 31) % 23}:80/TCP` as EndpointKey
      const slot = ledger.endpointSlot(WEB, arriving)
      if (slot !== undefined) {
        held.set(arriving, slot)
        staying.add(arriving)
      }
      ledger.retain(WEB, staying, revision)
      for (const key of held.keys()) if (!staying.has(key)) held.delete(key)
      expect(new Set(held.values()).size).toBe(held.size)
      for (const [key, its] of held) expect(ledger.endpointName(its)).toEqual({ service: WEB, key })
      ledger.reclaim(revision - (step % 3))
      revision++
    }
  })
})
