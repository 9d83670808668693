import { describe, expect, it } from 'vitest'
import { createChangeCounter } from '../../src/admin/change-counter.ts'
import type { CompiledService, Snapshot } from '../../src/model/snapshot.ts'

const web = {}
const slices: object[] = [{}]

/** A snapshot as far as the counter looks at it: what each Service was compiled from. */
function snapshot(services: Record<string, { value: object; groups: readonly object[] }>): Snapshot {
  const compiled = Object.entries(services).map(([key, { value, groups }]) => [key, { input: { value }, groups }] as const)
  return { services: new Map(compiled as unknown as [string, CompiledService][]) } as unknown as Snapshot
}

describe('change counter', () => {
  it('counts Services and their endpoints apart, additions and removals included', () => {
    const count = createChangeCounter()
    const totals = (shown: Snapshot | undefined) => {
      const { services, endpoints } = count(shown)
      return [services.total, endpoints.total]
    }
    expect(totals(undefined)).toEqual([0, 0])
    const first = snapshot({ web: { value: web, groups: slices } })
    expect(totals(first)).toEqual([1, 1])
    expect(totals(first)).toEqual([1, 1])
    expect(totals(snapshot({ web: { value: web, groups: [{}] } }))).toEqual([1, 2])
    expect(totals(snapshot({ web: { value: {}, groups: [] } }))).toEqual([2, 3])
    expect(totals(snapshot({}))).toEqual([3, 3])
  })
})
