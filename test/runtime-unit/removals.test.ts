import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { Removals } from '../../src/runtime/removals.ts'

function createWorld() {
  const clock = manualClock()
  const cuts: string[] = []
  const removals = new Removals(clock, (leases, revision) => void cuts.push(`${leases.join()} of ${revision} at ${clock.now()}`))
  return { clock, cuts, removals }
}

describe('removals', () => {
  it('keep sessions where the Service says so', () => {
    const { clock, cuts, removals } = createWorld()
    removals.left([1, 2], 5, { do: 'keep' })
    clock.advance(1_000_000)
    expect(cuts).toEqual([])
    expect(clock.pending).toBe(0)
  })

  it('cut sessions at once where the Service says so', () => {
    const { cuts, removals } = createWorld()
    removals.left([1, 2], 5, { do: 'cut' })
    expect(cuts).toEqual(['1,2 of 5 at 0'])
  })

  it('cut sessions at the deadline of each removal', () => {
    const { clock, cuts, removals } = createWorld()
    removals.left([1], 5, { do: 'drain', deadlineMs: 30_000 })
    clock.advance(10_000)
    removals.left([2, 3], 6, { do: 'drain', deadlineMs: 5_000 })
    clock.advance(60_000)
    expect(cuts).toEqual(['2,3 of 6 at 15000', '1 of 5 at 30000'])
  })

  it('have nothing to do where nobody left', () => {
    const { clock, cuts, removals } = createWorld()
    removals.left([], 5, { do: 'cut' })
    removals.left([], 5, { do: 'drain', deadlineMs: 1 })
    expect(cuts).toEqual([])
    expect(clock.pending).toBe(0)
  })

  it('forget their deadlines when disposed', () => {
    const { clock, cuts, removals } = createWorld()
    removals.left([1], 5, { do: 'drain', deadlineMs: 30_000 })
    removals[Symbol.dispose]()
    removals[Symbol.dispose]()
    clock.advance(60_000)
    expect(cuts).toEqual([])
    expect(clock.pending).toBe(0)
  })
})
