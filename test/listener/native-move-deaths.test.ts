import { describe, expect, it } from 'vitest'
import { openDescriptors } from '../support/descriptors.ts'
import type { TestListener } from '../support/engine-world.ts'
import { eventually } from '../support/eventually.ts'
import { keepMoving, openMovable } from '../support/moving.ts'
import { libc, WITHOUT_NATIVE } from '../support/native-engine.ts'
import type { TcpPeer } from '../support/tcp-peer.ts'
import { Trouble } from '../support/trouble.ts'

const WHERE = { network: '127.42.8', firstPort: 22_000 }
const SESSIONS = 20
/** Enough to fill what is between two sides that do not read. */
const BULK_BYTES = 2 ** 25

async function openMortal() {
  const trouble = new Trouble()
  const deaths: number[] = []
  const movable = await openMovable({ ...WHERE, trouble: trouble.words, onDeath: (row) => deaths.push(row) })
  const { world, engine } = movable
  const echo = await world.tcpEndpoint('echo')
  const listener = await world.listen({ endpoints: [echo] })
  /** Sessions that are all with one worker. */
  const connectAll = async (worker: number) => {
    const clients = await Promise.all(Array.from({ length: SESSIONS }, () => listener.connect()))
    for (const client of clients) await client.send('a')
    await Promise.all(clients.map((client) => client.receives('a')))
    await engine.move({}, worker)
    await eventually(() => expect(engine.sessions()).toBe(SESSIONS))
    return clients
  }
  const counts = () => [listener.count('active'), listener.countAt(echo, 'active')]
  const died = (row: number) => eventually(() => expect(deaths).toEqual([row]))
  return {
    world,
    engine,
    trouble,
    listener,
    connectAll,
    counts,
    died,
    [Symbol.asyncDispose]: () => movable[Symbol.asyncDispose](),
  }
}

/** What became of clients: those that were reset were recorded as ended by an error of ours, the others go on. */
async function expectLostOrAlive(listener: TestListener, clients: readonly TcpPeer[], lost: number): Promise<void> {
  await eventually(() => {
    const reset = clients.filter(({ outcome }) => outcome === 'reset')
    expect([reset.length, listener.ended('internal')]).toEqual([lost, lost])
  })
  const living = clients.filter(({ outcome }) => outcome === undefined)
  for (const client of living) await client.send('b')
  await Promise.all(living.map((client) => client.receives('ab')))
  expect(living.length).toBe(clients.length - lost)
}

