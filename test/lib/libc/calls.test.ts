import { readlinkSync } from 'node:fs'
import { expect, it } from 'vitest'
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  F_GETFL,
  F_GETPIPE_SZ,
  F_SETFL,
  F_SETPIPE_SZ,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_PEEK,
  O_CLOEXEC,
  O_NONBLOCK,
  SHUT_WR,
  SPLICE_F_MOVE,
  SPLICE_F_NONBLOCK,
} from '../../../src/lib/libc/constants.ts'
import { ERRNO } from '../../../src/lib/libc/errno.ts'
import { Bench, describeLibc } from './machine.ts'

describeLibc('calls', (libc) => {
  const { calls } = libc

  function pipe(bench: Bench): { readonly read: number; readonly write: number } {
    const ends = bench.arena.allocate(8)
    bench.must(calls.pipe2(bench.arena.addressOf(ends), O_NONBLOCK | O_CLOEXEC))
    return { read: bench.own(bench.arena.i32[ends >> 2] as number), write: bench.own(bench.arena.i32[(ends >> 2) + 1] as number) }
  }

  it('make a pipe of the size that was asked for', () => {
    using bench = new Bench(libc)
    const { read, write } = pipe(bench)
    expect(readlinkSync(`/proc/self/fd/${read}`)).toMatch(/^pipe:/)
    expect(calls.fcntl(write, F_SETPIPE_SZ, 262_144)).toBe(262_144)
    expect(calls.fcntl(read, F_GETPIPE_SZ, 0)).toBe(262_144)
    expect((calls.fcntl(read, F_GETFL, 0) & O_NONBLOCK) !== 0).toBe(true)
    bench.must(calls.fcntl(read, F_SETFL, 0))
    expect(calls.fcntl(read, F_GETFL, 0) & O_NONBLOCK).toBe(0)
  })

  it('splice from one connection to another', () => {
    using bench = new Bench(libc)
    const { read, write } = pipe(bench)
    const left = bench.pair()
    const right = bench.pair()
    const message = bench.text('spliced')
    bench.must(calls.send(left.client, message.address, message.bytes, MSG_NOSIGNAL))
    const flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK
    expect(calls.splice(left.accepted, 0, write, 0, 65536, flags)).toBe(7)
    expect(calls.splice(left.accepted, 0, write, 0, 65536, flags)).toBe(-1)
    expect(libc.errno[0]).toBe(ERRNO.EAGAIN)
    expect(calls.splice(read, 0, right.accepted, 0, 65536, flags)).toBe(7)
    const room = bench.arena.allocate(16)
    expect(calls.recv(right.client, bench.arena.addressOf(room), 16, MSG_PEEK)).toBe(7)
    expect(calls.read(right.client, bench.arena.addressOf(room), 16)).toBe(7)
    expect(bench.read(room, 7)).toBe('spliced')
  })

  it('tell an end from nothing yet', () => {
    using bench = new Bench(libc)
    const { client, accepted } = bench.pair()
    const room = bench.arena.addressOf(bench.arena.allocate(16))
    expect(calls.recv(accepted, room, 16, 0)).toBe(-1)
    expect(libc.errno[0]).toBe(ERRNO.EAGAIN)
    bench.must(calls.shutdown(client, SHUT_WR))
    expect(calls.recv(accepted, room, 16, 0)).toBe(0)
    bench.close(accepted)
    expect(calls.recv(client, room, 16, MSG_DONTWAIT)).toBe(0)
  })

  it('return -1 instead of a signal when nobody reads', () => {
    using bench = new Bench(libc)
    const { client, accepted } = bench.pair()
    const message = bench.text('late')
    bench.must(calls.shutdown(client, SHUT_WR))
    expect(calls.send(client, message.address, message.bytes, MSG_NOSIGNAL)).toBe(-1)
    expect(libc.errno[0]).toBe(ERRNO.EPIPE)
    expect(accepted).toBeGreaterThan(0)
  })

  it('count through an eventfd', () => {
    using bench = new Bench(libc)
    const fd = bench.own(calls.eventfd(2, EFD_CLOEXEC | EFD_NONBLOCK))
    const { arena } = bench
    const count = arena.allocate(8)
    arena.i32[count >> 2] = 40
    expect(calls.write(fd, arena.addressOf(count), 8)).toBe(8)
    expect(calls.read(fd, arena.addressOf(count), 8)).toBe(8)
    expect(arena.i32[count >> 2]).toBe(42)
    expect(calls.read(fd, arena.addressOf(count), 8)).toBe(-1)
    expect(libc.errno[0]).toBe(ERRNO.EAGAIN)
  })

  it('take high addresses as well as low ones', () => {
    using bench = new Bench(libc)
    const high = bench.must(calls.mmap(0, 4096, 3, 0x22, -1, 0))
    expect(high).toBeGreaterThan(2 ** 32)
    bench.must(calls.pipe2(high, O_CLOEXEC))
    const ends = new Int32Array(libc.view(high, 8))
    expect(bench.own(ends[1] as number)).toBeGreaterThan(bench.own(ends[0] as number))
    bench.must(calls.munmap(high, 4096))
  })
})
