import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { finish, inSlices, type Steps } from '../../src/lib/steps.ts'

/** Counts to `to`, and lets `onStep` know of each step. */
function* counting(to: number, onStep: (n: number) => void = () => {}): Steps<number> {
  for (let n = 1; n <= to; n++) {
    onStep(n)
    yield
  }
  return to
}

describe('work in steps', () => {
  it('is done at once by whoever has time', () => expect(finish(counting(1000))).toBe(1000))

  it('lets everything else have a turn every few milliseconds, and not more often', async () => {
    const clock = manualClock()
    const turns: number[] = []
    let done = 0
    let waiting: NodeJS.Immediate
    const turn = () => {
      turns.push(done)
      waiting = setImmediate(turn)
    }
    waiting = setImmediate(turn)
    const result = await inSlices(
      counting(20, (n) => {
        done = n
        clock.advance(1)
      }),
      clock,
    )
    clearImmediate(waiting)
    expect(result).toBe(20)
    expect(turns).toEqual([5, 10, 15, 20])
  })

  it('is not interrupted where it takes less', async () => {
    let turned = false
    const waiting = setImmediate(() => {
      turned = true
    })
    expect(await inSlices(counting(1000), manualClock())).toBe(1000)
    expect(turned).toBe(false)
    clearImmediate(waiting)
  })

  it('fails where a step fails', async () => {
    const failing = counting(3, () => {
      throw new TypeError('no')
    })
    await expect(inSlices(failing, manualClock())).rejects.toThrow('no')
  })
})
