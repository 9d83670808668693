import { describe, expect, it } from 'vitest'
import type { ClientRules } from '../../src/model/client-limits.ts'
import { echoDatagram } from '../support/echo.ts'
import { EngineWorld, type TestListener } from '../support/engine-world.ts'
import { eventually } from '../support/eventually.ts'
import { openMovable } from '../support/moving.ts'
import { libc, nativeEngine, WITHOUT_NATIVE } from '../support/native-engine.ts'
import type { TcpPeer } from '../support/tcp-peer.ts'
import { Trouble } from '../support/trouble.ts'
import { limits, queueUp } from './engine-queue.cases.ts'

const WHERE = { network: '127.132.4', firstPort: 23_500 }
const MOST = 6
const RULES: ClientRules = {
  allow: [],
  deny: [],
  sessions: MOST,
  clientRate: undefined,
  serviceRate: undefined,
  prefix: { ipv4: 32, ipv6: 64 },
  turnAway: 'refuse',
}

/** Connects until nobody is let in any more: who was. */
async function fill(listener: TestListener): Promise<TcpPeer[]> {
  const held: TcpPeer[] = []
  for (;;) {
    // A reset may come before the connection has been seen to stand.
    const client = await listener.connect().catch(() => undefined)
    await client?.send('a')
    const heard = await client?.receives('a').catch(() => undefined)
    if (!client || !heard) return held
    held.push(client)
  }
}

describe.skipIf(!libc)(`a client's limit on the native engine${WITHOUT_NATIVE}`, () => {
  it.each([1, 4])('is all there again when workers died, with %i of them', async (workers) => {
    const trouble = new Trouble()
    const deaths: string[] = []
    const openEngine = nativeEngine({ workers, trouble: trouble.words, onDeath: (row) => deaths.push(`${row}`) })
    await using world = await EngineWorld.open({ ...WHERE, openEngine, workers })
    const listener = await world.listen({ endpoints: [await world.tcpEndpoint('echo')], clientRules: RULES })
    const udp = await world.listen({
      protocol: 'UDP',
      endpoints: [await world.udpEndpoint(echoDatagram)],
      clientRules: { ...RULES, sessions: 1 },
    })
    for (let times = 1; times <= 2; times++) {
      const clients = await fill(listener)
      expect(clients.length).toBe(MOST)
      await (await udp.udpClient()).askAgain('hello')
      trouble.kill()
      await listener.publish()
      await eventually(() => expect(deaths.length).toBe(times))
      // What the dead worker had is free; the others have what they had.
      await eventually(() => expect(world.engine.sessions()).toBe(listener.count('active') + udp.count('active')))
      await world.engine.cut({}, 'killed')
      for (const client of clients) await client.closes()
    }
    expect((await fill(listener)).length).toBe(MOST)
  })

  it.each([1, 4])('is all there again when those who waited in a queue lost their worker, with %i of them', async (workers) => {
    const trouble = new Trouble()
    const deaths: string[] = []
    const openEngine = nativeEngine({ workers, trouble: trouble.words, onDeath: (row) => deaths.push(`${row}`) })
    await using world = await EngineWorld.open({ ...WHERE, openEngine, workers })
    const endpoints = [await world.tcpEndpoint('say a, echo')]
    const listener = await world.listen({ endpoints, clientRules: RULES, limits: limits({ maxSessions: 1 }) })
    for (let times = 1; times <= 3; times++) {
      const holder = await listener.connect()
      await holder.receives('a')
      const clients = [holder, ...(await queueUp(listener, MOST - 1))]
      expect(await listener.start().ends()).toBe('reset')
      await eventually(() => expect(listener.ended('client-limit')).toBe(times))
      trouble.kill()
      await listener.publish()
      await eventually(() => expect(deaths.length).toBe(times))
      await eventually(() => expect(world.engine.sessions()).toBe(listener.count('active')))
      await world.engine.cut({}, 'killed')
      for (const client of clients) await client.closes()
      expect(listener.waiting).toBe(0)
    }
  })

  it('goes with a session to another worker, and is given back there', async () => {
    await using movable = await openMovable(WHERE)
    const { world, engine } = movable
    const listener = await world.listen({ endpoints: [await world.tcpEndpoint('echo')], clientRules: RULES })
    const clients = await fill(listener)
    expect(clients.length).toBe(MOST)
    for (const worker of [0, 1, 0]) await engine.move({}, worker)
    expect((await fill(listener)).length).toBe(0)
    for (const client of clients.slice(0, 2)) await client.halfClose().closes()
    await eventually(() => expect(engine.sessions()).toBe(MOST - 2))
    expect((await fill(listener)).length).toBe(2)
  })
})
