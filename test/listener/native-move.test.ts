import { describe, expect, it } from 'vitest'
import type { Cidr } from '../../src/model/keys.ts'
import { openDescriptors, unacknowledgedBytes } from '../support/descriptors.ts'
import type { TestListener } from '../support/engine-world.ts'
import { eventually } from '../support/eventually.ts'
import { keepMoving, type MovableWorld, openMovable } from '../support/moving.ts'
import { libc, WITHOUT_NATIVE } from '../support/native-engine.ts'
import { settle } from '../support/settle.ts'
import { patternSha256 } from '../support/tally.ts'
import type { TcpPeer } from '../support/tcp-peer.ts'
import { LINE_PRELUDE } from './engine-proxy.cases.ts'

const WHERE = { network: '127.42.7', firstPort: 21_000 }
const MIB = 2 ** 20
/** More than the system and a session hold between two sides that do not read. */
const BULK_BYTES = 24 * MIB
/** How often sessions are moved while nothing else happens. */
const TIMES = 10
const SAMPLES = 5_000
const ACCEPT = { from: ['127.0.0.0/8' as Cidr], withinMs: 600_000 }

/** Clients that have met their endpoint, which echoes. */
async function connectEchoing(listener: TestListener, count: number): Promise<TcpPeer[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => listener.connect()))
  for (const client of clients) await client.send('a')
  await Promise.all(clients.map((client) => client.receives('a')))
  return clients
}

function expectPattern(peer: TcpPeer, bytes: number): void {
  expect(peer.received.bytes).toBe(bytes)
  expect(peer.received.sha256).toBe(patternSha256(bytes))
}

/** Resolves when nothing has moved for a while. */
async function stall(peers: readonly TcpPeer[]): Promise<void> {
  let before = -1
  await eventually(async () => {
    const sent = peers.reduce((sum, peer) => sum + peer.sent, 0)
    const unchanged = sent === before
    before = sent
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(unchanged && sent > 0).toBe(true)
  })
}

/** Moves all sessions to and fro. */
async function rock(engine: MovableWorld['engine']): Promise<void> {
  for (let n = 0; n < TIMES; n++) await engine.move({}, n % 2)
}

/** A session whose sides say what they like; `one` is the side that is asked for. */
async function openPair(first: 'client' | 'endpoint') {
  const movable = await openMovable(WHERE)
  const { world, engine } = movable
  const endpoint = await world.tcpEndpoint('accept')
  const listener = await world.listen({ endpoints: [endpoint] })
  const client = await listener.connect()
  const session = await endpoint.session()
  const [one, other] = first === 'client' ? [client, session] : [session, client]
  return { engine, listener, one, other, [Symbol.asyncDispose]: () => movable[Symbol.asyncDispose]() }
}

