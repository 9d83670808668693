import { createRequire } from 'node:module'
import { expect, it } from 'vitest'
import type { Calls } from '../../../src/lib/libc/calls.ts'
import { withDirectBatches } from '../../../src/lib/libc/calls.ts'
import {
  AF_INET6,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_TRUNC,
  SOCK_DGRAM,
  SOL_SOCKET,
  SOL_UDP,
  UDP_GRO,
} from '../../../src/lib/libc/constants.ts'
import { ERRNO } from '../../../src/lib/libc/errno.ts'
import type { ForeignFunctions } from '../../../src/lib/libc/load.ts'
import { IoVectors, MessageBatch } from '../../../src/lib/libc/message-batch.ts'
import { addDepartureAddress, readArrivalAddress } from '../../../src/lib/libc/packet-info.ts'
import { readSocketAddress } from '../../../src/lib/libc/socket-address.ts'
import { Bench, describeLibc, empty, got, ipv4, ipv6 } from './machine.ts'

const SLOT_BYTES = 8192

function receiver(bench: Bench, slots: number, controlBytes?: number) {
  const batch = new MessageBatch(bench.arena, slots, controlBytes)
  const vectors = new IoVectors(bench.arena, slots)
  const data = bench.arena.allocate(slots * SLOT_BYTES, 64)
  for (let slot = 0; slot < slots; slot++) {
    vectors.set(slot, data + slot * SLOT_BYTES, SLOT_BYTES)
    batch.setVectors(slot, vectors.offset(slot), 1)
    batch.arm(slot)
  }
  const text = (slot: number) => bench.read(data + slot * SLOT_BYTES, batch.length(slot))
  const from = (slot: number) => {
    const address = empty()
    readSocketAddress(bench.arena, batch.nameOffset(slot), address)
    return address
  }
  return { batch, vectors, data, text, from }
}

