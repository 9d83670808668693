import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { CoarseTimer, type Expiring } from '../../src/lib/coarse-timer.ts'

const TICK_MS = 250

function createWorld(startMs = 0) {
  const clock = manualClock()
  clock.advance(startMs)
  const timer = new CoarseTimer(clock, TICK_MS)
  const expired: string[] = []
  const watch = (name: string, dueMs: number): { due: number } & Expiring => {
    const entry = {
      due: dueMs,
      dueMs: () => entry.due,
      expired: () => void expired.push(`${name} at ${clock.now()}`),
    }
    timer.add(entry)
    return entry
  }
  return { clock, timer, expired, watch }
}

describe('coarse timer', () => {
  it('notices a deadline never early and less than a tick late, whenever it was added', () => {
    fc.assert(
      fc.property(fc.nat(2_000), fc.array(fc.tuple(fc.nat(900), fc.nat(3_000)), { maxLength: 6 }), (startMs, steps) => {
        const { clock, timer } = createWorld(startMs)
        const late: number[] = []
        let watched = 0
        for (const [waitMs, inMs] of steps) {
          clock.advance(waitMs)
          const dueMs = clock.now() + inMs
          const addedMs = clock.now()
          timer.add({ dueMs: () => dueMs, expired: () => late.push(clock.now() - Math.max(dueMs, addedMs)) })
          watched++
        }
        clock.advance(4_000)
        expect(late).toHaveLength(watched)
        for (const byMs of late) {
          expect(byMs).toBeGreaterThanOrEqual(0)
          expect(byMs).toBeLessThanOrEqual(TICK_MS)
        }
      }),
    )
  })

  it('is late by a tick at most for something due just after a border, however its first tick fell', () => {
    const { clock, expired, watch } = createWorld(10)
    watch('early', 20)
    watch('late', 251)
    clock.advance(1_000)
    expect(expired).toEqual(['early at 250', 'late at 500'])
  })

  it('costs nothing to move a deadline away', () => {
    const { clock, expired, watch } = createWorld()
    const entry = watch('session', 1_000)
    for (let n = 0; n < 10; n++) {
      clock.advance(400)
      entry.due = clock.now() + 1_000
    }
    expect(expired).toEqual([])
    clock.advance(1_000)
    expect(expired).toEqual(['session at 5000'])
  })

  it('notices a deadline that was brought forward, once it is added again', () => {
    const { clock, timer, expired, watch } = createWorld()
    const entry = watch('session', 100_000)
    entry.due = 600
    timer.add(entry)
    clock.advance(1_000)
    expect(expired).toEqual(['session at 750'])
  })

  it('takes a deadline that has passed already, at the next tick', () => {
    const { clock, expired, watch } = createWorld(1_000)
    watch('late', 400)
    clock.advance(TICK_MS)
    expect(expired).toEqual(['late at 1250'])
  })

  it('forgets what is removed, and does not mind what it never knew', () => {
    const { clock, timer, expired, watch } = createWorld()
    const entry = watch('session', 500)
    timer.remove(entry)
    timer.remove(entry)
    clock.advance(1_000)
    expect(expired).toEqual([])
    expect(timer.size).toBe(0)
  })

  it('sleeps while nothing is watched, and wakes up right', () => {
    const { clock, expired, watch } = createWorld()
    watch('one', 100)
    clock.advance(TICK_MS)
    expect(clock.pending).toBe(0)
    clock.advance(1_000_000)
    watch('two', clock.now() + 10)
    clock.advance(TICK_MS)
    expect(expired).toEqual(['one at 250', 'two at 1000500'])
    expect(clock.pending).toBe(0)
  })

  it('catches up in order after time has jumped', () => {
    const clock = manualClock()
    let skippedMs = 0
    const jumping = { ...clock, now: () => clock.now() + skippedMs }
    const timer = new CoarseTimer(jumping, TICK_MS)
    const expired: number[] = []
    for (const dueMs of [700, 300, 90_000, 500_000]) {
      timer.add({ dueMs: () => dueMs, expired: () => expired.push(dueMs) })
    }
    skippedMs = 100_000
    clock.advance(TICK_MS)
    expect(expired).toEqual([300, 700, 90_000])
    expect(timer.size).toBe(1)
  })

  it('lets an entry that expires remove and add others', () => {
    const { clock, timer, expired, watch } = createWorld()
    const removed = { dueMs: () => 200, expired: () => void expired.push('removed') }
    const added = { dueMs: () => 550, expired: () => void expired.push(`added at ${clock.now()}`) }
    timer.add({
      dueMs: () => 200,
      expired() {
        timer.remove(removed)
        timer.add(added)
      },
    })
    timer.add(removed)
    watch('other', 200)
    clock.advance(1_000)
    expect(expired).toEqual(['other at 250', 'added at 750'])
  })

  it('expires nothing after it was disposed, not even in the tick that disposed it', () => {
    const { clock, timer, expired, watch } = createWorld()
    timer.add({ dueMs: () => 200, expired: () => timer[Symbol.dispose]() })
    watch('session', 200)
    clock.advance(1_000)
    watch('later', 2_000)
    timer[Symbol.dispose]()
    clock.advance(10_000)
    expect(expired).toEqual([])
    expect(timer.size).toBe(0)
    expect(clock.pending).toBe(0)
  })
})
