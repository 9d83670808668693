import { describe, expect, it } from 'vitest'
import type { CheckAnswer } from '../../src/health/ask.ts'
import { passing } from '../support/passing.ts'
import { createPolicyWorld } from './policy-world.ts'
import { service, slice } from './web-service.ts'

const REFUSED: CheckAnswer = { failure: 'connection refused' }
const GOOD: CheckAnswer = { said: '' }
const ENDPOINTS = 60

/** A world with many checked endpoints that are all down, and come up from `works` on. */
async function createWorld() {
  let working = false
  const world = createPolicyWorld({ endpointSlots: 128, ask: () => Promise.resolve(working ? GOOD : REFUSED) })
  const pass = passing(world.clock, 10)
  const annotations = { check: 'tcp', 'check-rise': '1', 'max-connections': '5' }
  await world.apply(service(annotations), slice(...Array.from({ length: ENDPOINTS }, (_, n) => n + 1)))
  await pass(1_000)
  const works = () => {
    working = true
    world.engine.deltas.length = 0
  }
  return { ...world, pass, works }
}

describe('endpoints that come up', () => {
  it('are offered to those who wait a few times, however many they are', async () => {
    const { engine, plane, pass, works } = await createWorld()
    works()
    await pass(3_000)
    expect(plane.health.totals()[0]?.states.up).toBe(ENDPOINTS)
    expect(engine.deltas.length).toBeGreaterThan(0)
    expect(engine.deltas.length).toBeLessThan(ENDPOINTS / 2)
  })

  it('are offered again where that failed', async () => {
    const { engine, pass, works } = await createWorld()
    works()
    let refusals = 1
    engine.onPublish = () => {
      if (refusals-- > 0) throw new Error('a worker died')
    }
    await pass(3_000)
    expect(refusals).toBeLessThan(0)
  })
})
