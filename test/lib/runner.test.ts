import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { Runner } from '../../src/lib/runner.ts'
import { settle } from '../support/settle.ts'

const MIN_GAP_MS = 10
const RETRY_GAP_MS = 1_000

/** A runner over a job whose every run ends when the test says so. */
function createWorld() {
  const clock = manualClock()
  const failures: unknown[] = []
  const runs: { readonly startedMs: number; readonly done: () => void; readonly fail: (error: unknown) => void }[] = []
  let atOnce = 0
  let most = 0
  const runner: Runner = new Runner({
    clock,
    minGapMs: MIN_GAP_MS,
    retryGapMs: RETRY_GAP_MS,
    async run() {
      most = Math.max(most, ++atOnce)
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      runs.push({ startedMs: clock.now(), done: resolve, fail: reject })
      onRun()
      try {
        await promise
      } finally {
        atOnce--
      }
    },
    onFailure: (error) => failures.push(error),
  })
  let onRun = () => {}
  return {
    clock,
    runner,
    failures,
    runs,
    mostAtOnce: () => most,
    starts: () => runs.map(({ startedMs }) => startedMs),
    set onRun(callback: () => void) {
      onRun = callback
    },
    async finish(error?: Error) {
      const run = runs.at(-1)
      if (error) run?.fail(error)
      else run?.done()
      await settle()
    },
  }
}

describe('runner', () => {
  it('runs at once when it was quiet before', () => {
    const world = createWorld()
    world.runner.request()
    expect(world.starts()).toEqual([0])
  })

  it('makes one more run of all requests that come while one runs', async () => {
    const world = createWorld()
    world.runner.request()
    for (let n = 0; n < 5; n++) world.runner.request()
    await world.finish()
    world.clock.advance(MIN_GAP_MS)
    await world.finish()
    world.clock.advance(10 * RETRY_GAP_MS)
    expect(world.starts()).toEqual([0, MIN_GAP_MS])
  })

  it('keeps the gap after the end of a run, and makes one run of what is asked in it', async () => {
    const world = createWorld()
    world.runner.request()
    world.clock.advance(100)
    await world.finish()
    world.clock.advance(4)
    world.runner.request()
    world.runner.request()
    world.clock.advance(5)
    expect(world.starts()).toEqual([0])
    world.clock.advance(1)
    expect(world.starts()).toEqual([0, 110])
  })

  it('runs at once after a long quiet time', async () => {
    const world = createWorld()
    world.runner.request()
    await world.finish()
    world.clock.advance(500)
    world.runner.request()
    expect(world.starts()).toEqual([0, 500])
  })

  it('repeats a run that failed, until one does not', async () => {
    const world = createWorld()
    world.runner.request()
    await world.finish(new Error('one'))
    world.clock.advance(RETRY_GAP_MS)
    await world.finish(new Error('two'))
    world.clock.advance(RETRY_GAP_MS)
    await world.finish()
    world.clock.advance(10 * RETRY_GAP_MS)
    expect(world.starts()).toEqual([0, RETRY_GAP_MS, 2 * RETRY_GAP_MS])
    expect(world.failures.map(String)).toEqual(['Error: one', 'Error: two'])
  })

  it('does not wait for the retry when somebody asks, nor run twice for it', async () => {
    const world = createWorld()
    world.runner.request()
    await world.finish(new Error('one'))
    world.clock.advance(300)
    world.runner.request()
    expect(world.starts()).toEqual([0, 300])
    await world.finish()
    world.clock.advance(10 * RETRY_GAP_MS)
    expect(world.starts()).toEqual([0, 300])
  })

  it('runs again soon where a request came during the run that failed', async () => {
    const world = createWorld()
    world.runner.request()
    world.runner.request()
    await world.finish(new Error('one'))
    world.clock.advance(MIN_GAP_MS)
    expect(world.starts()).toEqual([0, MIN_GAP_MS])
  })

  it('never runs twice at a time, not even when a run asks for the next one as it begins', async () => {
    const world = createWorld()
    let left = 2
    world.onRun = () => {
      if (left-- > 0) world.runner.request()
    }
    world.runner.request()
    expect(world.starts()).toEqual([0])
    for (let n = 0; n < 5; n++) {
      await world.finish()
      world.clock.advance(MIN_GAP_MS)
    }
    expect(world.starts()).toEqual([0, MIN_GAP_MS, 2 * MIN_GAP_MS])
    expect(world.mostAtOnce()).toBe(1)
  })

  it('waits for the run under way when it is disposed, and runs no more', async () => {
    const world = createWorld()
    world.runner.request()
    world.runner.request()
    let disposed = false
    const disposing = world.runner[Symbol.asyncDispose]().then(() => {
      disposed = true
    })
    await settle()
    expect(disposed).toBe(false)
    await world.finish(new Error('late'))
    await disposing
    world.runner.request()
    world.clock.advance(10 * RETRY_GAP_MS)
    expect(world.starts()).toEqual([0])
    expect(world.clock.pending).toBe(0)
  })

  it('leaves no timer behind when it is disposed while it waits', async () => {
    const world = createWorld()
    world.runner.request()
    await world.finish(new Error('one'))
    await world.runner[Symbol.asyncDispose]()
    await world.runner[Symbol.asyncDispose]()
    expect(world.clock.pending).toBe(0)
  })
})
