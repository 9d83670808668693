import { describe, expect, it } from 'vitest'
import { MOST_HALF_OPEN, MOST_HALF_OPEN_OF_SOURCE } from '../../src/listener/sctp/associations.ts'
import { ScriptedAssociation } from '../support/sctp-association.ts'
import { abort, cookieAck, cookieEcho, data, init, initAck, sctpPacket } from '../support/sctp-packets.ts'
import { createSctpWorld, ENDPOINT_PORT, NODE, VIP, VIP_PORT } from '../support/sctp-world.ts'

const CLIENT = '192.0.2.7:40000'
const A = `10.1.0.1:${ENDPOINT_PORT}`
const B = `10.1.0.2:${ENDPOINT_PORT}`

describe('the INIT of an SCTP client', () => {
  it('goes to the next endpoint when the first is silent for the connect timeout', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world)
    peers.ask()
    const first = peers.sourcePort
    world.advance(240)
    expect(world.takeTexts()).toEqual([])
    world.advance(20)
    peers.follow()
    expect(peers.endpoint).toBe('10.1.0.2')
    expect(world.tally.replayed).toBe(1)
    // The first was slow, not dead: its answer comes too late, and is not the one that counts.
    world.receive('10.1.0.1', NODE, sctpPacket(ENDPOINT_PORT, first, 111, initAck(999)))
    expect(world.takeTexts()).toEqual([])
    expect(peers.reply(initAck(222))).toEqual([`${CLIENT} tag 111 INIT-ACK`])
    expect(world.count('retries')).toBe(1)
    expect(world.active()).toEqual([1])
  })

  it('goes to the next endpoint when the first refuses it', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world)
    peers.ask()
    expect(peers.reply(abort())).toEqual([`${B} tag 0 INIT`])
    expect(world.tally.turnedDown).toBe(1)
    expect(world.takeEnds()).toEqual([])
  })

  it('goes to the next endpoint when there is no way to the first', () => {
    const world = createSctpWorld({ unreachable: ['10.1.0.1'] })
    const peers = new ScriptedAssociation(world)
    peers.ask()
    expect(peers.endpoint).toBe('10.1.0.2')
    expect(world.count('attemptFailures')).toBe(1)
  })

  it('is refused when every attempt has failed', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world)
    peers.ask()
    // 250 ms, 500 ms, 1 s and 2 s.
    world.advance(3_800)
    expect(world.takeTexts()).toEqual([`${B} tag 0 INIT`, `${A} tag 0 INIT`, `${B} tag 0 INIT`, `${CLIENT} tag 111 ABORT`])
    expect(world.takeEnds()).toEqual(['connect-timeout'])
    expect(world.table.flows).toBe(0)
    expect(world.halfOpen.count).toBe(0)
    expect(world.active()).toEqual([])
  })

  it('is passed on again when the client asks again', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world)
    peers.ask()
    expect(peers.sayUnder(0, init(111))).toEqual([`${A} tag 0 INIT`])
    // Somebody else, or a client that begins anew: it gets its turn when this one is over.
    expect(peers.sayUnder(0, init(112))).toEqual([])
    expect(world.tally.outOfState).toBe(1)
    expect(world.count('sessions')).toBe(1)
  })

  it('is refused where there is no endpoint, and where the client may not come', () => {
    const world = createSctpWorld({ endpoints: [] })
    expect(new ScriptedAssociation(world).sayUnder(0, init(111))).toEqual([`${CLIENT} tag 111 ABORT`])
    expect(world.takeEnds()).toEqual(['no-endpoint'])
    world.publish(['10.1.0.1'], { sourceRanges: ['198.51.100.0/24' as never] })
    expect(new ScriptedAssociation(world).sayUnder(0, init(111))).toEqual([`${CLIENT} tag 111 ABORT`])
    expect(world.takeEnds()).toEqual(['denied'])
    expect(world.table.flows).toBe(0)
  })

  it('is refused where its client has as many associations as it may, and each that ends makes room for one', () => {
    const world = createSctpWorld()
    const prefix = { ipv4: 32, ipv6: 64 }
    const rules = {
      allow: [],
      deny: [],
      sessions: 2,
      clientRate: undefined,
      serviceRate: undefined,
      prefix,
      turnAway: 'drop',
    } as const
    world.publish(['10.1.0.1'], { clientRules: rules })
    const first = new ScriptedAssociation(world, 40_000).establish()
    new ScriptedAssociation(world, 40_001).ask()
    const third = new ScriptedAssociation(world, 40_002)
    expect(third.sayUnder(0, init(5))).toEqual(['192.0.2.7:40002 tag 5 ABORT'])
    expect(world.takeEnds()).toEqual(['client-limit'])
    first.say(abort())
    third.establish()
    expect(world.takeEnds()).toEqual(['client-reset'])
    expect(world.active()).toEqual([2])
    // One that every endpoint refused makes room, too.
    world.advance(3_800)
    expect(world.takeEnds()).toEqual(['connect-timeout'])
    world.takeTexts()
    new ScriptedAssociation(world, 40_003).establish()
    expect(world.active()).toEqual([2])
  })

  it('is refused while the proxy drains, and associations that run are not touched', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world).establish()
    world.translator.draining = true
    expect(new ScriptedAssociation(world, 40_001).sayUnder(0, init(5))).toEqual(['192.0.2.7:40001 tag 5 ABORT'])
    expect(peers.say(data('x'))).toHaveLength(1)
    expect(world.count('sessions')).toBe(1)
  })

  it('keeps a client with affinity at its endpoint', () => {
    const world = createSctpWorld()
    world.publish(['10.1.0.1', '10.1.0.2'], { affinityTimeoutMs: 60_000 })
    const where = [1, 2, 3].map((n) => new ScriptedAssociation(world, 40_000 + n).establish().endpoint)
    expect(new Set(where).size).toBe(1)
  })

  it('may use a port again at once after its association ended, and gets another port of ours', () => {
    const world = createSctpWorld({ endpoints: ['10.1.0.1'] })
    const first = new ScriptedAssociation(world).establish()
    first.say(abort())
    const second = new ScriptedAssociation(world, 40_000, '192.0.2.7', 555, 666).establish()
    expect(second.sourcePort).not.toBe(first.sourcePort)
    expect(second.say(data('x'))).toEqual([`${A} tag 666 DATA`])
    world.advance(3_000)
    expect(second.say(data('x'))).toEqual([`${A} tag 666 DATA`])
    expect(world.count('sessions')).toBe(2)
  })

  it('is forgotten where the client never answers the cookie', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world)
    peers.ask()
    peers.reply(initAck(222))
    expect(world.halfOpen.count).toBe(1)
    world.advance(15_100)
    expect(world.takeEnds()).toEqual(['client-idle'])
    expect(world.halfOpen.count).toBe(0)
    expect(peers.say(cookieEcho())).toEqual([`${A} tag 222 COOKIE-ECHO`])
    world.advance(2_100)
    expect(peers.say(cookieEcho())).toEqual([`${CLIENT} tag 222 ABORT/T`])
  })

  it('is not taken where the table is full, and others are not touched', () => {
    const world = createSctpWorld({ capacity: 3 })
    const peers = [1, 2, 3].map((n) => new ScriptedAssociation(world, 40_000 + n).establish())
    expect(new ScriptedAssociation(world, 40_009).sayUnder(0, init(9))).toEqual([])
    expect(world.takeEnds()).toEqual(['over-limit'])
    for (const one of peers) expect(one.say(data('x'))).toHaveLength(1)
  })

  it('of whoever means it is served however many others are not: the oldest of too many makes room', () => {
    const world = createSctpWorld({ capacity: 16_384 })
    const flood = (n: number) => {
      const source = `198.51.${100 + (n >> 14)}.${n & 255}`
      world.receive(source, VIP, sctpPacket(10_000 + ((n >> 8) & 63), VIP_PORT, 0, init(n + 1)))
      if (n % 64 === 0) world.takeSent()
    }
    for (let n = 0; n < MOST_HALF_OPEN; n++) flood(n)
    expect(world.halfOpen.count).toBe(MOST_HALF_OPEN)
    world.takeEnds()
    const peers = new ScriptedAssociation(world)
    peers.ask()
    for (let n = MOST_HALF_OPEN; n < MOST_HALF_OPEN + 3_000; n++) flood(n)
    world.takeSent()
    expect(peers.reply(initAck(222))).toEqual([`${CLIENT} tag 111 INIT-ACK`])
    peers.say(cookieEcho())
    peers.reply(cookieAck())
    expect(peers.say(data('x'))).toHaveLength(1)
    expect(world.halfOpen.count).toBe(MOST_HALF_OPEN - 1)
    expect(new Set(world.takeEnds())).toEqual(new Set(['over-limit']))
    world.advance(30_000)
    expect(world.halfOpen.count).toBe(0)
    expect(world.table.flows).toBe(1)
  })

  it('is not taken where its source has too many that are not set up', () => {
    const world = createSctpWorld({ capacity: 4_096 })
    const ask = (port: number, client: string) => world.receive(client, VIP, sctpPacket(port, VIP_PORT, 0, init(port)))
    for (let n = 0; n < MOST_HALF_OPEN_OF_SOURCE + 5; n++) ask(10_000 + n, '192.0.2.7')
    expect(world.tally).toMatchObject({ begun: MOST_HALF_OPEN_OF_SOURCE, overLimit: 5 })
    ask(20_000, '192.0.2.8')
    expect(world.tally.begun).toBe(MOST_HALF_OPEN_OF_SOURCE + 1)
    world.takeSent()
    // They make room as they end.
    world.advance(4_000)
    ask(30_000, '192.0.2.7')
    expect(world.tally.begun).toBe(MOST_HALF_OPEN_OF_SOURCE + 2)
  })
})
