import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { manualClock } from '../../src/lib/clock.ts'
import { createSharedState } from '../../src/model/shared-layout.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { echoDatagram } from '../support/echo.ts'
import type { EngineWorld as World } from '../support/engine-world.ts'
import { EngineWorld } from '../support/engine-world.ts'
import { eventually } from '../support/eventually.ts'
import { libc, nativeEngine, WITHOUT_NATIVE } from '../support/native-engine.ts'
import { Trouble } from '../support/trouble.ts'

const WHERE = { network: '127.42.2', firstPort: 13_000 }
const REFUSED = 'eventfd: EMFILE: raise the limit on descriptors (ulimit -n, LimitNOFILE)'

interface Troubled extends AsyncDisposable {
  readonly world: World
  readonly trouble: Trouble
  readonly deaths: string[]
  readonly revived: number[]
  readonly faults: string[]
}

async function openTroubled(workers: number, descriptors = 6_000): Promise<Troubled> {
  const trouble = new Trouble()
  const deaths: string[] = []
  const revived: number[] = []
  const faults: string[] = []
  const openEngine = nativeEngine({
    workers,
    trouble: trouble.words,
    onDeath: (row, reason) => deaths.push(`${row}: ${reason}`),
    onRevival: (row) => revived.push(row),
    onFault: (row, reason) => faults.push(`${row}: ${reason}`),
  })
  const world = await EngineWorld.open({ ...WHERE, openEngine, workers, descriptors })
  return { world, trouble, deaths, revived, faults, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
}

describe.skipIf(!libc)(`a native worker${WITHOUT_NATIVE}`, () => {
  it('that still starts when the engine ends is waited for: forced to end while it loads the library, it would end the process', async () => {
    const trouble = new Trouble()
    const clock = manualClock()
    const shared = createSharedState({ rows: 1, serviceSlots: 2, endpointSlots: 2, affinityEntries: 32 })
    const held = trouble.holdStart()
    const engine = nativeEngine({ workers: 1, trouble: trouble.words })({ shared, descriptors: 1_000, clock })
    const ended = engine[Symbol.asyncDispose]()
    clock.advance(60_000)
    expect(trouble.started).toBe(0)
    held[Symbol.dispose]()
    await ended
    expect(trouble.started).toBe(1)
    expect(clock.pending).toBe(0)
  })

  it('that dies is noticed, its sessions end and are counted, and another takes its sockets', async () => {
    await using troubled = await openTroubled(1)
    const { world, trouble, deaths } = troubled
    const echo = await world.tcpEndpoint('echo')
    const tcp = await world.listen({ endpoints: [echo] })
    const udp = await world.listen({ protocol: 'UDP', endpoints: [await world.udpEndpoint(echoDatagram)] })
    const hole = await world.blackHole()
    const dialling = await world.listen({ endpoints: [hole] })
    const client = await tcp.connect()
    await client.send('before')
    await client.receives('before')
    const asking = await udp.udpClient()
    await asking.ask('before')
    const waiting = await dialling.connect()
    await eventually(() => expect(dialling.countAt(hole, 'active')).toBe(1))
    const before = openDescriptors()

    trouble.kill()
    await tcp.publish()
    await eventually(() => expect(deaths).toEqual(['0: killed by a test']))
    await eventually(() => expect(troubled.revived).toEqual([0]))
    expect([await client.closes(), await waiting.closes()]).toEqual(['reset', 'reset'])
    expect(await tcp.record()).toMatchObject({
      end: 'internal',
      bytesFromClient: 6,
      bytesFromEndpoint: 6,
      port: client.localPort,
    })
    expect(await udp.record()).toMatchObject({ end: 'internal', datagramsFromClient: 1, datagramsFromEndpoint: 1 })
    expect(await dialling.record()).toMatchObject({ end: 'internal', attempts: 1, connectMs: -1 })
    expect([tcp.count('active'), tcp.countAt(echo, 'active'), dialling.countAt(hole, 'active')]).toEqual([0, 0, 0])
    expect([tcp.ended('internal'), udp.ended('internal'), dialling.ended('internal')]).toEqual([1, 1, 1])

    const next = await tcp.connect()
    await next.send('after')
    await next.receives('after')
    expect(`${await asking.askAgain('after')}`).toBe('after')
    expect(world.engine.sessions()).toBe(2)
    next.close()
    await world.engine.cut({}, 'killed')
    await eventually(() => expect(openDescriptors()).toBeLessThanOrEqual(before))
  })

  it('that dies leaves no descriptor and no memory behind, however often', async () => {
    await using troubled = await openTroubled(1)
    const { world, trouble, deaths } = troubled
    const listener = await world.listen({ endpoints: [await world.tcpEndpoint('send 3M')] })
    const dieOnce = async () => {
      const client = await listener.connect()
      // Bulk: there are pipes too.
      await client.receives(2 ** 20)
      const died = deaths.length
      trouble.kill()
      await listener.publish()
      await eventually(() => expect(deaths.length).toBe(died + 1))
      expect(await client.closes()).toBe('reset')
    }
    /** What is held once another worker is at work, and its sessions are over. */
    const held = async () => {
      const client = await listener.connect()
      await client.receives(2 ** 20)
      await client[Symbol.asyncDispose]()
      await eventually(() => expect(world.engine.sessions()).toBe(0))
      return { descriptors: openDescriptors(), mapped: mappedSmall() }
    }
    await dieOnce()
    const before = await held()
    for (let n = 0; n < 3; n++) await dieOnce()
    const after = await held()
    // The pool may have one pipe more than the last time.
    await eventually(() => expect(openDescriptors()).toBeLessThanOrEqual(before.descriptors + 2))
    expect(after.mapped).toBeLessThanOrEqual(before.mapped)
  })

  it('that dies takes no other with it', async () => {
    await using troubled = await openTroubled(4)
    const { world, trouble, deaths } = troubled
    const listener = await world.listen({ endpoints: [await world.tcpEndpoint('echo')] })
    const clients = await Promise.all(Array.from({ length: 40 }, () => listener.connect()))
    for (const client of clients) await client.send('x')
    await Promise.all(clients.map((client) => client.receives('x')))
    trouble.kill()
    await listener.publish()
    await eventually(() => expect(deaths.length).toBe(1))
    const lost = await eventually(() => {
      const reset = clients.filter(({ outcome }) => outcome === 'reset')
      expect(reset.length).toBeGreaterThan(0)
      expect(reset.length).toBe(listener.ended('internal'))
      return reset.length
    })
    expect(lost).toBeLessThan(clients.length)
    const living = clients.filter(({ outcome }) => outcome === undefined)
    for (const client of living) {
      await client.send('y')
      await client.receives('xy')
    }
    expect(world.engine.sessions()).toBe(living.length)
    // Every client finds a worker again, also one whose connection waited for the dead one.
    const more = await Promise.all(Array.from({ length: 40 }, () => listener.connect()))
    for (const client of more) await client.send('z')
    await Promise.all(more.map((client) => client.receives('z')))
  })

  it('that dies in a drain does not hold it up', async () => {
    await using troubled = await openTroubled(2)
    const { world, trouble, deaths } = troubled
    const listener = await world.listen({ endpoints: [await world.tcpEndpoint('say hello')] })
    const clients = await Promise.all(Array.from({ length: 10 }, () => listener.connect()))
    await Promise.all(clients.map((client) => client.receives('hello')))
    const draining = world.engine.drain()
    trouble.kill()
    await listener.publish()
    await eventually(() => expect(deaths.length).toBe(1))
    await world.engine.cut({}, 'drained')
    await draining
  })

  it('is replaced even when the system has no descriptor for it at first', async () => {
    const trouble = new Trouble()
    const deaths: string[] = []
    const mainLibc = libc && { ...libc, calls: { ...libc.calls } }
    const openEngine = nativeEngine({
      workers: 1,
      trouble: trouble.words,
      ...(mainLibc ? { mainLibc } : {}),
      onDeath: (_, reason) => deaths.push(reason),
    })
    await using world = await EngineWorld.open({ ...WHERE, openEngine, workers: 1 })
    const listener = await world.listen({ endpoints: [await world.tcpEndpoint('say hello')] })
    const real = libc?.calls.eventfd
    let refused = 0
    if (mainLibc && real) {
      mainLibc.calls.eventfd = (...values) => {
        if (++refused > 2) return real(...values)
        if (libc) libc.errno[0] = 24
        return -1
      }
    }
    trouble.kill()
    await listener.publish()
    await (await listener.connect()).receives('hello')
    expect(deaths).toEqual(['killed by a test', REFUSED, REFUSED])
  })

  it('survives an error of ours in one session, which ends as internal', async () => {
    await using troubled = await openTroubled(1)
    const { world, trouble, faults, deaths } = troubled
    const echo = await world.tcpEndpoint('echo')
    const good = await world.listen({ endpoints: [echo] })
    const client = await good.connect()
    await client.send('x')
    await client.receives('x')
    const tcp = await world.listen({ endpoints: [await world.refusingEndpoint(), echo] })
    const udp = await world.listen({ protocol: 'UDP', endpoints: [await world.refusingEndpoint()] })
    trouble.fault()
    const clients = [tcp.start(), tcp.start()]
    await eventually(() => expect(clients.filter(({ outcome }) => outcome === 'reset').length).toBe(1))
    expect(await tcp.record()).toMatchObject({ end: 'internal', lease: -1 })
    trouble.fault()
    const asking = await udp.udpClient()
    await eventually(() => {
      asking.send('x')
      expect(udp.ended('internal')).toBe(1)
    })
    await eventually(() => expect(faults).toEqual(['0: troubled by a test', '0: troubled by a test']))
    expect(deaths).toEqual([])
    await client.send('y')
    await client.receives('xy')
  })
})

/** Bytes of arenas: what this process has mapped for data between 2^30 and 2^31. */
function mappedSmall(): number {
  let bytes = 0
  for (const [, from = '', to = ''] of readFileSync('/proc/self/maps', 'latin1').matchAll(
    /^([0-9a-f]+)-([0-9a-f]+) rw-p \S+ 00:00 0 *$/gm,
  )) {
    const start = Number.parseInt(from, 16)
    if (start >= 2 ** 30 && start < 2 ** 31) bytes += Number.parseInt(to, 16) - start
  }
  return bytes
}
