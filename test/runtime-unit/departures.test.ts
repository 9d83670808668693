import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { Departures } from '../../src/runtime/departures.ts'

const KEEP = { do: 'keep' } as const
const CUT = { do: 'cut' } as const
const drain = (deadlineMs: number) => ({ do: 'drain', deadlineMs }) as const

function createWorld() {
  const clock = manualClock()
  const cuts: string[] = []
  const departures = new Departures(
    clock,
    (slots, end, why) => void cuts.push(`${slots.join()} at ${clock.now()}: ${end}, ${why}`),
  )
  return { clock, cuts, departures }
}

describe('departures', () => {
  it('keep sessions where the Service says so', () => {
    const { clock, cuts, departures } = createWorld()
    departures.left([1, 2], 'endpoint-removed', KEEP)
    clock.advance(1_000_000)
    expect(cuts).toEqual([])
    expect(clock.pending).toBe(0)
  })

  it('cut sessions at once where the Service says so, by the name of what happened', () => {
    const { cuts, departures } = createWorld()
    departures.left([1, 2], 'endpoint-removed', CUT)
    departures.left([3], 'endpoint-unready', CUT)
    departures.left([4], 'service-removed', CUT)
    expect(cuts).toEqual([
      '1,2 at 0: endpoint-removed, endpoint-removed',
      '3 at 0: endpoint-unready, endpoint-unready',
      '4 at 0: service-removed, service-removed',
    ])
  })

  it('cut sessions at the deadline of each departure, by a name of its own', () => {
    const { clock, cuts, departures } = createWorld()
    departures.left([1], 'endpoint-removed', drain(30_000))
    clock.advance(10_000)
    departures.left([2, 3], 'endpoint-unready', drain(5_000))
    clock.advance(60_000)
    expect(cuts).toEqual(['2,3 at 15000: drain-timeout, endpoint-unready', '1 at 30000: drain-timeout, endpoint-removed'])
    expect(departures.waiting).toBe(false)
  })

  it('have nothing to do where nobody left', () => {
    const { clock, cuts, departures } = createWorld()
    departures.left([], 'endpoint-removed', CUT)
    departures.left([], 'endpoint-removed', drain(1))
    expect(cuts).toEqual([])
    expect(clock.pending).toBe(0)
  })

  it('leave a deadline where it is when they are told of the same thing again', () => {
    const { clock, cuts, departures } = createWorld()
    departures.left([1], 'endpoint-removed', drain(30_000))
    clock.advance(20_000)
    departures.left([1, 2], 'endpoint-removed', drain(30_000))
    clock.advance(100_000)
    expect(cuts).toEqual(['1 at 30000: drain-timeout, endpoint-removed', '2 at 50000: drain-timeout, endpoint-removed'])
  })

  it('spare an endpoint that is back before its deadline, and no other', () => {
    const { clock, cuts, departures } = createWorld()
    departures.left([1, 2], 'endpoint-removed', drain(30_000))
    departures.back(1)
    expect(departures.waiting).toBe(true)
    clock.advance(30_000)
    expect(cuts).toEqual(['2 at 30000: drain-timeout, endpoint-removed'])
  })

  it('give one that was back and leaves again its whole time', () => {
    const { clock, cuts, departures } = createWorld()
    departures.left([1], 'endpoint-removed', drain(30_000))
    clock.advance(20_000)
    departures.back(1)
    departures.left([1], 'endpoint-removed', drain(30_000))
    clock.advance(29_999)
    expect(cuts).toEqual([])
    clock.advance(1)
    expect(cuts).toEqual(['1 at 50000: drain-timeout, endpoint-removed'])
  })

  it('end sessions at the first of several deadlines, each of which stands for itself', () => {
    const { clock, cuts, departures } = createWorld()
    departures.left([1, 2], 'endpoint-unready', drain(10_000))
    departures.left([1, 2], 'endpoint-removed', drain(20_000))
    departures.back(2, 'endpoint-unready')
    clock.advance(30_000)
    expect(cuts).toEqual(['1 at 10000: drain-timeout, endpoint-unready', '1,2 at 20000: drain-timeout, endpoint-removed'])
  })

  it('forget their deadlines when nobody is left who could miss them', () => {
    const { clock, departures } = createWorld()
    departures.left([1, 2], 'endpoint-removed', drain(30_000))
    departures.back(1)
    departures.back(2)
    departures.back(2)
    expect(clock.pending).toBe(0)
    expect(departures.waiting).toBe(false)
  })

  it('forget their deadlines when disposed', () => {
    const { clock, cuts, departures } = createWorld()
    departures.left([1, 2], 'endpoint-removed', drain(30_000))
    departures[Symbol.dispose]()
    departures[Symbol.dispose]()
    clock.advance(60_000)
    expect(cuts).toEqual([])
    expect(clock.pending).toBe(0)
  })
})