describe.skipIf(!libc)(`a worker that dies while sessions are moved${WITHOUT_NATIVE}`, () => {
  it('in the middle of giving them away has lost its own, and no other', async () => {
    await using mortal = await openMortal()
    const { engine, trouble, listener, connectAll, counts, died } = mortal
    const before = openDescriptors()
    const clients = await connectAll(0)
    trouble.kill({ at: 'release', pass: 7 })
    await engine.move({}, 1)
    await died(0)
    await expectLostOrAlive(listener, clients, SESSIONS)
    expect(counts()).toEqual([0, 0])
    for (const client of clients) client.close()
    await eventually(() => expect(openDescriptors()).toBeLessThanOrEqual(before + 1))
  })

  it('in the middle of taking them over takes along those that were on their way to it, each once', async () => {
    await using mortal = await openMortal()
    const { engine, trouble, listener, connectAll, counts, died } = mortal
    const before = openDescriptors()
    const clients = await connectAll(0)
    trouble.kill({ at: 'adoption', pass: 7 })
    await engine.move({}, 1)
    await died(1)
    await expectLostOrAlive(listener, clients, SESSIONS)
    expect((await listener.records(SESSIONS)).map(({ end, bytesFromClient }) => [end, bytesFromClient])).toEqual(
      clients.map(() => ['internal', 1]),
    )
    expect(counts()).toEqual([0, 0])
    for (const client of clients) client.close()
    await eventually(() => expect(openDescriptors()).toBeLessThanOrEqual(before + 1))
  })

  it('takes along sessions that had ended with it already only once', async () => {
    await using mortal = await openMortal()
    const { world, engine, trouble, listener, connectAll, died } = mortal
    const clients = await connectAll(0)
    const before = openDescriptors()
    // The first ones end as soon as they are looked at; the one after them kills.
    trouble.inject('epoll_ctl', 'ENOMEM', { pass: 2 * SESSIONS, times: 5 })
    trouble.kill({ at: 'adoption', pass: 5 })
    await engine.move({}, 1)
    await died(1)
    await eventually(() => expect(clients.filter(({ outcome }) => outcome === 'reset').length).toBe(SESSIONS))
    expect([listener.ended('over-limit'), listener.ended('internal')]).toEqual([5, SESSIONS - 5])
    expect((await listener.records(SESSIONS)).length).toBe(SESSIONS)
    // Numbers that were closed once may be somebody else's: nothing of this process was closed twice.
    expect(openDescriptors()).toBeLessThanOrEqual(before)
    expect(world.engine.sessions()).toBe(0)
  })

  it('before it saw them takes them along, or they stay where they were', async () => {
    await using mortal = await openMortal()
    const { engine, trouble, listener, connectAll, counts, died } = mortal
    const clients = await connectAll(0)
    trouble.kill({ row: 1 })
    const published = listener.publish()
    await engine.move({}, 1)
    await published
    await died(1)
    const lost = await eventually(() => {
      const ended = listener.ended('internal')
      expect(counts()).toEqual([SESSIONS - ended, SESSIONS - ended])
      return ended
    })
    await expectLostOrAlive(listener, clients, lost)
  })

  it('right after it gave them away has lost none', async () => {
    await using mortal = await openMortal()
    const { engine, trouble, listener, connectAll, counts, died } = mortal
    const clients = await connectAll(0)
    trouble.kill({ row: 0 })
    const moved = engine.move({}, 1)
    // The worker is asked for its sessions first, and dies with the next message.
    for (let turn = 0; turn < 5; turn++) await undefined
    await listener.publish()
    await died(0)
    expect(await moved).toBe(SESSIONS)
    await expectLostOrAlive(listener, clients, 0)
    expect(counts()).toEqual([SESSIONS, SESSIONS])
    expect(engine.sessions()).toBe(SESSIONS)
  })

  it('later takes along what came to it, and not what left it', async () => {
    for (const dies of [0, 1]) {
      await using mortal = await openMortal()
      const { engine, trouble, listener, connectAll, counts, died } = mortal
      const clients = await connectAll(0)
      const [stays, comes] = [clients.slice(0, 5), clients.slice(5)]
      await engine.move({}, 1)
      trouble.kill({ row: dies })
      await listener.publish()
      await died(dies)
      const lost = dies === 1 ? SESSIONS : 0
      await expectLostOrAlive(listener, clients, lost)
      expect(counts()).toEqual([SESSIONS - lost, SESSIONS - lost])
      for (const client of [...stays, ...comes]) client.halfClose()
      await eventually(() => expect(counts()).toEqual([0, 0]))
    }
  })

  it('is replaced by one that takes over sessions in its turn', async () => {
    await using mortal = await openMortal()
    const { engine, trouble, listener, connectAll, died } = mortal
    const clients = await connectAll(0)
    trouble.kill({ row: 1 })
    await listener.publish()
    await died(1)
    await eventually(async () => expect(await engine.move({}, 1)).toBe(SESSIONS))
    await expectLostOrAlive(listener, clients, 0)
  })
})

describe.skipIf(!libc)(`an engine that ends while sessions are moved${WITHOUT_NATIVE}`, () => {
  it('leaves nothing behind', async () => {
    const before = openDescriptors()
    for (let n = 0; n < 5; n++) {
      await using movable = await openMovable(WHERE)
      const { world, engine } = movable
      const endpoint = await world.tcpEndpoint('accept, pause')
      const listener = await world.listen({ endpoints: [endpoint] })
      const clients = await Promise.all(Array.from({ length: SESSIONS }, () => listener.connect()))
      for (const client of clients) void client.sendPattern(BULK_BYTES)
      await using moving = keepMoving(engine)
      await eventually(() => expect(moving.moved).toBeGreaterThan(n * SESSIONS))
      await engine[Symbol.asyncDispose]()
      for (const client of clients) expect(await client.closes()).toBe('reset')
      expect(listener.ended('killed')).toBe(SESSIONS)
      expect((await listener.records(SESSIONS)).length).toBe(SESSIONS)
    }
    await eventually(() => expect(openDescriptors()).toBeLessThanOrEqual(before))
  })
})
