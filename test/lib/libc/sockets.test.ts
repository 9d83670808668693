import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { expect, it } from 'vitest'
import {
  AF_INET,
  EPOLL_CTL_ADD,
  EPOLLOUT,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SO_ACCEPTCONN,
  SO_RCVBUF,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  SOL_TCP,
  TCP_DEFER_ACCEPT,
  TCP_ESTABLISHED,
  TCP_LISTEN,
  TCP_NODELAY,
  TCP_SYN_SENT,
} from '../../../src/lib/libc/constants.ts'
import { EpollChange, EpollEvents } from '../../../src/lib/libc/epoll-events.ts'
import { ERRNO } from '../../../src/lib/libc/errno.ts'
import { LINGER_BYTES, OptionValues } from '../../../src/lib/libc/option-values.ts'
import { eventually } from '../../support/eventually.ts'
import { Bench, describeLibc, got, ipv4, ipv6 } from './machine.ts'

const UNASSIGNED = '192.0.2.1'

describeLibc('sockets', (libc) => {
  const { calls } = libc
  const local = ipv4('127.0.0.1')

  it('listen, with options that accepted sockets inherit', () => {
    using bench = new Bench(libc)
    const { listener, accepted, client } = bench.pair()
    const { options } = bench.sockets
    expect(got(options.getInt(listener, SOL_SOCKET, SO_ACCEPTCONN))).toBe(1)
    expect(got(options.getInt(accepted, SOL_TCP, TCP_NODELAY))).toBe(1)
    expect(got(options.getInt(client, SOL_TCP, TCP_NODELAY))).toBe(0)
    expect(got(options.tcpInfo(listener)).state).toBe(TCP_LISTEN)
    const slow = bench.bound(bench.sockets.listenTcp({ address: local, backlog: 1, noDelay: false, deferAcceptSeconds: 3 }))
    expect(got(options.getInt(slow.fd, SOL_TCP, TCP_NODELAY))).toBe(0)
    expect(got(options.getInt(slow.fd, SOL_TCP, TCP_DEFER_ACCEPT))).toBeGreaterThanOrEqual(3)
    expect(calls.accept4(slow.fd, 0, 0, 0)).toBe(-1)
    expect(libc.errno[0]).toBe(ERRNO.EAGAIN)
  })

  it('share an address within a group, and with nobody else', () => {
    using bench = new Bench(libc)
    const { sockets } = bench
    for (const open of [
      (address = local, reusePort: 'none' | 'first' | 'join') => sockets.listenTcp({ address, reusePort, backlog: 8 }),
      (address = local, reusePort: 'none' | 'first' | 'join') => sockets.bindUdp({ address, reusePort }),
    ]) {
      const first = bench.bound(open(local, 'first'))
      const members = [0, 1].map(() => bench.bound(open(first.address, 'join')))
      expect(members.map((member) => member.address)).toEqual([first.address, first.address])
      expect(open(first.address, 'first').failed).toEqual({ call: 'bind', errno: 'EADDRINUSE' })
      expect(open(first.address, 'none').failed).toEqual({ call: 'bind', errno: 'EADDRINUSE' })
    }
  })

  it('spread clients over a group', () => {
    using bench = new Bench(libc)
    const first = bench.bound(bench.sockets.listenTcp({ address: local, reusePort: 'first', backlog: 64 }))
    const second = bench.bound(bench.sockets.listenTcp({ address: first.address, reusePort: 'join', backlog: 64 }))
    for (let n = 0; n < 40; n++) bench.dial({ ...first.address })
    const accepted = [first, second].map(({ fd }) => {
      let count = 0
      for (let client = calls.accept4(fd, 0, 0, SOCK_CLOEXEC); client >= 0; client = calls.accept4(fd, 0, 0, SOCK_CLOEXEC)) {
        bench.own(client)
        count++
      }
      return count
    })
    expect((accepted[0] as number) + (accepted[1] as number)).toBe(40)
    expect(Math.min(...accepted)).toBeGreaterThan(0)
  })

  it('bind an address that no interface has, when told to', () => {
    using bench = new Bench(libc)
    const { sockets } = bench
    for (const address of [ipv4(UNASSIGNED), { ...ipv6(0x99), word0: 0x20010db8 }]) {
      expect(sockets.listenTcp({ address, backlog: 1 }).failed).toEqual({ call: 'bind', errno: 'EADDRNOTAVAIL' })
      const tcp = bench.bound(sockets.listenTcp({ address, backlog: 1, freeBind: true }))
      expect(tcp.address).toEqual({ ...address, port: tcp.address.port })
      bench.bound(sockets.bindUdp({ address, freeBind: true }))
    }
  })

  it('keep IPv6 apart from IPv4 unless told otherwise', () => {
    using bench = new Bench(libc)
    const { sockets } = bench
    const apart = bench.bound(sockets.listenTcp({ address: ipv6(0), backlog: 1 }))
    bench.bound(sockets.listenTcp({ address: ipv4('0.0.0.0', apart.address.port), backlog: 1 }))
    const both = bench.bound(sockets.listenTcp({ address: ipv6(0), backlog: 1, ipv6Only: false }))
    expect(sockets.listenTcp({ address: ipv4('0.0.0.0', both.address.port), backlog: 1 }).failed?.errno).toBe('EADDRINUSE')
  })

  it('leave no descriptor behind when they fail', () => {
    using bench = new Bench(libc)
    const count = () => readdirSync('/proc/self/fd').length
    const before = count()
    for (let n = 0; n < 5; n++) {
      expect(bench.sockets.listenTcp({ address: ipv4(UNASSIGNED), backlog: 1 }).failed).toBeDefined()
      expect(bench.sockets.bindUdp({ address: ipv4(UNASSIGNED) }).failed).toBeDefined()
    }
    expect(count()).toBe(before)
  })

  it('ask for buffers', () => {
    using bench = new Bench(libc)
    const plain = bench.bound(bench.sockets.bindUdp({ address: local }))
    const large = bench.bound(bench.sockets.bindUdp({ address: local, bufferBytes: 4 << 20 }))
    const size = (fd: number) => got(bench.sockets.options.getInt(fd, SOL_SOCKET, SO_RCVBUF))
    expect(size(large.fd)).toBeGreaterThanOrEqual(size(plain.fd))
  })

  it('hand over the error of a connection that was refused later', () => {
    using bench = new Bench(libc)
    const { accepted, listener } = bench.pair()
    bench.close(listener)
    const gone = bench.at(got(bench.sockets.localAddress(accepted)))
    const fd = bench.own(calls.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))
    expect(calls.connect(fd, gone.address, gone.bytes)).toBe(-1)
    expect(libc.errno[0]).toBe(ERRNO.EINPROGRESS)
    const epoll = bench.own(calls.epoll_create1(0))
    const events = new EpollEvents(bench.arena, libc.layout, 1)
    calls.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, new EpollChange(bench.arena, libc.layout).set(EPOLLOUT, fd, 0))
    expect(calls.epoll_wait(epoll, events.address, 1, 1000)).toBe(1)
    expect(got(bench.sockets.options.takeError(fd))).toBe(ERRNO.ECONNREFUSED)
    expect(got(bench.sockets.options.takeError(fd))).toBe(0)
  })

  it('learn of a closed UDP port from the next call', () => {
    using bench = new Bench(libc)
    const closed = bench.bound(bench.sockets.bindUdp({ address: local }))
    const fd = bench.dial({ ...closed.address }, AF_INET, SOCK_DGRAM)
    bench.close(closed.fd)
    const message = bench.text('anyone?')
    bench.must(calls.send(fd, message.address, message.bytes, 0))
    expect(calls.recv(fd, message.address, 1, MSG_DONTWAIT)).toBe(-1)
    expect(libc.errno[0]).toBe(ERRNO.ECONNREFUSED)
  })

  it('keep the linger that was set, and reset with 0', async () => {
    using bench = new Bench(libc)
    const { options } = bench.sockets
    const listener = bench.bound(bench.sockets.listenTcp({ address: local, backlog: 1 }))
    expect(got(options.linger(listener.fd))).toBeUndefined()
    expect(options.setLinger(listener.fd, 7)).toBeUndefined()
    expect(got(options.linger(listener.fd))).toBe(7)
    expect(options.setLinger(listener.fd, undefined)).toBeUndefined()
    expect(got(options.linger(listener.fd))).toBeUndefined()

    for (const reset of [
      (fd: number) => options.setLinger(fd, 0),
      (fd: number) => void bench.must(calls.setsockopt(fd, SOL_SOCKET, 13, new OptionValues(bench.arena).reset, LINGER_BYTES)),
    ]) {
      const client = connect(listener.address.port, '127.0.0.1')
      await once(client, 'connect')
      const fd = bench.own(calls.accept4(listener.fd, 0, 0, SOCK_CLOEXEC))
      reset(fd)
      expect(got(options.linger(fd))).toBe(0)
      bench.close(fd)
      const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException]
      expect(error.code).toBe('ECONNRESET')
    }
  })

  it('count what the other side has not read', () => {
    using bench = new Bench(libc)
    const { client, accepted } = bench.pair()
    const { options } = bench.sockets
    expect(got(options.unsentBytes(accepted))).toBe(0)
    const room = bench.arena.addressOf(bench.arena.allocate(65536))
    let sent = 0
    for (let n = calls.send(accepted, room, 65536, MSG_NOSIGNAL); n > 0; n = calls.send(accepted, room, 65536, MSG_NOSIGNAL))
      sent += n
    expect(got(options.unsentBytes(accepted))).toBeGreaterThan(0)
    expect(got(options.unreadBytes(client))).toBeGreaterThan(0)
    const values = new OptionValues(bench.arena)
    bench.must(calls.ioctl(accepted, 0x5411, values.cellAddress))
    expect(values.cell).toBe(got(options.unsentBytes(accepted)))
    while (sent > 0) sent -= bench.must(calls.recv(client, room, 65536, 0))
    expect(got(options.unreadBytes(client))).toBe(0)
    expect(got(options.unsentBytes(accepted))).toBe(0)
  })

  it('tell the state of a connection', () => {
    using bench = new Bench(libc)
    const { client } = bench.pair()
    const message = bench.text('measure me')
    bench.must(calls.send(client, message.address, message.bytes, 0))
    const info = got(bench.sockets.options.tcpInfo(client))
    expect(info).toMatchObject({ state: TCP_ESTABLISHED, retransmits: 0 })
    expect(info.rttMicros).toBeGreaterThan(0)
    expect(info.rttMicros).toBeLessThan(5_000_000)
  })

  it('tell of a connection that gets no answer', async () => {
    using bench = new Bench(libc)
    const full = bench.bound(bench.sockets.listenTcp({ address: local, backlog: 0 }))
    bench.dial({ ...full.address })
    const fd = bench.own(calls.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))
    const to = bench.at({ ...full.address })
    expect(calls.connect(fd, to.address, to.bytes)).toBe(-1)
    expect(got(bench.sockets.options.tcpInfo(fd))).toEqual({ state: TCP_SYN_SENT, retransmits: 0, unacked: 1, rttMicros: 0 })
    await eventually(() => expect(got(bench.sockets.options.tcpInfo(fd)).retransmits).toBe(1))
  })

  it('say which call failed and why', () => {
    using bench = new Bench(libc)
    expect(bench.sockets.options.takeError(-1).failed).toEqual({ call: 'getsockopt', errno: 'EBADF' })
    expect(bench.sockets.options.setLinger(-1, 0)).toEqual({ call: 'setsockopt', errno: 'EBADF' })
    expect(bench.sockets.options.unsentBytes(-1).failed).toEqual({ call: 'ioctl', errno: 'EBADF' })
    expect(bench.sockets.localAddress(-1).failed).toEqual({ call: 'getsockname', errno: 'EBADF' })
  })

  it('raise the descriptor limit to the hard one', () => {
    using bench = new Bench(libc)
    const { limits } = bench.sockets
    const before = got(limits.read())
    expect(got(limits.setSoft(Math.min(before.soft, 1000)))).toEqual({ soft: Math.min(before.soft, 1000), hard: before.hard })
    expect(got(limits.setSoft())).toEqual({ soft: before.hard, hard: before.hard })
    expect(process.report.getReport()).toMatchObject({
      userLimits: { open_files: { soft: shown(before.hard), hard: shown(before.hard) } },
    })
    limits.setSoft(before.soft)
  })
})

function shown(limit: number): string | number {
  return limit === Number.POSITIVE_INFINITY ? 'unlimited' : limit
}
