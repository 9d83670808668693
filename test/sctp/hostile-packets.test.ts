import { describe, expect, it } from 'vitest'
import { type Random, seededRandom } from '../../src/lib/random.ts'
import { ScriptedAssociation } from '../support/sctp-association.ts'
import {
  abort,
  chunk,
  cookieAck,
  cookieEcho,
  data,
  heartbeat,
  init,
  initAck,
  join,
  parameter,
  sack,
  sctpPacket,
  shutdown,
  shutdownAck,
  shutdownComplete,
} from '../support/sctp-packets.ts'
import { createSctpWorld, ENDPOINT_PORT, NODE, type SctpWorld, VIP, VIP_PORT } from '../support/sctp-world.ts'

/** PORTALD_SCTP_FUZZ=1000000 takes as many packets. */
const PACKETS = Number(process.env['PORTALD_SCTP_FUZZ'] ?? 20_000)
/** Packets that an association begins with. */
const OF_A_HANDSHAKE = 4
/** Far more than any packet takes; a loop that does not end would never get there. */
const SLOWEST_MS = 500

describe('an SCTP packet that stops other programs', () => {
  it('is dropped: an INIT with a parameter of length 0', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world)
    expect(peers.sayUnder(0, init(111, parameter(0x8009, new Uint8Array(4), 0)))).toEqual([])
    expect(world.tally.malformed).toBe(1)
    expect(world.count('sessions')).toBe(0)
  })

  it('is passed on for its receiver to judge: a COOKIE ECHO with a bad cookie, a TSN far ahead', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world).establish()
    expect(peers.say(chunk(10, 0, new Uint8Array(3)))).toHaveLength(1)
    const ahead = data('far')
    ahead.fill(0x7f, 4, 8)
    expect(peers.say(ahead)).toHaveLength(1)
    expect(peers.reply(ahead)).toHaveLength(1)
    expect(world.takeEnds()).toEqual([])
    expect(peers.say(data('x'))).toHaveLength(1)
  })

  it('is dropped: chunks that have no length, or more than there is', () => {
    const world = createSctpWorld()
    const peers = new ScriptedAssociation(world).establish()
    for (const wrong of [
      chunk(3, 0, new Uint8Array(4), 0),
      chunk(3, 0, new Uint8Array(4), 3),
      chunk(0, 3, new Uint8Array(8), 400),
    ]) {
      expect(peers.say(wrong)).toEqual([])
      expect(peers.say(data('x'), wrong)).toEqual([])
    }
    // Less than a chunk is left.
    expect(peers.say(join(data('1234'), Uint8Array.of(1, 2, 3)))).toEqual([])
    // A DATA chunk shorter than its own header.
    expect(peers.say(chunk(0, 3, new Uint8Array(4)))).toEqual([])
    expect(world.tally.malformed).toBe(8)
  })

  it('is no packet at all', () => {
    const world = createSctpWorld()
    for (let length = 0; length < 16; length++) world.receive('192.0.2.7', VIP, new Uint8Array(length))
    expect(world.tally.malformed).toBe(16)
  })

  it('is an INIT that was damaged on its way, or that is too long', () => {
    const world = createSctpWorld()
    const damaged = sctpPacket(40_000, VIP_PORT, 0, init(111))
    damaged[20] = (damaged[20] as number) ^ 1
    world.receive('192.0.2.7', VIP, damaged)
    world.receive('192.0.2.7', VIP, sctpPacket(40_000, VIP_PORT, 0, init(111, parameter(0xc000, new Uint8Array(2_000)))))
    expect(world.takeTexts()).toEqual([])
    expect(world.tally).toMatchObject({ damaged: 1, malformed: 1, begun: 0 })
  })
})

const MAKERS: readonly ((random: Random, noise: Uint8Array) => Uint8Array)[] = [
  (_, noise) => data(String.fromCharCode(...noise.subarray(0, 40))),
  () => sack(),
  () => heartbeat(),
  (random) => abort(random.below(2) === 1),
  () => shutdown(),
  () => shutdownAck(),
  (random) => shutdownComplete(random.below(2) === 1),
  () => cookieEcho(),
  () => cookieAck(),
  (random, noise) => init(random.below(300), parameter(random.below(65_536), noise)),
  (random, noise) => initAck(random.below(300), parameter(random.below(65_536), noise)),
  (random, noise) => chunk(random.below(256), random.below(256), noise),
]

