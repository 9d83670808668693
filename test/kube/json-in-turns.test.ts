import { describe, expect, it } from 'vitest'
import { jsonInTurns } from '../../src/admin/kube/json-in-turns.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { manualClock } from '../../src/lib/clock.ts'

const list = (items: readonly unknown[]) => ({ kind: 'ServiceList', items, metadata: { resourceVersion: '7' } })

describe('an answer as JSON', () => {
  it.each([
    { kind: 'Service', spec: { items: [1] } },
    {},
    { items: [] },
    list([]),
    list([{ a: 'ü' }, { b: undefined }, undefined]),
    { kind: 'Table', rows: [{ cells: [1] }, { cells: [2] }] },
    { kind: 'x', items: 'no list' },
  ])('says the same as JSON.stringify: %j', async (body) => {
    const text = (await jsonInTurns(body, manualClock())).toString()
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(body)))
    expect(text.endsWith('}\n')).toBe(true)
  })

  it('lets others have their turns while it is made', async () => {
    let nowMs = 0
    const clock: Clock = { ...manualClock(), now: () => nowMs++ }
    let turns = 0
    let going = true
    const others = (): void => {
      turns++
      if (going) setImmediate(others)
    }
    setImmediate(others)
    const text = (await jsonInTurns(list(Array.from({ length: 500 }, (_, n) => ({ n }))), clock)).toString()
    going = false
    expect((JSON.parse(text) as { items: unknown[] }).items).toHaveLength(500)
    expect(turns).toBeGreaterThan(20)
  })
})
