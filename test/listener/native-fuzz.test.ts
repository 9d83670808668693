import { describe, expect, it } from 'vitest'
import { seededRandom, systemRandom } from '../../src/lib/random.ts'
import { openNodeEngine } from '../../src/listener/node/engine.ts'
import { RouteSessionPolicy } from '../../src/listener/session-policy.ts'
import type { SocketAddress } from '../../src/model/keys.ts'
import { Duel, type Side, type Step, scriptOf } from '../support/duel.ts'
import { EngineWorld, type OpenTestEngine } from '../support/engine-world.ts'
import { eventually } from '../support/eventually.ts'
import { libc, nativeEngine, WITHOUT_NATIVE } from '../support/native-engine.ts'
import { RawSockets } from '../support/raw-sockets.ts'
import { patternSha256 } from '../support/tally.ts'

/** How many scripts; `NATIVE_FUZZ=5000 NATIVE_FUZZ_SEED=1000` tries more, and others. */
const SEEDS = Number(process.env['NATIVE_FUZZ'] ?? 150)
const FIRST_SEED = Number(process.env['NATIVE_FUZZ_SEED'] ?? 1)
const AT_ONCE = 20

const openNode: OpenTestEngine = ({ shared, descriptors, clock }) =>
  openNodeEngine({ policy: new RouteSessionPolicy(shared, 0, clock, systemRandom), descriptors, clock })

/** Two sides with nothing or a proxy between them; they met when the client's first byte was answered. */
async function meet(raw: RawSockets, listener: number, to: SocketAddress): Promise<[client: number, endpoint: number]> {
  const client = raw.connect(to)
  const endpoint = await eventually(() => {
    const fd = raw.accept(listener)
    if (fd === undefined) throw new Error('nobody came')
    return fd
  })
  for (const [from, other] of [
    [client, endpoint],
    [endpoint, client],
  ] as const) {
    raw.send(from, '!')
    await eventually(() => expect(`${raw.receive(other)}`).toBe('!'))
  }
  return [client, endpoint]
}

/** Plays every script between two sides, many at once. */
async function playAll(
  name: string,
  to: (endpoint: SocketAddress) => Promise<SocketAddress>,
): Promise<(readonly [Side, Side])[]> {
  using raw = new RawSockets()
  const { fd, address } = raw.listen('127.42.7.1')
  const target = await to(address)
  const results: (readonly [Side, Side])[] = []
  for (let done = 0; done < SEEDS; done += AT_ONCE) {
    const duels: Promise<readonly [Side, Side]>[] = []
    const met: number[] = []
    for (let n = 0; n < Math.min(AT_ONCE, SEEDS - done); n++) {
      const seed = FIRST_SEED + done + n
      const pair = await meet(raw, fd, target)
      met.push(...pair)
      duels.push(new Duel(raw, ...pair, `${name}, seed ${seed}, ${JSON.stringify(scriptFor(seed))}`).play(scriptFor(seed)))
    }
    results.push(...(await Promise.all(duels)))
    for (const side of met) raw.close(side)
  }
  return results
}

function scriptFor(seed: number): Step[] {
  return scriptOf(seededRandom(seed))
}

/** What a side must see alike, whatever lies between it and the other one. */
function comparable({ received, sha256, outcome, gone }: Side, exact: boolean, exactReset: boolean): unknown {
  return { ...(exact ? { received, sha256 } : {}), ...(exactReset ? { outcome, gone } : {}) }
}

describe.skipIf(!libc)(`two sides of a session${WITHOUT_NATIVE}`, () => {
  const direct = playAll('direct', async (endpoint) => endpoint)
  const ENGINES: readonly [name: string, workers: number, openEngine: OpenTestEngine][] = [
    ['the native engine with one worker', 1, nativeEngine({ workers: 1 })],
    ['the native engine with four workers', 4, nativeEngine({ workers: 4 })],
    ['the node engine', 1, openNode],
  ]
  for (const [n, [name, workers, openEngine]] of ENGINES.entries()) {
    it(
      `see of each other through ${name} what they would see without it (${SEEDS} scripts)`,
      async () => {
        await using world = await EngineWorld.open({ network: '127.42.8', firstPort: 20_000 + 1_000 * n, workers, openEngine })
        const seen = await playAll(name, async (address) => (await world.listen({ endpoints: [{ address }] })).address)
        const exactReset = world.engine.can.has('exact-reset')
        for (const [index, sides] of (await direct).entries()) {
          const what = `seed ${FIRST_SEED + index}: ${JSON.stringify(scriptFor(FIRST_SEED + index))}`
          for (const [side, there] of sides.entries()) {
            const here = (seen[index] as readonly [Side, Side])[side] as Side
            const exact = here.exact && there.exact
            expect(here.sha256, `${what}: bytes in their order`).toBe(patternSha256(here.received))
            // What would have come to a side that broke off, nobody knows; nor when it does, where a reset came as an end.
            if (exactReset) expect(here.brokeOff, what).toBe(there.brokeOff)
            if (here.brokeOff || there.brokeOff) continue
            expect(comparable(here, exact, exactReset), what).toEqual(comparable(there, exact, exactReset))
          }
        }
        await eventually(() => expect(world.engine.sessions()).toBe(0))
        world.records()
      },
      30_000 + 100 * SEEDS,
    )
  }
})
