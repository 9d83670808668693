import { describe, expect, it } from 'vitest'
import { createLatest } from '../../src/source/latest.ts'

describe('latest value', () => {
  it('reaches a reader who comes later, and skips what a slow one missed', async () => {
    const latest = createLatest<number>()
    latest.set(1)
    latest.set(2)
    const reader = latest.watch(new AbortController().signal)[Symbol.asyncIterator]()
    expect(await reader.next()).toEqual({ done: false, value: 2 })
    for (const value of [3, 4, 5]) latest.set(value)
    expect(await reader.next()).toEqual({ done: false, value: 5 })
    const waiting = reader.next()
    latest.set(5)
    expect(await waiting).toEqual({ done: false, value: 5 })
    expect(latest.value).toBe(5)
  })

  it('reaches every reader at its own pace', async () => {
    const latest = createLatest<string>()
    const { signal } = new AbortController()
    const [quick, slow] = [latest.watch(signal)[Symbol.asyncIterator](), latest.watch(signal)[Symbol.asyncIterator]()]
    const first = Promise.all([quick.next(), slow.next()])
    latest.set('a')
    expect((await first).map((result) => result.value)).toEqual(['a', 'a'])
    latest.set('b')
    expect((await quick.next()).value).toBe('b')
    latest.set('c')
    expect([(await quick.next()).value, (await slow.next()).value]).toEqual(['c', 'c'])
  })

  it('ends a watch with its signal, all of them when closed, and at once those that come after', async () => {
    const latest = createLatest<number>()
    const stop = new AbortController()
    const [aborted, other] = [
      latest.watch(stop.signal)[Symbol.asyncIterator](),
      latest.watch(new AbortController().signal)[Symbol.asyncIterator](),
    ]
    const [first, second] = [aborted.next(), other.next()]
    stop.abort()
    expect(await first).toEqual({ done: true, value: undefined })
    latest.close()
    expect(await second).toEqual({ done: true, value: undefined })
    latest.set(1)
    expect(await latest.watch(new AbortController().signal)[Symbol.asyncIterator]().next()).toEqual({
      done: true,
      value: undefined,
    })
  })
})
