import { describe, expect, it } from 'vitest'
import {
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLET,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  SHUT_WR,
} from '../../../src/lib/libc/constants.ts'
import { EpollChange, EpollEvents } from '../../../src/lib/libc/epoll-events.ts'
import { LAYOUTS } from '../../../src/lib/libc/layout.ts'
import { Bench, describeLibc } from './machine.ts'

describe('epoll event layout', () => {
  it('is packed on x86-64 only', () => {
    expect(LAYOUTS.x64.epollEvent).toEqual({ bytes: 12, data: 4 })
    expect(LAYOUTS.arm64.epollEvent).toEqual({ bytes: 16, data: 8 })
  })
})

describeLibc('epoll events', (libc) => {
  it('carry the descriptor and generation that were registered', () => {
    using bench = new Bench(libc)
    const { calls } = libc
    const events = new EpollEvents(bench.arena, libc.layout, 8)
    const change = new EpollChange(bench.arena, libc.layout)
    const epoll = bench.own(calls.epoll_create1(0))
    const pairs = [bench.pair(), bench.pair(), bench.pair()]
    const generations = new Map<number, number>()
    for (const [index, { accepted }] of pairs.entries()) {
      generations.set(accepted, index === 2 ? -5 : 1000 + index)
      const mask = EPOLLIN | EPOLLRDHUP | EPOLLET
      bench.must(calls.epoll_ctl(epoll, EPOLL_CTL_ADD, accepted, change.set(mask, accepted, generations.get(accepted) as number)))
    }
    expect(calls.epoll_wait(epoll, events.address, events.capacity, 0)).toBe(0)

    const message = bench.text('x')
    for (const { client } of pairs) bench.must(calls.send(client, message.address, message.bytes, 0))
    expect(calls.epoll_wait(epoll, events.address, events.capacity, 1000)).toBe(3)
    for (let index = 0; index < 3; index++) {
      expect(events.mask(index)).toBe(EPOLLIN)
      expect(events.generation(index)).toBe(generations.get(events.fd(index)))
    }
    expect(new Set([0, 1, 2].map((index) => events.fd(index)))).toEqual(new Set(generations.keys()))

    expect(calls.epoll_wait(epoll, events.address, events.capacity, 0)).toBe(0)
    const { accepted, client } = pairs[0] as (typeof pairs)[0]
    calls.shutdown(client, SHUT_WR)
    expect(calls.epoll_wait(epoll, events.address, events.capacity, 1000)).toBe(1)
    expect([events.fd(0), events.mask(0)]).toEqual([accepted, EPOLLIN | EPOLLRDHUP])
    bench.must(calls.epoll_ctl(epoll, EPOLL_CTL_MOD, accepted, change.set(EPOLLOUT | EPOLLET, accepted, 77)))
    expect(calls.epoll_wait(epoll, events.address, events.capacity, 1000)).toBe(1)
    expect([events.fd(0), events.generation(0), events.mask(0)]).toEqual([accepted, 77, EPOLLOUT])
    bench.must(calls.epoll_ctl(epoll, EPOLL_CTL_DEL, accepted, 0))
    expect(calls.epoll_wait(epoll, events.address, events.capacity, 0)).toBe(0)
  })

  it('are written and read with the layout of arm64 too', () => {
    using bench = new Bench(libc)
    const { arena } = bench
    const change = new EpollChange(arena, LAYOUTS.arm64)
    const offset = change.set(EPOLLIN | EPOLLET, 12, -3) - arena.address
    const bytes = Array.from({ length: 4 }, (_, word) => arena.i32[(offset >> 2) + word])
    expect(bytes).toEqual([EPOLLIN | EPOLLET, 0, 12, -3])

    const events = new EpollEvents(arena, LAYOUTS.arm64, 3)
    arena.i32.set([1, 0, 10, 100, 2, 0, 20, 200, 4, 0, 30, -1], (events.address - arena.address) >> 2)
    expect([0, 1, 2].map((n) => [events.mask(n), events.fd(n), events.generation(n)])).toEqual([
      [1, 10, 100],
      [2, 20, 200],
      [4, 30, -1],
    ])
  })
})
