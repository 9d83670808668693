import { describe, expect, it } from 'vitest'
import { type Random, seededRandom } from '../../src/lib/random.ts'
import { eventually } from '../support/eventually.ts'
import { patternSha256 } from '../support/tally.ts'
import type { TcpPeer } from '../support/tcp-peer.ts'
import type { Cases } from './engine.cases.ts'

/** Sessions at once, and how many in all; `ENGINE_FUZZ=5000` tries more. */
const AT_ONCE = 25
const SEEDS = Number(process.env['ENGINE_FUZZ'] ?? 150)
const FIRST_SEED = Number(process.env['ENGINE_FUZZ_SEED'] ?? 1)
const MOST_STEPS = 8
/** From one small write to more than the system holds between two sides that do not read. */
const SIZES = [1, 100, 5_000, 70_000, 400_000, 3_000_000]

type Verb = 'send' | 'pause' | 'resume' | 'wait' | 'shut' | 'reset' | 'close'
interface Step {
  readonly verb: Verb
  readonly size: number
}

/** One session, its two sides and what they do. */
interface Played {
  readonly name: string
  readonly client: TcpPeer
  readonly session: TcpPeer
  readonly scripts: readonly [readonly Step[], readonly Step[]]
}

const RUDE: ReadonlySet<Verb> = new Set(['reset', 'close'])

function scriptOf(random: Random, mayBeRude: boolean): Step[] {
  const verbs: Verb[] = [
    'send',
    'send',
    'send',
    'pause',
    'resume',
    'wait',
    'wait',
    'shut',
    ...(mayBeRude ? (['reset', 'close'] as const) : []),
  ]
  return Array.from({ length: 1 + random.below(MOST_STEPS) }, () => ({
    verb: verbs[random.below(verbs.length)] as Verb,
    size: SIZES[random.below(SIZES.length)] as number,
  }))
}

/** Plays a script; what comes after a side's own end is not played. */
async function play(peer: TcpPeer, script: readonly Step[]): Promise<void> {
  let sending: Promise<unknown> | undefined
  for (const { verb, size } of script) {
    if (verb === 'send') {
      sending ??= peer.sendPattern(size).then(() => {
        sending = undefined
      })
      await Promise.race([sending, aMoment(50)])
    } else if (verb === 'wait') await aMoment(size % 23)
    else if (verb === 'pause') peer.pause()
    else if (verb === 'resume') peer.resume()
    else if (verb === 'reset') return peer.reset()
    else if (verb === 'close') return peer.close()
    else break
  }
  peer.halfClose()
}

/** A side that cannot send any more for now goes on with its script. */
function aMoment(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Random sessions: whatever either side does, bytes come in order, none is invented, none is lost between two sides that
 *  end in good order, and nothing is left behind. */
export function fuzzCases({ open }: Cases): void {
  describe('any two sides', () => {
    it(`see each other's bytes in their order, and nothing is left of them (${SEEDS} seeds)`, async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('accept')
      const listener = await world.listen({ endpoints: [endpoint] })
      for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += AT_ONCE) {
        const sessions: Played[] = []
        for (let n = 0; n < AT_ONCE; n++) {
          const random = seededRandom(seed + n)
          const client = await listener.connect()
          const session = await endpoint.session(seed - FIRST_SEED + n)
          // Both have met: one that was reset before would be tried again, and the next client's session be another's.
          await session.sendPattern(1)
          await client.receives(1)
          const rude = random.below(2) === 1
          const scripts: Played['scripts'] = [scriptOf(random, rude), scriptOf(random, rude)]
          sessions.push({ name: `seed ${seed + n}: ${JSON.stringify(scripts)}`, client, session, scripts })
        }
        await Promise.all(
          sessions.map(async ({ client, session, scripts }) => {
            await Promise.all([play(client, scripts[0]), play(session, scripts[1])])
            client.resume()
            session.resume()
          }),
        )
        for (const { name, client, session, scripts } of sessions) {
          const rude = scripts.some((script) => script.some(({ verb }) => RUDE.has(verb)))
          if (!rude) expect([await client.closes(), await session.closes()], name).toEqual(['end', 'end'])
          for (const [from, to] of [
            [client, session],
            [session, client],
          ] as const) {
            if (!rude) expect(to.received.bytes, name).toBe(from.sent)
            expect(to.received.sha256, name).toBe(patternSha256(to.received.bytes))
          }
        }
        // What a rude side left half open ends in its own time, or now.
        await eventually(() => {
          for (const { client, session } of sessions) {
            if (client.closed) session.halfClose()
            if (session.closed) client.halfClose()
          }
          const left = sessions.filter(({ client, session }) => !client.closed || !session.closed)
          expect([world.engine.sessions(), left.map(({ name }) => name)]).toEqual([0, []])
        })
      }
    })
  })
}
