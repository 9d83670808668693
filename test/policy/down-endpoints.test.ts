import { describe, expect, it } from 'vitest'
import type { CheckAnswer } from '../../src/health/ask.ts'
import type { Json } from '../support/objects.ts'
import { passing } from '../support/passing.ts'
import { createPolicyWorld } from './policy-world.ts'
import { clients, service, slice, WEB } from './web-service.ts'

const REFUSED: CheckAnswer = { failure: 'connection refused' }
const GOOD: CheckAnswer = { said: '' }
/** More than it takes to find an endpoint down, or up. */
const FOUND_MS = 3_000

/** A world with three checked endpoints and a session to each; `slotOf` tells whose is whose. */
async function createWorld(annotations: Record<string, string>, ...more: Json[]) {
  const down = new Set<number>()
  const world = createPolicyWorld({
    ask: ({ address }) => Promise.resolve(down.has(Number(address.ip.split('.').at(-1))) ? REFUSED : GOOD),
  })
  const pass = passing(world.clock, 10)
  const web = service({ check: 'tcp', ...annotations })
  await world.apply(web, slice(1, 2, 3), ...more)
  await pass(500)
  const slots = new Map<string, number>()
  for (const client of clients(3)) {
    const { endpoint } = world.connect(WEB, client)
    slots.set(`${endpoint?.key}`, endpoint?.slot as number)
  }
  return { ...world, web, down, pass, slotOf: (n: number) => slots.get(`10.1.0.${n}:8080/TCP`) as number }
}

describe('sessions of an endpoint that is found down', () => {
  it('go on by default', async () => {
    const world = await createWorld({})
    world.down.add(2)
    await world.pass(60_000)
    expect(world.engine.cuts).toEqual([])
  })

  it('are cut at once where the Service says cut, once', async () => {
    const world = await createWorld({ 'on-endpoint-down': 'cut' })
    world.down.add(2)
    await world.pass(60_000)
    expect(world.engine.cuts).toEqual([{ filter: { leases: [world.slotOf(2)] }, end: 'endpoint-down' }])
  })

  it('have as long as the Service says', async () => {
    const world = await createWorld({ 'on-endpoint-down': 'drain=30s' })
    world.down.add(2)
    await world.pass(FOUND_MS)
    await world.pass(26_000)
    expect(world.engine.cuts).toEqual([])
    await world.pass(FOUND_MS + 1_000)
    expect(world.engine.cuts).toEqual([{ filter: { leases: [world.slotOf(2)] }, end: 'drain-timeout' }])
  })

  it('are left alone if it is up again by then', async () => {
    const world = await createWorld({ 'on-endpoint-down': 'drain=30s' })
    world.down.add(2)
    await world.pass(20_000)
    world.down.delete(2)
    await world.pass(60_000)
    expect(world.engine.cuts).toEqual([])
  })

  it('are left alone if nobody checks any more', async () => {
    const world = await createWorld({ 'on-endpoint-down': 'drain=30s' })
    world.down.add(2)
    await world.pass(20_000)
    await world.apply(service({ 'on-endpoint-down': 'drain=30s' }), slice(1, 2, 3))
    await world.pass(60_000)
    expect(world.engine.cuts).toEqual([])
  })

  it('are left alone where so few endpoints work that all of them are used', async () => {
    const world = await createWorld({ 'on-endpoint-down': 'cut', 'panic-threshold': '60%' })
    world.down.add(2)
    await world.pass(FOUND_MS)
    expect(world.engine.cuts).toHaveLength(1)
    world.down.add(1)
    await world.pass(FOUND_MS)
    expect(world.engine.cuts).toHaveLength(1)
  })

  it('are left alone though their time runs already, as soon as so few endpoints work, and have it anew when enough do', async () => {
    const world = await createWorld({ 'on-endpoint-down': 'drain=30s', 'panic-threshold': '60%' })
    world.down.add(2)
    await world.pass(FOUND_MS)
    world.down.add(1)
    await world.pass(60_000)
    expect(world.engine.cuts).toEqual([])
    world.down.delete(1)
    await world.pass(20_000)
    expect(world.engine.cuts).toEqual([])
    await world.pass(20_000)
    expect(world.engine.cuts).toEqual([{ filter: { leases: [world.slotOf(2)] }, end: 'drain-timeout' }])
  })
})
