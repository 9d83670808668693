import { describe, expect, it } from 'vitest'
import { MAGLEV_SLOTS, type MaglevTable, maglevTable } from '../../src/balancer/schedulers/maglev-table.ts'
import { aClient, clientAt, endpointsWeighing, PickerWorld, someEndpoints } from '../support/picker-world.ts'
import { describeScheduler } from './scheduler.cases.ts'

describeScheduler('mh', { weighted: true, hashed: true })

const namesOf = (count: number) => someEndpoints(count).map(({ key }) => key)
const alike = (names: readonly string[]) => maglevTable(names, new Float64Array(names.length).fill(1))

function slotsOf(table: MaglevTable, endpoints: number): number[] {
  const counts = Array.from({ length: endpoints }, () => 0)
  for (const position of table) counts[position] = (counts[position] as number) + 1
  return counts
}

describe('a Maglev table', () => {
  it.each([2, 10, 100, 600])('gives each of %i equals its share within 1 %%', (count) => {
    const fair = MAGLEV_SLOTS / count
    for (const slots of slotsOf(alike(namesOf(count)), count)) expect(Math.abs(slots - fair)).toBeLessThanOrEqual(fair / 100)
  })

  it('gives each of many equals its share within one slot', () => {
    for (const slots of slotsOf(alike(namesOf(2_000)), 2_000)) expect([32, 33]).toContain(slots)
  })

  it('gives shares by weight, however far apart', () => {
    const weights = [1, 2, 10, 0, 87]
    const shares = slotsOf(maglevTable(namesOf(5), Float64Array.from(weights)), 5).map((slots) => (100 * slots) / MAGLEV_SLOTS)
    for (const [n, share] of shares.entries()) expect(Math.abs(share - (weights[n] as number))).toBeLessThan(0.01)
    const extreme = slotsOf(
      maglevTable(
        namesOf(1_000),
        Float64Array.from({ length: 1_000 }, (_, n) => (n === 7 ? 65_535 : 1)),
      ),
      1_000,
    )
    expect(extreme[7]).toBeGreaterThan(64_000)
  })

  it.each([3, 10, 50, 100, 130])('moves at most 2/N of all clients when one of %i endpoints leaves', (count) => {
    const names = namesOf(count)
    const before = alike(names)
    for (const leaver of [0, count >> 1, count - 1]) {
      const after = alike(names.toSpliced(leaver, 1))
      const moved = before.filter((position, slot) => {
        const now = after[slot] as number
        return (now < leaver ? now : now + 1) !== position
      })
      expect(moved.length / MAGLEV_SLOTS).toBeLessThanOrEqual(2 / count)
    }
  })

  it('moves few clients where many more endpoints share it, though more than they must', () => {
    const names = namesOf(1_000)
    const before = alike(names)
    const after = alike(names.slice(0, -1))
    expect(before.filter((position, slot) => after[slot] !== position).length / MAGLEV_SLOTS).toBeLessThan(0.01)
  })

  it('depends on names and weights, not on the order of the list', () => {
    const names = namesOf(20)
    const turned = names.toReversed()
    const one = alike(names)
    const other = alike(turned)
    const different = one.filter((position, slot) => names[position] !== turned[other[slot] as number])
    expect(different.length / MAGLEV_SLOTS).toBeLessThan(0.05)
  })

  it('holds positions as narrow as their number allows', () => {
    expect(alike(namesOf(256))).toBeInstanceOf(Uint8Array)
    expect(alike(namesOf(257))).toBeInstanceOf(Uint16Array)
  })
})

describe('maglev hashing', () => {
  // Clients would move with an update, and from one machine to another, if these numbers changed.
  it('gives these clients these endpoints for ever', () => {
    const picker = new PickerWorld().picker('mh', someEndpoints(5))
    const clients = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '198.51.100.7', '2001:db8::1', '2001:db8::2']
    expect(clients.map((ip) => picker.pick(clientAt(ip), []))).toEqual([3, 4, 1, 4, 2, 0])
  })

  it('moves only the clients of an endpoint that is drained at run time, but for a few', () => {
    const world = new PickerWorld()
    const endpoints = endpointsWeighing(1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
    const picker = world.picker('mh', endpoints)
    const before = Array.from({ length: 2_000 }, (_, n) => picker.pick(aClient(n), []))
    world.lay(endpoints[3] as (typeof endpoints)[0], 'override', 1)
    const moved = before.filter((position, n) => picker.pick(aClient(n), []) !== position && position !== 3)
    expect(moved.length / before.length).toBeLessThan(0.1)
  })
})
