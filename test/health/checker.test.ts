import { describe, expect, it } from 'vitest'
import { Checker } from '../../src/health/checker.ts'
import { manualClock } from '../../src/lib/clock.ts'
import { type Random, seededRandom } from '../../src/lib/random.ts'
import { passing } from '../support/passing.ts'

/** In the middle between early and late. */
const MIDDLE: Random = { below: (below) => Math.floor(below / 2) }

function createWorld({ atOnce = 10, random = MIDDLE }: { atOnce?: number; random?: Random } = {}) {
  const clock = manualClock()
  const checker = new Checker({ clock, random, atOnce })
  return { clock, checker, pass: passing(clock) }
}

type Asked = { atMs: number; answer(good: boolean): void; readonly signal: AbortSignal }

/** An inquiry that notes when it asks. `answer`: at once, or only when told. */
function inquiry(world: ReturnType<typeof createWorld>, answer: 'at once' | 'when told', doubt = () => false) {
  const asked: Asked[] = []
  const taken: boolean[] = []
  const running = world.checker.start<boolean>({
    pace: { intervalMs: 2_000, timeoutMs: 1_000 },
    ask(signal) {
      const { promise, resolve } = Promise.withResolvers<boolean>()
      asked.push({ atMs: world.clock.now(), answer: resolve, signal })
      if (answer === 'at once') resolve(true)
      else signal.addEventListener('abort', () => resolve(false))
      return promise
    },
    take(good) {
      taken.push(good)
      return doubt()
    },
  })
  return { asked, taken, running, times: () => asked.map(({ atMs }) => Math.round(atMs)) }
}

describe('the checker', () => {
  it('asks soon, and then at every interval', async () => {
    const world = createWorld()
    const one = inquiry(world, 'at once')
    await world.pass(7_000)
    expect(one.times()).toEqual([100, 2_100, 4_100, 6_100])
  })

  it('asks ten times as often while in doubt', async () => {
    const world = createWorld()
    let doubt = true
    const one = inquiry(world, 'at once', () => doubt)
    await world.pass(750)
    expect(one.times()).toEqual([100, 300, 500, 700])
    doubt = false
    await world.pass(3_000)
    expect(one.times().slice(4)).toEqual([900, 2_900])
  })

  it('gives each time a tenth more or less, so that many do not ask together', async () => {
    const world = createWorld({ random: seededRandom(3), atOnce: 1_000 })
    const all = Array.from({ length: 50 }, () => inquiry(world, 'at once'))
    await world.pass(9_000)
    const first = all.map(({ asked }) => asked[0]?.atMs as number)
    expect(Math.max(...first)).toBeLessThanOrEqual(200)
    expect(new Set(first).size).toBeGreaterThan(30)
    const gaps = all.flatMap(({ asked }) => asked.slice(1).map(({ atMs }, n) => atMs - (asked[n]?.atMs as number)))
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(1_800)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(2_200)
    expect(Math.max(...gaps) - Math.min(...gaps)).toBeGreaterThan(300)
  })

  it('gives up an answer that does not come in time', async () => {
    const world = createWorld()
    const one = inquiry(world, 'when told')
    await world.pass(1_050)
    expect(one.taken).toEqual([])
    await world.pass(100)
    expect(one.taken).toEqual([false])
    expect(one.asked[0]?.signal.aborted).toBe(true)
    await world.pass(1_000)
    expect(one.times()).toEqual([100, 2_100])
  })

  it('asks no more at once than it may; the others wait their turn, and none is left out', async () => {
    const world = createWorld({ atOnce: 3 })
    const all = Array.from({ length: 8 }, () => inquiry(world, 'when told'))
    const asking = () => all.map(({ asked }) => asked.length).join('')
    await world.pass(200)
    expect(world.checker.asking).toBe(3)
    expect(asking()).toBe('11100000')
    all[1]?.asked[0]?.answer(true)
    await world.pass(1)
    expect(world.checker.asking).toBe(3)
    expect(asking()).toBe('11110000')
    await world.pass(999)
    expect(asking()).toBe('11111110')
    await world.pass(1_000)
    expect(all.every(({ asked }) => asked.length >= 1)).toBe(true)
  })

  it('does not ask one twice at once, however slow its answer', async () => {
    const world = createWorld()
    const one = inquiry(world, 'when told')
    for (let n = 0; n < 20; n++) {
      one.running.hasten()
      await world.pass(40)
      expect(world.checker.asking).toBeLessThanOrEqual(1)
    }
    expect(one.asked).toHaveLength(1)
  })

  it('asks sooner when told so, but no sooner than in doubt', async () => {
    const world = createWorld()
    const one = inquiry(world, 'at once')
    await world.pass(150)
    for (let n = 0; n < 10; n++) one.running.hasten()
    await world.pass(500)
    expect(one.times()).toEqual([100, 300])
    one.running.hasten()
    await world.pass(1)
    expect(one.times().at(-1)).toBeCloseTo(650, -1)
  })

  it('asks soon again when it was told so while it asked', async () => {
    const world = createWorld()
    const one = inquiry(world, 'when told')
    await world.pass(120)
    one.running.hasten()
    one.asked[0]?.answer(true)
    await world.pass(200)
    expect(one.times()).toEqual([100, 300])
  })

  it('leaves nobody asking, and nobody waiting, when it is disposed', async () => {
    const world = createWorld({ atOnce: 1 })
    const all = [inquiry(world, 'when told'), inquiry(world, 'when told')]
    await world.pass(150)
    world.checker[Symbol.dispose]()
    await world.pass(10_000)
    expect(all[0]?.asked[0]?.signal.aborted).toBe(true)
    expect(all.map(({ asked, taken }) => [asked.length, taken.length])).toEqual([
      [1, 0],
      [0, 0],
    ])
    expect(world.checker.asking).toBe(0)
    expect(world.clock.pending).toBe(0)
  })
})
