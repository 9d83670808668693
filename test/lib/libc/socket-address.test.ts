import { once } from 'node:events'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { describe, expect, it } from 'vitest'
import { AF_INET, AF_INET6, AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from '../../../src/lib/libc/constants.ts'
import { IN_PKTINFO, IN6_PKTINFO, SOCKADDR_IN, SOCKADDR_IN6 } from '../../../src/lib/libc/layout.ts'
import type { AddressWords } from '../../../src/lib/libc/socket-address.ts'
import {
  familyOf,
  isMapped,
  readScope,
  readSocketAddress,
  SOCKET_ADDRESS_BYTES,
  writeSocketAddress,
} from '../../../src/lib/libc/socket-address.ts'
import { Bench, describeLibc, empty, got, ipv4, ipv6 } from './machine.ts'

/** Of an address with one `::` in it. */
function ipv6Words(text: string): AddressWords {
  const [head, tail] = text.split('::').map((side) => side.split(':').map((part) => Number.parseInt(part, 16))) as [
    number[],
    number[],
  ]
  const parts = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail]
  const [word0, word1, word2, word3] = [0, 2, 4, 6].map(
    (n) => (((parts[n] as number) << 16) | (parts[n + 1] as number)) >>> 0,
  ) as [number, number, number, number]
  return { word0, word1, word2, word3, port: 0 }
}

describe('address words', () => {
  it('know their family', () => {
    expect([isMapped(ipv4('10.0.0.1')), isMapped(ipv6(1))]).toEqual([true, false])
    expect([familyOf(ipv4('10.0.0.1')), familyOf(ipv6(1))]).toEqual([AF_INET, AF_INET6])
  })
})