/** One packet that an attacker, a peer that went mad or a bad wire may send. */
function anyPacket(world: SctpWorld, random: Random): { from: string; to: string; bytes: Uint8Array } {
  const noise = Uint8Array.from({ length: random.below(random.below(10) === 0 ? 1_400 : 60) }, () => random.below(256))
  const chunks = Array.from({ length: 1 + (random.below(4) === 0 ? random.below(4) : 0) }, () => {
    const make = MAKERS[random.below(MAKERS.length)] as (typeof MAKERS)[number]
    return make(random, noise)
  })
  const flow = random.below(Math.max(1, world.table.end))
  const { table } = world
  // Tags are right more often than chance would have it: what is behind that check has to be reached.
  const tags = [0, random.below(300), table.clientTags[flow], table.endpointTags[flow], table.nextClientTags[flow]]
  const tag = (tags[random.below(tags.length)] ?? 0) as number
  const fromEndpoint = random.below(2) === 1
  const clientPort = 40_000 + random.below(40)
  const bytes = fromEndpoint
    ? sctpPacket(
        ENDPOINT_PORT,
        random.below(8) === 0 ? random.below(65_536) : (table.sourcePorts[flow] as number),
        tag,
        ...chunks,
      )
    : sctpPacket(clientPort, random.below(20) === 0 ? random.below(65_536) : VIP_PORT, tag, ...chunks)
  if (random.below(6) === 0) {
    const at = random.below(bytes.length)
    bytes[at] = random.below(256)
  }
  const cut = random.below(8) === 0 ? bytes.slice(0, random.below(bytes.length + 1)) : bytes
  const from = fromEndpoint ? `10.1.0.${1 + random.below(3)}` : '192.0.2.7'
  return { from, to: fromEndpoint ? NODE : VIP, bytes: cut }
}

describe('SCTP packets of any kind', () => {
  it(`do no harm: ${PACKETS} of them`, () => {
    const random = seededRandom(Number(process.env['PORTALD_SCTP_SEED'] ?? 20_261_121))
    const world = createSctpWorld({ capacity: 48 })
    let slowestMs = 0
    let established = 0
    for (let n = 0; n < PACKETS; n++) {
      const { from, to, bytes } = anyPacket(world, random)
      const before = performance.now()
      world.receive(from, to, bytes)
      slowestMs = Math.max(slowestMs, performance.now() - before)
      if (n % 40 === 0) {
        const peers = new ScriptedAssociation(
          world,
          40_000 + random.below(40),
          '192.0.2.7',
          1 + random.below(299),
          1 + random.below(299),
        )
        peers.establish()
        established++
      }
      if (n % 97 === 0) world.advance(random.below(400))
      if (n % 1_999 === 0) world.sessions.cut({}, 'killed')
      if (n % 4_999 === 0) world.advance(240_000)
      world.takeSent()
    }
    expect(slowestMs).toBeLessThan(SLOWEST_MS)
    expect(established).toBeGreaterThan(100)
    // Every branch was reached, and every packet was counted once.
    expect(Object.entries(world.tally).filter(([, count]) => count === 0)).toEqual([])
    const { refused: _, replayed: __, restarted: ___, ...fates } = world.tally
    const counted = Object.values(fates).reduce((sum, count) => sum + count)
    expect(counted).toBe(PACKETS + OF_A_HANDSHAKE * established)
    // Nothing is left over.
    world.sessions.cut({}, 'killed')
    world.advance(60_000)
    expect(world.table.flows).toBe(0)
    expect(world.table.size).toBe(0)
    expect(world.halfOpen.count).toBe(0)
    expect(world.active()).toEqual([])
    expect(world.count('active')).toBe(0)
  }, 600_000)
})
