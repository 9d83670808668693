import { describe, expect, it } from 'vitest'
import { WaitingLines } from '../../src/balancer/waiting-lines.ts'
import { createSharedState } from '../../src/model/shared-layout.ts'
import { callEverybody, clearLines, LINES, lineTotal, lineViews, waitingNow } from '../../src/model/shared-lines.ts'

const LINE = LINES
const MOST = 10

function createLines(room = { is: false }) {
  const shared = createSharedState({ rows: 2, serviceSlots: 4, endpointSlots: 8, affinityEntries: 32, recordsPerRing: 8 })
  const views = lineViews(shared)
  const threads = [0, 1].map((row) => new WaitingLines(views, row, () => room.is)) as [WaitingLines, WaitingLines]
  return { shared, views, threads, room }
}

describe('lines', () => {
  it('tell who joins of a place that became free since it was turned away', () => {
    const { threads, room } = createLines()
    room.is = true
    expect(threads[0].join(7, 1, LINE, MOST, 0)).toBe(true)
    expect([threads[0].restless, threads[0].next()]).toEqual([true, 7])
  })

  it('tell the one thread whose first session has waited longest, once, until it heeds', () => {
    const { threads } = createLines()
    const [one, two] = threads
    one.join(1, 1, LINE, MOST, 0)
    two.join(2, 1, LINE, MOST, 0)
    one.join(3, 1, LINE, MOST, 0)
    expect([one.isFirst(1), two.isFirst(2)]).toEqual([true, false])
    for (let n = 0; n < 3; n++) two.tell(LINE)
    expect([two.takeWake(), two.takeWake(), one.next(), two.next()]).toEqual([0, -1, -1, -1])
    one.heed()
    expect(one.next()).toBe(1)
    one.leave(1, 0)
    one.settle(LINE, false)
    one.tell(LINE)
    expect([one.takeWake(), one.next(), two.isFirst(2)]).toEqual([1, -1, true])
  })

  it('pass a call on when who was called has left', () => {
    const { threads, room } = createLines()
    const [one, two] = threads
    one.join(1, 1, LINE, MOST, 0)
    two.join(2, 1, LINE, MOST, 0)
    room.is = true
    two.tell(LINE)
    one.leave(1, 5)
    one.heed()
    expect([one.next(), one.takeWake()]).toEqual([-1, 1])
    two.heed()
    expect(two.next()).toBe(2)
  })

  it('keep the order over the wrap of tickets, and take a session along to another line', () => {
    const { threads, views } = createLines()
    const [one, two] = threads
    Atomics.store(views.ticket, 0, 2 ** 31 - 4)
    for (let id = 1; id <= 6; id++) (id % 2 === 0 ? one : two).join(id, 1, id === 6 ? LINE + 1 : LINE, MOST, 0)
    one.move(6, LINE)
    const order: number[] = []
    for (let n = 0; n < 6; n++) {
      for (let id = 1; id <= 6; id++) {
        const thread = id % 2 === 0 ? one : two
        if (!thread.isFirst(id)) continue
        order.push(id)
        thread.leave(id, 0)
        break
      }
    }
    expect(order).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('take no more than may wait, and count', () => {
    const { threads, views } = createLines()
    expect([1, 2, 3].map((id) => threads[id % 2]?.join(id, 1, LINE, 2, 100))).toEqual([true, true, false])
    threads[1].leave(1, 350)
    expect([waitingNow(views, 1), lineTotal(views, 1, 'waits'), lineTotal(views, 1, 'waitedMs')]).toEqual([1, 2, 250])
  })

  it('are left by a thread that died, and the others look again', () => {
    const { shared, threads, views } = createLines()
    const [one, two] = threads
    one.join(1, 1, LINE, MOST, 0)
    two.join(2, 1, LINE, MOST, 0)
    two.tell(LINE)
    clearLines(shared, 0, new Int32Array(8))
    expect([two.isFirst(2), waitingNow(views, 1)]).toEqual([true, 1])
    expect(callEverybody(views)).toBe(true)
    two.heed()
    expect(two.next()).toBe(2)
    two.leave(2, 0)
    expect(callEverybody(views)).toBe(false)
  })
})