describeLibc('socket address', (libc) => {
  const { calls } = libc

  it('keeps every bit of an IPv4 address, in network order', () => {
    using bench = new Bench(libc)
    const { arena } = bench
    const offset = arena.allocate(SOCKET_ADDRESS_BYTES)
    arena.u8.fill(0xff, offset, offset + SOCKADDR_IN.bytes)
    expect(writeSocketAddress(arena, offset, ipv4('255.2.3.254', 0x1234))).toBe(16)
    expect([...arena.u8.slice(offset, offset + 16)]).toEqual([2, 0, 0x12, 0x34, 255, 2, 3, 254, 0, 0, 0, 0, 0, 0, 0, 0])
    const read = empty()
    expect(readSocketAddress(arena, offset, read)).toBe(true)
    expect(read).toEqual(ipv4('255.2.3.254', 0x1234))
    expect(readScope(arena, offset)).toBe(0)
  })

  it('keeps every bit of an IPv6 address, in network order', () => {
    using bench = new Bench(libc)
    const { arena } = bench
    const offset = arena.allocate(SOCKET_ADDRESS_BYTES)
    const address = { word0: 0xfe800000, word1: 0x01020304, word2: 0x80000001, word3: 0xfffffffe, port: 65535 }
    expect(writeSocketAddress(arena, offset, address, AF_INET6, 7)).toBe(28)
    const wanted = [10, 0, 255, 255, 0, 0, 0, 0, 0xfe, 0x80, 0, 0, 1, 2, 3, 4, 0x80, 0, 0, 1, 255, 255, 255, 254, 7, 0, 0, 0]
    expect([...arena.u8.slice(offset, offset + SOCKADDR_IN6.bytes)]).toEqual(wanted)
    const read = empty()
    expect(readSocketAddress(arena, offset, read)).toBe(true)
    expect(read).toEqual(address)
    expect(readScope(arena, offset)).toBe(7)
  })

  it('is what node:net sees of a bound and a connected socket', async () => {
    using bench = new Bench(libc)
    const listener = bench.bound(bench.sockets.listenTcp({ address: ipv4('127.0.0.9'), backlog: 4 }))
    expect(listener.address.port).toBeGreaterThan(0)
    const client = connect({ host: '127.0.0.9', port: listener.address.port, localAddress: '127.0.0.8' })
    await once(client, 'connect')
    const room = bench.arena.allocate(SOCKET_ADDRESS_BYTES)
    const length = bench.arena.allocate(4)
    bench.arena.i32[length >> 2] = SOCKET_ADDRESS_BYTES
    const fd = bench.own(calls.accept4(listener.fd, bench.arena.addressOf(room), bench.arena.addressOf(length), SOCK_CLOEXEC))
    expect(bench.arena.i32[length >> 2]).toBe(16)
    const accepted = empty()
    readSocketAddress(bench.arena, room, accepted)
    expect(accepted).toEqual(ipv4('127.0.0.8', client.localPort))
    expect(got(bench.sockets.peerAddress(fd))).toEqual(ipv4('127.0.0.8', client.localPort))
    expect(got(bench.sockets.localAddress(fd))).toEqual(ipv4('127.0.0.9', client.remotePort))
    client.destroy()
  })

  it('is what node:net sees of an IPv6 socket', async () => {
    using bench = new Bench(libc)
    const listener = bench.bound(bench.sockets.listenTcp({ address: ipv6(1), backlog: 4 }))
    const client = connect({ host: '::1', port: listener.address.port })
    await once(client, 'connect')
    expect(client.remoteFamily).toBe('IPv6')
    const fd = bench.own(calls.accept4(listener.fd, 0, 0, SOCK_CLOEXEC))
    expect(got(bench.sockets.peerAddress(fd))).toEqual(ipv6(1, client.localPort))
    client.destroy()
  })

  it('of an IPv4 client of an IPv6 socket is mapped, both ways', () => {
    using bench = new Bench(libc)
    const listener = bench.bound(bench.sockets.listenTcp({ address: ipv6(0), backlog: 4, ipv6Only: false }))
    bench.dial(ipv4('127.0.0.1', listener.address.port), AF_INET6)
    const fd = bench.own(calls.accept4(listener.fd, 0, 0, SOCK_CLOEXEC))
    expect(got(bench.sockets.peerAddress(fd))).toMatchObject({ word2: 0xffff, word3: 0x7f000001 })
  })

  it('of another family reads as nothing', () => {
    using bench = new Bench(libc)
    const fd = bench.own(calls.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))
    expect(bench.sockets.localAddress(fd).failed).toEqual({ call: 'getsockname', errno: 'EAFNOSUPPORT' })
    const read = empty()
    expect(readSocketAddress(bench.arena, bench.arena.allocate(32), read)).toBe(false)
    expect(read).toEqual(ipv6(0))
  })

  const linkLocal = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find((address) => address.family === 'IPv6' && address.scopeid > 0)
  const scope = linkLocal?.family === 'IPv6' ? linkLocal.scopeid : 0

  it.skipIf(scope === 0)(`of a link-local address keeps the interface${scope === 0 ? ' (no such address here)' : ''}`, () => {
    using bench = new Bench(libc)
    const { arena } = bench
    const room = arena.allocate(SOCKET_ADDRESS_BYTES)
    const bytes = writeSocketAddress(arena, room, ipv6Words(linkLocal?.address ?? ''), AF_INET6, scope)
    const fd = bench.own(calls.socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0))
    bench.must(calls.bind(fd, arena.addressOf(room), bytes))
    const length = arena.allocate(4)
    arena.i32[length >> 2] = SOCKET_ADDRESS_BYTES
    arena.u8.fill(0, room, room + SOCKET_ADDRESS_BYTES)
    bench.must(calls.getsockname(fd, arena.addressOf(room), arena.addressOf(length)))
    expect(readScope(arena, room)).toBe(scope)
  })

  it('has structures of the known sizes', () => {
    expect([SOCKADDR_IN.bytes, SOCKADDR_IN6.bytes, IN_PKTINFO.bytes, IN6_PKTINFO.bytes]).toEqual([16, 28, 12, 20])
  })
})
