import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { manualClock, systemClock } from '../../src/lib/clock.ts'

describe('manual clock', () => {
  it('stands still until it is moved, and its wall moves along', () => {
    const clock = manualClock(5_000)
    expect([clock.now(), clock.wall()]).toEqual([0, 5_000])
    clock.advance(250)
    expect([clock.now(), clock.wall()]).toEqual([250, 5_250])
  })

  it('fires what falls due in order, each at its own moment', () => {
    const clock = manualClock()
    const fired: string[] = []
    const note = (name: string) => () => void fired.push(`${name} at ${clock.now()}`)
    clock.after(30, note('late'))
    clock.after(10, note('first'))
    clock.after(10, note('second'))
    clock.after(-5, note('past'))
    clock.advance(29)
    expect(fired).toEqual(['past at 0', 'first at 10', 'second at 10'])
    clock.advance(1)
    expect(fired).toContain('late at 30')
  })

  it('fires timers that timers set, as far as time has come', () => {
    const clock = manualClock()
    const fired: number[] = []
    const again = () => {
      fired.push(clock.now())
      clock.after(10, again)
    }
    clock.after(10, again)
    clock.advance(35)
    expect(fired).toEqual([10, 20, 30])
    expect(clock.pending).toBe(1)
  })

  it('forgets a timer that is disposed, once or twice, before or after it fired', () => {
    const clock = manualClock()
    let fired = 0
    const one = clock.after(10, () => fired++)
    const two = clock.after(10, () => fired++)
    one[Symbol.dispose]()
    one[Symbol.dispose]()
    clock.advance(10)
    two[Symbol.dispose]()
    expect(fired).toBe(1)
    expect(clock.pending).toBe(0)
  })

  it('lets a timer that fires dispose one that is due at the same moment', () => {
    const clock = manualClock()
    let fired = false
    const other = { dispose: () => {} }
    clock.after(10, () => other.dispose())
    const timer = clock.after(10, () => {
      fired = true
    })
    other.dispose = () => timer[Symbol.dispose]()
    clock.advance(10)
    expect(fired).toBe(false)
  })
})

describe('system clock', () => {
  it('only goes forward, and fires no earlier than asked', async () => {
    const before = systemClock.now()
    await new Promise<void>((resolve) => systemClock.after(20, resolve))
    // A timer may come up to a millisecond early: its own clock counts whole ones.
    expect(systemClock.now() - before).toBeGreaterThanOrEqual(19)
  })

  it('does not fire after it was disposed, and does not hold the process', async () => {
    let fired = false
    const timer = systemClock.after(0, () => {
      fired = true
    })
    timer[Symbol.dispose]()
    timer[Symbol.dispose]()
    await new Promise<void>((resolve) => systemClock.after(5, resolve))
    expect(fired).toBe(false)
  })

  it('does not fire at once what is a very long way off', async () => {
    let fired = false
    using _timer = systemClock.after(2 ** 33, () => {
      fired = true
    })
    await new Promise<void>((resolve) => systemClock.after(5, resolve))
    expect(fired).toBe(false)
  })

  it('tells the same time in every thread', async () => {
    const url = JSON.stringify(new URL('../../src/lib/clock.ts', import.meta.url).href)
    const code = `
      import { parentPort } from 'node:worker_threads'
      import { systemClock } from ${url}
      parentPort.postMessage(systemClock.now())
    `
    const before = systemClock.now()
    const there = await new Promise<number>((resolve, reject) => {
      const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`))
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    expect(there).toBeGreaterThanOrEqual(before - 1)
    expect(there).toBeLessThanOrEqual(systemClock.now() + 1)
  })
})
