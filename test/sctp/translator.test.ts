import { describe, expect, it } from 'vitest'
import { ScriptedAssociation } from '../support/sctp-association.ts'
import {
  abort,
  cookieAck,
  cookieEcho,
  data,
  heartbeat,
  init,
  initAck,
  parameter,
  sack,
  sctpPacket,
  shutdown,
  shutdownAck,
  shutdownComplete,
} from '../support/sctp-packets.ts'
import { createSctpWorld, ENDPOINT_PORT, NODE, VIP, VIP_PORT } from '../support/sctp-world.ts'

const CLIENT = '192.0.2.7:40000'
const A = `10.1.0.1:${ENDPOINT_PORT}`
const B = `10.1.0.2:${ENDPOINT_PORT}`

describe('an SCTP association', () => {
  it('passes through whole: handshake, data both ways, shutdown', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world)
    peers.ask()
    expect(`${peers.endpoint}:${ENDPOINT_PORT}`).toBe(A)
    expect(peers.sourcePort).toBeGreaterThanOrEqual(32_768)
    expect(peers.reply(initAck(222))).toEqual([`${CLIENT} tag 111 INIT-ACK`])
    expect(peers.say(cookieEcho(), data('first'))).toEqual([`${A} tag 222 COOKIE-ECHO DATA`])
    expect(peers.reply(cookieAck(), sack())).toEqual([`${CLIENT} tag 111 COOKIE-ACK SACK`])
    expect(peers.say(data('hello'), data('wor', 2), data('ld', 1))).toEqual([`${A} tag 222 DATA DATA DATA`])
    expect(peers.reply(sack(), data('answer'))).toEqual([`${CLIENT} tag 111 SACK DATA`])
    expect(peers.say(shutdown())).toEqual([`${A} tag 222 SHUTDOWN`])
    expect(peers.reply(shutdownAck())).toEqual([`${CLIENT} tag 111 SHUTDOWN-ACK`])
    expect(world.takeEnds()).toEqual([])
    expect(world.table.size).toBe(1)
    expect(peers.say(shutdownComplete())).toEqual([`${A} tag 222 SHUTDOWN-COMPLETE`])
    expect(world.takeEnds()).toEqual(['client-closed'])
    expect(world.table.size).toBe(0)
    expect(world.count('bytesFromClient')).toBe('firsthelloworld'.length)
    expect(world.count('bytesFromEndpoint')).toBe('answer'.length)
    expect(world.count('datagramsFromClient')).toBe(3)
    expect(world.count('datagramsFromEndpoint')).toBe(1)
    expect(world.count('connected')).toBe(1)
    expect(world.active()).toEqual([])
  })

  it('looks to the client as if it were with the Service, and to the endpoint as if with us', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world)
    world.receive(peers.client, VIP, sctpPacket(peers.port, VIP_PORT, 0, init(111)))
    const [asked] = world.takeSent()
    expect(asked).toMatchObject({ to: A, from: expect.stringMatching(new RegExp(`^${NODE}:`)) })
    peers.endpoint = '10.1.0.1'
    peers.sourcePort = Number(asked?.from.split(':')[1])
    world.receive(peers.endpoint, NODE, sctpPacket(ENDPOINT_PORT, peers.sourcePort, 111, initAck(222)))
    expect(world.takeSent()).toMatchObject([{ from: `${VIP}:${VIP_PORT}`, to: CLIENT }])
  })

  it('gives the next client the next endpoint', () => {
    const world = createSctpWorld()
    const where = [40_000, 40_001, 40_002].map((port) => new ScriptedAssociation(world, port).establish().endpoint)
    expect(where).toEqual(['10.1.0.1', '10.1.0.2', '10.1.0.1'])
    expect(world.active()).toEqual([2, 1])
  })

  it('is ended by an ABORT of either side, which is passed on', () => {
    const world = createSctpWorld()
    expect(new ScriptedAssociation(world).establish().say(abort())).toEqual([`${A} tag 222 ABORT`])
    expect(world.takeEnds()).toEqual(['client-reset'])
    expect(new ScriptedAssociation(world, 40_001).establish().reply(abort())).toEqual(['192.0.2.7:40001 tag 111 ABORT'])
    expect(world.takeEnds()).toEqual(['endpoint-reset'])
    // Reflected: the endpoint does not know the association any more, and says so with the tag that it was sent.
    const third = new ScriptedAssociation(world, 40_002).establish()
    expect(third.replyUnder(222, abort(true))).toEqual(['192.0.2.7:40002 tag 222 ABORT/T'])
    expect(world.takeEnds()).toEqual(['endpoint-reset'])
    expect(world.active()).toEqual([])
  })

  it('may be shut down by the endpoint, too', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world).establish()
    peers.reply(shutdown())
    peers.say(shutdownAck())
    expect(peers.reply(shutdownComplete())).toEqual([`${CLIENT} tag 111 SHUTDOWN-COMPLETE`])
    expect(world.takeEnds()).toEqual(['endpoint-closed'])
  })

  it('lets what is still under way through for a moment after its end', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world).establish()
    peers.say(shutdown())
    peers.reply(shutdownAck())
    peers.say(shutdownComplete())
    // The last packet was lost on the way to the endpoint.
    expect(peers.reply(shutdownAck())).toEqual([`${CLIENT} tag 111 SHUTDOWN-ACK`])
    expect(peers.sayUnder(111, shutdownComplete(true))).toEqual([`${A} tag 111 SHUTDOWN-COMPLETE/T`])
    expect(world.takeEnds()).toEqual(['client-closed'])
    world.advance(2_100)
    expect(world.table.flows).toBe(0)
  })

  it('is dropped where the tag is not its own', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world).establish()
    for (const tag of [0, 1, 111]) expect(peers.sayUnder(tag, data('x'))).toEqual([])
    for (const tag of [0, 1, 222]) expect(peers.replyUnder(tag, data('x'))).toEqual([])
    // The T bit asks for the other tag, and only for that.
    expect(peers.sayUnder(222, abort(true))).toEqual([])
    expect(peers.sayUnder(111, abort(false))).toEqual([])
    expect(peers.replyUnder(111, abort(true))).toEqual([])
    expect(peers.replyUnder(222, shutdownComplete(false))).toEqual([])
    expect(world.tally.wrongTag).toBe(10)
    expect(world.takeEnds()).toEqual([])
    expect(peers.sayUnder(111, abort(true))).toEqual([`${A} tag 111 ABORT/T`])
  })

  it('is found by its tag where the endpoint answers from another of its addresses', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world)
    peers.ask()
    peers.endpoint = '10.1.0.77'
    expect(peers.replyUnder(99, initAck(222))).toEqual([])
    expect(peers.reply(initAck(222))).toEqual([`${CLIENT} tag 111 INIT-ACK`])
    expect(peers.say(cookieEcho())).toEqual([`${A} tag 222 COOKIE-ECHO`])
  })

  it('is kept by heartbeats, however long nothing else is said', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world).establish()
    for (let n = 0; n < 300; n++) {
      world.advance(30_000)
      expect(peers.say(heartbeat())).toHaveLength(1)
    }
    expect(world.takeEnds()).toEqual([])
  })

  it('is given up where both sides are silent for the idle timeout, but no sooner than after 210 s', () => {
    const world = createSctpWorld()
    world.publish(['10.1.0.1'], { idleMs: 1_000 })
    new ScriptedAssociation(world).establish()
    world.advance(209_000)
    expect(world.takeEnds()).toEqual([])
    world.advance(2_000)
    expect(world.takeTexts()).toEqual([`${CLIENT} tag 111 ABORT`, `${A} tag 222 ABORT`])
    expect(world.takeEnds()).toEqual(['client-idle'])
  })

  it('is ended when it has lasted as long as it may, whatever it says', () => {
    const world = createSctpWorld()
    world.publish(['10.1.0.1'], { maxSessionMs: 100_000 })
    const peers = new ScriptedAssociation(world).establish()
    for (let n = 0; n < 8; n++) {
      world.advance(10_000)
      expect(peers.say(heartbeat())).toHaveLength(1)
    }
    // At the end or up to a tenth earlier.
    world.advance(21_000)
    expect(world.takeTexts()).toEqual([`${CLIENT} tag 111 ABORT`, `${A} tag 222 ABORT`])
    expect(world.takeEnds()).toEqual(['max-duration'])
  })

  it('is given up where a shutdown does not end', () => {
    const world = createSctpWorld()
    new ScriptedAssociation(world).establish().say(shutdown())
    world.advance(60_100)
    expect(world.takeTexts()).toEqual([`${CLIENT} tag 111 ABORT`, `${A} tag 222 ABORT`])
    expect(world.takeEnds()).toEqual(['half-close-timeout'])
  })

  it('that was cut is over for both sides, and they are told again until they believe it', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world).establish()
    expect(world.sessions.cut({}, 'killed')).toBe(1)
    const told = [`${CLIENT} tag 111 ABORT`, `${A} tag 222 ABORT`]
    expect(world.takeTexts()).toEqual(told)
    expect(world.takeEnds()).toEqual(['killed'])
    expect(peers.say(data('x'))).toEqual([told[0]])
    expect(peers.reply(data('x'))).toEqual([told[1]])
    expect(peers.say(abort())).toEqual([])
    world.advance(30_100)
    expect(world.table.flows).toBe(0)
    expect(peers.say(data('x'))).toEqual([`${CLIENT} tag 222 ABORT/T`])
  })

  it('that nobody knows is answered as one out of the blue', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world)
    expect(peers.say(data('x'))).toEqual([`${CLIENT} tag 222 ABORT/T`])
    expect(peers.say(cookieEcho())).toEqual([`${CLIENT} tag 222 ABORT/T`])
    expect(peers.say(shutdownAck())).toEqual([`${CLIENT} tag 222 SHUTDOWN-COMPLETE/T`])
    for (const quiet of [abort(), abort(true), shutdownComplete(), cookieAck()]) expect(peers.say(quiet)).toEqual([])
    expect(peers.say(sack(), abort())).toEqual([])
    // An endpoint that has an association with a predecessor of ours.
    peers.endpoint = '10.1.0.2'
    peers.sourcePort = 50_000
    expect(peers.replyUnder(7, heartbeat())).toEqual([`${B} tag 7 ABORT/T`])
    // Not an endpoint of ours, or not a port of ours: somebody else's.
    peers.sourcePort = 1_000
    expect(peers.replyUnder(7, heartbeat())).toEqual([])
    peers.sourcePort = 50_000
    peers.endpoint = '10.1.0.3'
    expect(peers.replyUnder(7, heartbeat())).toEqual([])
    expect(world.tally.ignored).toBe(2)
    expect(world.count('sessions')).toBe(0)
  })

  it('becomes another where the client begins anew from the same port, once the endpoint agrees', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world).establish()
    const { endpoint, sourcePort } = peers
    expect(peers.sayUnder(0, init(333))).toEqual([`${A} tag 0 INIT`])
    // The old one stands meanwhile: anybody could have sent that.
    expect(peers.say(data('old'))).toEqual([`${A} tag 222 DATA`])
    expect(peers.reply(data('old'))).toEqual([`${CLIENT} tag 111 DATA`])
    expect(peers.replyUnder(333, initAck(444))).toEqual([`${CLIENT} tag 333 INIT-ACK`])
    expect(peers.sayUnder(444, cookieEcho())).toEqual([`${A} tag 444 COOKIE-ECHO`])
    expect(peers.replyUnder(333, cookieAck())).toEqual([`${CLIENT} tag 333 COOKIE-ACK`])
    expect(peers.sayUnder(444, data('new'))).toEqual([`${A} tag 444 DATA`])
    expect(peers.say(data('old'))).toEqual([])
    expect(peers.reply(data('old'))).toEqual([])
    expect([peers.endpoint, peers.sourcePort]).toEqual([endpoint, sourcePort])
    expect(world.tally.restarted).toBe(1)
    expect(world.count('sessions')).toBe(1)
  })

  it('is not taken over by who forges an INIT and its confirmation', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world).establish()
    peers.sayUnder(0, init(333))
    peers.replyUnder(333, initAck(444))
    // Only the client gets the cookie; without its echo nothing is confirmed.
    peers.replyUnder(333, cookieAck())
    expect(peers.say(data('mine'))).toEqual([`${A} tag 222 DATA`])
    expect(peers.reply(data('mine'))).toEqual([`${CLIENT} tag 111 DATA`])
    expect(world.tally.restarted).toBe(0)
  })

  it('takes the answer that the client took, where the endpoint answered twice', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world)
    peers.ask()
    peers.sayUnder(0, init(111))
    peers.reply(initAck(222))
    peers.reply(initAck(223))
    expect(peers.sayUnder(223, cookieEcho())).toEqual([`${A} tag 223 COOKIE-ECHO`])
    peers.reply(cookieAck())
    expect(peers.sayUnder(223, data('x'))).toEqual([`${A} tag 223 DATA`])
    expect(peers.sayUnder(222, data('x'))).toEqual([])
  })

  it('has one address at each end: others are taken out of INIT and INIT ACK', () => {
    const world = createSctpWorld()
    const ipv4 = parameter(5, Uint8Array.of(192, 0, 2, 7))
    const ipv6 = parameter(6, new Uint8Array(16).fill(1))
    const primary = parameter(0xc004, new Uint8Array(12))
    const extensions = parameter(0x8008, Uint8Array.of(0xc1, 0xc0, 0x80, 0x0f))
    const name = parameter(11, new TextEncoder().encode('peer.example\0'))
    const forward = parameter(0xc000)
    const peers = new ScriptedAssociation(world)
    world.receive(
      peers.client,
      VIP,
      sctpPacket(peers.port, VIP_PORT, 0, init(111, ipv4, forward, ipv6, extensions, primary, name)),
    )
    const [asked] = world.takeSent()
    const expected = sctpPacket(
      Number(asked?.from.split(':')[1]),
      ENDPOINT_PORT,
      0,
      init(111, forward, parameter(0x8008, Uint8Array.of(0xc0, 0x0f))),
    )
    // What follows the last parameter is padding, which the length does not count.
    expected[15] = expected.length - 12 - 2
    expect(asked?.bytes.subarray(12)).toEqual(expected.subarray(12))
    expect(asked?.text).not.toContain('damaged')
    peers.endpoint = '10.1.0.1'
    peers.sourcePort = Number(asked?.from.split(':')[1])
    world.receive(peers.endpoint, NODE, sctpPacket(ENDPOINT_PORT, peers.sourcePort, 111, initAck(222, ipv4, ipv6)))
    expect(world.takeSent()[0]?.bytes.subarray(12)).toEqual(initAck(222))
  })

  it('does not learn other addresses later', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world).establish()
    const asconf = Uint8Array.from([0xc1, 0, 0, 8, 0, 0, 0, 1])
    expect(peers.reply(asconf)).toEqual([])
    expect(peers.say(data('x'), asconf)).toEqual([])
    expect(world.tally.malformed).toBe(2)
  })

  it('works over IPv6', () => {
    const world = createSctpWorld({ endpoints: ['2001:db8:2::2'] })
    world.doors.open(world.listener, { ip: 'fd00:96::10' as never, port: VIP_PORT as never })
    world.receive('2001:db8:1::2', 'fd00:96::10', sctpPacket(40_000, VIP_PORT, 0, init(111)))
    const [asked] = world.takeSent()
    expect(asked?.to).toBe('2001:db8:2::2:9000')
    const port = Number(asked?.from.split(':').at(-1))
    world.receive('2001:db8:2::2', '2001:db8::1', sctpPacket(ENDPOINT_PORT, port, 111, initAck(222)))
    expect(world.takeSent()).toMatchObject([{ from: `fd00:96::10:${VIP_PORT}`, to: '2001:db8:1::2:40000' }])
  })
})
