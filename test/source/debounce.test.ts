import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { createDebounce } from '../../src/source/debounce.ts'

function setUp() {
  const clock = manualClock()
  const ranAt: number[] = []
  const debounce = createDebounce({ clock, quietMs: 50, longestMs: 500, run: () => ranAt.push(clock.now()) })
  return { clock, ranAt, debounce }
}

describe('debounce', () => {
  it('runs once after a burst, when it has been quiet', () => {
    const { clock, ranAt, debounce } = setUp()
    for (let count = 0; count < 3; count++) {
      debounce.request()
      clock.advance(40)
    }
    expect(ranAt).toEqual([])
    clock.advance(40)
    expect(ranAt).toEqual([130])
    clock.advance(1_000)
    expect(ranAt).toHaveLength(1)
  })

  it('runs in time when it never gets quiet', () => {
    const { clock, ranAt, debounce } = setUp()
    for (let count = 0; count < 60; count++) {
      debounce.request()
      clock.advance(20)
    }
    expect(ranAt).toEqual([500, 1_000])
  })

  it('does not run once it is disposed', () => {
    const { clock, ranAt, debounce } = setUp()
    debounce.request()
    debounce[Symbol.dispose]()
    clock.advance(1_000)
    expect(ranAt).toEqual([])
    expect(clock.pending).toBe(0)
  })
})