describeLibc('message batch', (libc) => {
  const koffi = createRequire(import.meta.url)('koffi') as ForeignFunctions
  const direct = withDirectBatches(libc.calls, koffi.load('libc.so.6'), libc.layout)
  const ways: readonly (readonly [string, Calls])[] = [
    ['by the library', libc.calls],
    ['by system call', direct],
  ]

  it.each(ways)('fills names and lengths of received datagrams, %s', (_way, calls) => {
    using bench = new Bench(libc)
    const socket = bench.bound(bench.sockets.bindUdp({ address: ipv4('127.0.0.1') }))
    const { batch, text, from } = receiver(bench, 4)
    const senders = [0, 1].map(() => bench.dial({ ...socket.address }, 2, SOCK_DGRAM))
    const names = senders.map((fd) => got(bench.sockets.localAddress(fd)))
    for (const [index, message] of ['one', 'fourteen', ''].entries()) {
      const { address, bytes } = bench.text(message)
      bench.must(calls.send(senders[index & 1] as number, address, bytes, 0))
    }
    expect(calls.recvmmsg(socket.fd, batch.address(0), 4, MSG_DONTWAIT, 0)).toBe(3)
    expect([0, 1, 2].map((slot) => batch.length(slot))).toEqual([3, 8, 0])
    expect([0, 1, 2].map(text)).toEqual(['one', 'fourteen', ''])
    expect([0, 1, 2].map(from)).toEqual([names[0], names[1], names[0]])
    expect([0, 1, 2].map((slot) => batch.nameLength(slot))).toEqual([16, 16, 16])
    expect([0, 1, 2].map((slot) => batch.segmentSize(slot))).toEqual([0, 0, 0])
    expect(calls.recvmmsg(socket.fd, batch.address(0), 4, MSG_DONTWAIT, 0)).toBe(-1)
    expect(libc.errno[0]).toBe(ERRNO.EAGAIN)
  })

  it.each(ways)('sends to many at once, several vectors a message, %s', (_way, calls) => {
    using bench = new Bench(libc)
    const socket = bench.bound(bench.sockets.bindUdp({ address: ipv6(1) }))
    const peers = [0, 1, 2].map(() => bench.bound(bench.sockets.bindUdp({ address: ipv6(1) })))
    const batch = new MessageBatch(bench.arena, 3)
    const vectors = new IoVectors(bench.arena, 6)
    for (const [slot, peer] of peers.entries()) {
      const name = bench.at({ ...peer.address })
      batch.setName(slot, name.offset, name.bytes)
      for (const part of [0, 1]) {
        const { offset, bytes } = bench.text(`part ${part} for ${slot}. `)
        vectors.set(slot * 2 + part, offset, bytes)
      }
      batch.setVectors(slot, vectors.offset(slot * 2), 2)
      batch.clearControl(slot)
    }
    expect(calls.sendmmsg(socket.fd, batch.address(0), 3, 0)).toBe(3)
    expect(batch.length(2)).toBe('part 0 for 2. part 1 for 2. '.length)
    for (const [slot, peer] of peers.entries()) {
      const received = receiver(bench, 1)
      expect(calls.recvmmsg(peer.fd, received.batch.address(0), 1, MSG_DONTWAIT, 0)).toBe(1)
      expect(received.text(0)).toBe(`part 0 for ${slot}. part 1 for ${slot}. `)
      expect(received.from(0)).toEqual(socket.address)
    }
  })

  it('says that a datagram or its control messages did not fit', () => {
    using bench = new Bench(libc)
    const { calls } = libc
    const socket = bench.bound(bench.sockets.bindUdp({ address: ipv4('127.0.0.1'), packetInfo: true }))
    const { batch, vectors, data } = receiver(bench, 2, 8)
    vectors.set(0, data, 4)
    const sender = bench.dial({ ...socket.address }, 2, SOCK_DGRAM)
    const { address, bytes } = bench.text('eight by')
    for (const _ of [0, 1]) bench.must(calls.send(sender, address, bytes, 0))
    expect(calls.recvmmsg(socket.fd, batch.address(0), 2, MSG_DONTWAIT, 0)).toBe(2)
    expect([batch.flags(0), batch.length(0)]).toEqual([MSG_TRUNC | MSG_CTRUNC, 4])
    expect([batch.flags(1), batch.length(1)]).toEqual([MSG_CTRUNC, 8])
    batch.rearm(0)
    expect(batch.flags(0)).toBe(0)
  })

  it('receives as one what was sent as segments', () => {
    using bench = new Bench(libc)
    const { calls } = libc
    const joined = bench.bound(bench.sockets.bindUdp({ address: ipv4('127.0.0.1'), gro: true, packetInfo: true }))
    expect(joined.gro).toBe(true)
    const { batch, data } = receiver(bench, 2)
    const sender = bench.dial({ ...joined.address }, 2, SOCK_DGRAM)
    const out = segmented(bench, 'x'.repeat(3000) + 'y'.repeat(400), 1000)
    expect(calls.sendmmsg(sender, out.address(0), 1, 0)).toBe(1)
    expect(calls.recvmmsg(joined.fd, batch.address(0), 2, MSG_DONTWAIT, 0)).toBe(1)
    expect([batch.length(0), batch.segmentSize(0), batch.flags(0)]).toEqual([3400, 1000, 0])
    expect(batch.controlDataBytes(batch.findControl(0, SOL_UDP, UDP_GRO))).toBe(4)
    expect(bench.read(data + 2990, 20)).toBe('x'.repeat(10) + 'y'.repeat(10))
    const arrival = empty()
    expect(readArrivalAddress(bench.arena, batch, 0, arrival)).toBe(true)
    expect(arrival).toEqual({ ...ipv4('127.0.0.1'), port: 7 })

    batch.rearm(0)
    const one = bench.text('alone')
    bench.must(calls.send(sender, one.address, one.bytes, 0))
    expect(calls.recvmmsg(joined.fd, batch.address(0), 2, MSG_DONTWAIT, 0)).toBe(1)
    expect([batch.length(0), batch.segmentSize(0)]).toEqual([5, 0])
  })

  it('has segments cut by the kernel where the receiver takes them one by one', () => {
    using bench = new Bench(libc)
    const { calls } = libc
    const plain = bench.bound(bench.sockets.bindUdp({ address: ipv4('127.0.0.1') }))
    const { batch } = receiver(bench, 8)
    const sender = bench.dial({ ...plain.address }, 2, SOCK_DGRAM)
    const out = segmented(bench, 'x'.repeat(3400), 1000)
    expect(calls.sendmsg(sender, out.address(0), 0)).toBe(3400)
    expect(calls.recvmmsg(plain.fd, batch.address(0), 8, MSG_DONTWAIT, 0)).toBe(4)
    expect([0, 1, 2, 3].map((slot) => batch.length(slot))).toEqual([1000, 1000, 1000, 400])
  })

  it('tells the address a datagram came to, and answers from it', () => {
    using bench = new Bench(libc)
    const { calls } = libc
    for (const [any, own, family] of [
      [ipv4('0.0.0.0'), ipv4('127.0.0.77'), 2],
      [ipv6(0), ipv6(1), AF_INET6],
    ] as const) {
      const socket = bench.bound(bench.sockets.bindUdp({ address: any, packetInfo: true }))
      const { batch, vectors, from } = receiver(bench, 1)
      const client = bench.dial({ ...own, port: socket.address.port }, family, SOCK_DGRAM)
      const question = bench.text('question')
      bench.must(calls.send(client, question.address, question.bytes, 0))
      expect(calls.recvmsg(socket.fd, batch.address(0), MSG_DONTWAIT)).toBe(8)
      const arrival = { ...empty(), port: socket.address.port }
      expect(readArrivalAddress(bench.arena, batch, 0, arrival)).toBe(true)
      expect(arrival).toEqual({ ...own, port: socket.address.port })
      expect(from(0)).toEqual(got(bench.sockets.localAddress(client)))

      const answer = bench.text('answer')
      vectors.set(0, answer.offset, answer.bytes)
      batch.setName(0, batch.nameOffset(0), batch.nameLength(0))
      batch.clearControl(0)
      addDepartureAddress(bench.arena, batch, 0, arrival)
      expect(calls.sendmsg(socket.fd, batch.address(0), 0)).toBe(6)
      // The client is connected to that address: an answer from any other would not reach it.
      const room = bench.arena.allocate(16)
      expect(calls.recv(client, bench.arena.addressOf(room), 16, MSG_DONTWAIT)).toBe(6)
      expect(bench.read(room, 6)).toBe('answer')
    }
  })

  it('does not find what is not there, and refuses what has no room', () => {
    using bench = new Bench(libc)
    const { batch } = receiver(bench, 1, 24)
    batch.clearControl(0)
    expect(batch.findControl(0, SOL_UDP, UDP_GRO)).toBe(-1)
    expect(batch.segmentSize(0)).toBe(0)
    expect(readArrivalAddress(bench.arena, batch, 0, empty())).toBe(false)
    const offset = batch.addControl(0, SOL_SOCKET, 1, 4)
    expect([batch.findControl(0, SOL_SOCKET, 1), batch.findControl(0, SOL_SOCKET, 2)]).toEqual([offset, -1])
    expect(() => batch.addControl(0, SOL_SOCKET, 1, 4)).toThrow(expect.objectContaining({ code: 'E_INTERNAL' }))
    bench.arena.u32[(offset - 16) >> 2] = 3
    expect(batch.findControl(0, SOL_SOCKET, 2)).toBe(-1)
  })

  function segmented(bench: Bench, text: string, bytes: number): MessageBatch {
    const batch = new MessageBatch(bench.arena, 1)
    const vectors = new IoVectors(bench.arena, 1)
    const place = bench.text(text)
    vectors.set(0, place.offset, place.bytes)
    batch.setVectors(0, vectors.offset(0), 1)
    batch.setName(0, 0, 0)
    batch.clearControl(0)
    batch.setSegmentSize(0, bytes)
    return batch
  }
})
