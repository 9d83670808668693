import { describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { openMovable } from '../support/moving.ts'
import { libc, WITHOUT_NATIVE } from '../support/native-engine.ts'
import type { TcpPeer } from '../support/tcp-peer.ts'
import { Trouble } from '../support/trouble.ts'
import { limits, queueUp } from './engine-queue.cases.ts'

const WHERE = { network: '127.131.8', firstPort: 23_000 }

describe.skipIf(!libc)(`places that workers share${WITHOUT_NATIVE}`, () => {
  it('stay taken while sessions move between them, and are free when they end elsewhere', async () => {
    await using movable = await openMovable(WHERE)
    const { world, engine } = movable
    const endpoint = await world.tcpEndpoint('say a, echo')
    const listener = await world.listen({ endpoints: [endpoint], limits: limits({ maxPerEndpoint: 4 }) })
    const running = await Promise.all(Array.from({ length: 4 }, () => listener.connect()))
    for (const client of running) await client.receives('a')
    const waiting = await queueUp(listener, 6)
    for (const worker of [1, 0, 1]) {
      await engine.move({}, worker)
      expect([listener.countAt(endpoint, 'active'), listener.waiting]).toEqual([4, 6])
    }
    for (const [n, client] of waiting.entries()) {
      ;(running.shift() as TcpPeer).close()
      await client.receives(`a${n}`)
      running.push(client)
      await engine.move({}, n % 2)
      expect(listener.countAt(endpoint, 'active')).toBe(4)
    }
  })

  it('of a worker that dies go to those who wait at the other; who waited at it is lost', async () => {
    const trouble = new Trouble()
    const deaths: number[] = []
    await using movable = await openMovable({ ...WHERE, trouble: trouble.words, onDeath: (row) => deaths.push(row) })
    const { world, engine } = movable
    const endpoint = await world.tcpEndpoint('say a, echo')
    const listener = await world.listen({ endpoints: [endpoint], limits: limits({ maxSessions: 3 }) })
    const running = await Promise.all(Array.from({ length: 3 }, () => listener.connect()))
    for (const client of running) await client.receives('a')
    await engine.move({}, 0)
    const waiting = await queueUp(listener, 16)
    trouble.kill({ row: 0 })
    await listener.publish()
    await eventually(() => expect(deaths).toEqual([0]))
    await eventually(() => expect(running.map(({ outcome }) => outcome)).toEqual(['reset', 'reset', 'reset']))
    const lost = () => waiting.filter(({ outcome }) => outcome === 'reset')
    const served = () => waiting.filter(({ text }) => text !== '')
    await eventually(() => expect(lost().length + Math.min(3, 16 - lost().length)).toBe(lost().length + served().length))
    const left = waiting.filter((client) => !lost().includes(client))
    expect(listener.waiting).toBe(Math.max(0, left.length - 3))
    for (const client of left) {
      await client.receives('a')
      client.close()
    }
    await eventually(() => expect(engine.sessions()).toBe(0))
    expect(listener.ended('internal')).toBe(3 + lost().length)
    // The one that took its place counts from where it stood.
    const again = await Promise.all(Array.from({ length: 3 }, () => listener.connect()))
    for (const client of again) await client.receives('a')
    await queueUp(listener, 2)
  })
})