describe.skipIf(!libc)(`sessions moved from worker to worker${WITHOUT_NATIVE}`, () => {
  it('that are idle go on as if nothing had happened, and are told of once, whole', async () => {
    await using movable = await openMovable(WHERE)
    const { world, engine } = movable
    const echo = await world.tcpEndpoint('echo')
    const listener = await world.listen({ endpoints: [echo] })
    const before = openDescriptors()
    const clients = await connectEchoing(listener, 100)
    await engine.move({}, 0)
    for (let n = 1; n <= TIMES; n++) {
      expect(await engine.move({}, n % 2)).toBe(100)
      expect([listener.count('active'), listener.countAt(echo, 'active')]).toEqual([100, 100])
      expect(engine.sessions()).toBe(100)
    }
    expect(await engine.move({}, 0)).toBe(0)
    for (const client of clients) await client.send('b')
    await Promise.all(clients.map((client) => client.receives('ab')))
    for (const client of clients) client.halfClose()
    for (const client of clients) expect(await client.closes()).toBe('end')
    const records = await listener.records(100)
    expect(records.length).toBe(100)
    expect(new Set(records.map(({ port }) => port))).toEqual(new Set(clients.map(({ localPort }) => localPort)))
    for (const record of records) {
      expect(record).toMatchObject({ end: 'client-closed', attempts: 1, bytesFromClient: 2, bytesFromEndpoint: 2 })
      expect(record).toMatchObject({ lease: listener.lease(echo) })
      expect(record.connectMs).toBeGreaterThanOrEqual(0)
    }
    expect([listener.count('sessions'), listener.ended('client-closed'), listener.count('connected')]).toEqual([100, 100, 100])
    expect([listener.countAt(echo, 'sessions'), listener.countAt(echo, 'bytesFromClient')]).toEqual([100, 200])
    await eventually(() => expect(openDescriptors()).toBeLessThanOrEqual(before + 1))
  })

  it('send their endpoint one PROXY header, and stay while they wait for one themselves', async () => {
    await using movable = await openMovable(WHERE)
    const { world, engine } = movable
    const endpoint = await world.tcpEndpoint('echo')
    const listener = await world.listen({ endpoints: [endpoint], acceptProxy: ACCEPT, prelude: LINE_PRELUDE })
    await using moving = keepMoving(engine)
    const clients = await Promise.all(Array.from({ length: 50 }, () => listener.connect()))
    for (const [n, client] of clients.entries()) {
      await client.send('PROXY TCP4 192.0.2.1 ')
      await settle()
      await client.send(`198.51.100.7 ${1000 + n} 443\r\nhello`)
    }
    for (const client of clients) await client.receives('hello')
    await eventually(() => expect(moving.moved).toBeGreaterThan(clients.length))
    for (const [n, client] of clients.entries()) {
      await client.send(' again')
      await client.receives(' again')
      expect(client.text).toBe(`PROXY TCP4 192.0.2.1 198.51.100.7 ${1000 + n} 443\r\nhello again`)
      client.halfClose()
    }
    for (const record of await listener.records(clients.length)) {
      expect(record).toMatchObject({ end: 'client-closed', word3: 0xc0000201, bytesFromClient: 11 })
    }
  })

  it('lose and repeat no byte of bulk both ways', async () => {
    await using movable = await openMovable(WHERE)
    const { world, engine } = movable
    const endpoint = await world.tcpEndpoint('accept')
    const listener = await world.listen({ endpoints: [endpoint] })
    const before = openDescriptors()
    const clients = await Promise.all(Array.from({ length: 3 }, () => listener.connect()))
    const sessions = await Promise.all(clients.map((_, n) => endpoint.session(n)))
    await using moving = keepMoving(engine)
    const sides = [...clients, ...sessions]
    await Promise.all(sides.map((side) => side.sendPattern(BULK_BYTES)))
    await Promise.all(sides.map((side) => side.receives(BULK_BYTES)))
    for (const side of sides) side.halfClose()
    for (const side of sides) expect(await side.closes()).toBe('end')
    for (const side of sides) expectPattern(side, BULK_BYTES)
    expect(moving.moved).toBeGreaterThan(TIMES)
    for (const record of await listener.records(3)) {
      expect(record).toMatchObject({ bytesFromClient: BULK_BYTES, bytesFromEndpoint: BULK_BYTES })
    }
    // Each worker keeps some pipes.
    await eventually(() => expect(openDescriptors()).toBeLessThanOrEqual(before + 2 * 2 * sides.length + 1))
  })

  it('keep what a slow reader has not taken yet, both ways', async () => {
    await using movable = await openMovable(WHERE)
    const { world, engine } = movable
    const endpoint = await world.tcpEndpoint('accept')
    const listener = await world.listen({ endpoints: [endpoint] })
    const client = (await listener.connect()).pause()
    const session = (await endpoint.session()).pause()
    const sent = [client.sendPattern(BULK_BYTES), session.sendPattern(BULK_BYTES)]
    await stall([client, session])
    await rock(engine)
    client.readSlowly()
    await client.receives(MIB)
    await rock(engine)
    session.resume()
    await session.receives(MIB)
    await rock(engine)
    expect(await Promise.all(sent)).toEqual([true, true])
    for (const side of [client, session]) side.halfClose()
    expect([await client.closes(), await session.closes()]).toEqual(['end', 'end'])
    for (const side of [client, session]) expectPattern(side, BULK_BYTES)
    expect(await listener.record()).toMatchObject({ bytesFromClient: BULK_BYTES, bytesFromEndpoint: BULK_BYTES })
  })

  for (const first of ['client', 'endpoint'] as const) {
    it(`that their ${first} has half closed are still that, and the other half goes on`, async () => {
      await using pair = await openPair(first)
      const { engine, listener, one, other } = pair
      await one.sendPattern(MIB)
      one.halfClose()
      expect(await other.ends()).toBe('end')
      for (let n = 0; n < TIMES; n++) {
        await engine.move({}, n % 2)
        await other.sendPattern(MIB)
      }
      await one.receives(TIMES * MIB)
      await engine.move({}, 0)
      expect(one.outcome).toBeUndefined()
      other.halfClose()
      expect([await one.closes(), await other.closes()]).toEqual(['end', 'end'])
      expectPattern(other, MIB)
      expectPattern(one, TIMES * MIB)
      expect(await listener.record()).toMatchObject({ end: `${first}-closed` })
    })

    it(`that their ${first} has reset are reset on the other side, behind everything that came before`, async () => {
      await using pair = await openPair(first)
      const { engine, listener, one, other } = pair
      other.pause()
      void one.sendPattern(BULK_BYTES)
      await stall([one])
      await rock(engine)
      one.reset()
      await rock(engine)
      expect(engine.sessions()).toBe(1)
      other.resume()
      expect(await other.closes()).toBe('reset')
      expect(other.received.bytes).toBeGreaterThan(0)
      expectPattern(other, other.received.bytes)
      expect(await listener.record()).toMatchObject({ end: `${first}-reset` })
    })

    it(`of which nothing is left but what their ${first} said before it reset are reset once that is there`, async () => {
      await using pair = await openPair(first)
      const { engine, listener, one, other } = pair
      other.pause()
      await one.sendPattern(MIB)
      await eventually(() => expect(unacknowledgedBytes(one.localPort, one.remotePort)).toBe(0))
      const before = openDescriptors()
      one.reset()
      // Its own socket and ours to it are closed; the other two wait for a reader.
      await eventually(() => expect(openDescriptors()).toBe(before - 2))
      await rock(engine)
      expect(engine.sessions()).toBe(1)
      other.resume()
      await other.receives(MIB)
      await eventually(() => expect(engine.sessions()).toBe(0))
      expectPattern(other, MIB)
      expect(await listener.record()).toMatchObject({ end: `${first}-reset` })
    })
  }

  it('see a side end that did so while nobody looked', async () => {
    await using movable = await openMovable(WHERE)
    const { world, engine } = movable
    const endpoint = await world.tcpEndpoint('accept')
    const listener = await world.listen({ endpoints: [endpoint] })
    for (let n = 0; n < 30; n++) {
      const client = await listener.connect()
      const session = await endpoint.session(n)
      const moved = engine.move({}, n % 2)
      void client.send('last')
      client.halfClose()
      void session.send('words')
      session.halfClose()
      await moved
      expect([await client.closes(), await session.closes()]).toEqual(['end', 'end'])
      expect([client.text, session.text]).toEqual(['words', 'last'])
    }
  })

  it('have the deadlines that they had', async () => {
    await using movable = await openMovable(WHERE)
    const { world, engine } = movable
    const endpoint = await world.tcpEndpoint('say hello')
    const quiet = await world.listen({ endpoints: [endpoint], idleMs: 500 })
    const half = await world.listen({ endpoints: [endpoint], halfCloseMs: 500 })
    const client = await quiet.connect()
    const closing = await half.connect()
    const brief = await world.listen({ endpoints: [endpoint], maxSessionMs: 500 })
    const living = await brief.connect()
    await Promise.all([client.receives('hello'), closing.receives('hello'), living.receives('hello')])
    closing.halfClose()
    await using moving = keepMoving(engine)
    expect([await client.closes(), await closing.closes(), await living.closes()]).toEqual(['reset', 'reset', 'reset'])
    expect(await brief.record()).toMatchObject({ end: 'max-duration' })
    expect((await brief.record()).durationMs).toBeGreaterThanOrEqual(0.9 * 500 - 10)
    expect(await quiet.record()).toMatchObject({ end: 'client-idle' })
    expect(await half.record()).toMatchObject({ end: 'half-close-timeout' })
    for (const listener of [quiet, half]) expect((await listener.record()).durationMs).toBeGreaterThanOrEqual(490)
    expect(moving.moved).toBeGreaterThan(1)
  })

  it('stay where they are while they look for an endpoint', async () => {
    await using movable = await openMovable(WHERE)
    const { world, engine } = movable
    const [hole, echo] = [await world.blackHole(), await world.tcpEndpoint('echo')]
    const listener = await world.listen({ endpoints: [hole], connectMs: [400, 5_000] })
    const client = await listener.connect()
    await client.send('early')
    await eventually(() => expect(listener.countAt(hole, 'active')).toBe(1))
    expect([await engine.move({}, 0), await engine.move({}, 1)]).toEqual([0, 0])
    await listener.publish({ endpoints: [hole, echo] })
    await client.receives('early')
    expect((await engine.move({}, 0)) + (await engine.move({}, 1))).toBeGreaterThanOrEqual(1)
    await client.send(', late')
    await client.receives('early, late')
    client.halfClose()
    expect(await listener.record()).toMatchObject({ attempts: 2, end: 'client-closed', bytesFromClient: 11 })
  })

  it('are those that are meant, and TCP', async () => {
    await using movable = await openMovable(WHERE)
    const { world, engine } = movable
    const [a, b] = [await world.tcpEndpoint('echo'), await world.tcpEndpoint('echo')]
    const one = await world.listen({ endpoints: [a, b] })
    const other = await world.listen({ endpoints: [a] })
    await connectEchoing(one, 10)
    await connectEchoing(other, 5)
    await engine.move({}, 0)
    expect(await engine.move({ protocol: 'UDP' }, 1)).toBe(0)
    expect(await engine.move({ listeners: [one.spec.id], leases: [one.lease(a)] }, 1)).toBe(5)
    expect(await engine.move({ listeners: [other.spec.id] }, 1)).toBe(5)
    expect(await engine.move({ protocol: 'TCP' }, 1)).toBe(5)
  })

  it('count at their endpoint at every moment, neither less nor twice', async () => {
    await using movable = await openMovable(WHERE)
    const { world, engine } = movable
    const echo = await world.tcpEndpoint('echo')
    const listener = await world.listen({ endpoints: [echo] })
    await connectEchoing(listener, 60)
    await using moving = keepMoving(engine)
    const seen = new Set<number>()
    await eventually(async () => {
      for (let n = 0; n < SAMPLES; n++) seen.add(listener.countAt(echo, 'active')).add(listener.count('active'))
      seen.add(engine.sessions())
      await settle()
      expect(moving.moved).toBeGreaterThan(60 * TIMES)
    })
    expect([...seen]).toEqual([60])
  })

  it('are only as many as the other worker has room for', async () => {
    await using movable = await openMovable({ ...WHERE, descriptors: 100 })
    const { world, engine } = movable
    const listener = await world.listen({ endpoints: [await world.tcpEndpoint('echo')] })
    const clients = await connectEchoing(listener, 60)
    const moved = await engine.move({}, 0)
    await engine.move({}, 0)
    expect(moved).toBeLessThan(60)
    expect(await engine.move({}, 1)).toBeGreaterThan(0)
    for (const client of clients) await client.send('b')
    await Promise.all(clients.map((client) => client.receives('ab')))
    expect(engine.sessions()).toBe(60)
  })

  it('do not escape a cut, nor the end of their listener', async () => {
    await using movable = await openMovable(WHERE)
    const { world, engine } = movable
    const echo = await world.tcpEndpoint('echo')
    for (let n = 0; n < TIMES; n++) {
      const listener = await world.listen({ endpoints: [echo] })
      const clients = await connectEchoing(listener, 40)
      const moved = engine.move({}, n % 2)
      // Between two workers, at one time or another.
      for (let turn = 0; turn < n; turn++) await settle()
      if (n % 4 < 2) expect(await engine.cut({ listeners: [listener.spec.id] }, 'killed')).toBe(40)
      else await listener.close('cut')
      expect(engine.sessions()).toBe(0)
      await moved
      for (const client of clients) expect(await client.closes()).toBe('reset')
    }
  })

  it('are waited for by a drain', async () => {
    await using movable = await openMovable(WHERE)
    const { world, engine } = movable
    const listener = await world.listen({ endpoints: [await world.tcpEndpoint('echo')] })
    const clients = await connectEchoing(listener, 40)
    await using _ = keepMoving(engine)
    let drained = false
    const draining = engine.drain().then(() => {
      drained = true
    })
    for (const client of clients) {
      await client.send('b')
      await client.receives('ab')
      expect(drained).toBe(false)
      client.close()
    }
    await draining
    expect(engine.sessions()).toBe(0)
  })
})
