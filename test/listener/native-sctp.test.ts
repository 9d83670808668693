import { describe, expect, it } from 'vitest'
import { sctpRefusal } from '../../src/listener/sctp/refusal.ts'
import type { Ip, Port } from '../../src/model/keys.ts'
import { EngineWorld, type TestListener } from '../support/engine-world.ts'
import { eventually } from '../support/eventually.ts'
import { libc, nativeEngine, WITHOUT_NATIVE } from '../support/native-engine.ts'
import { cookieAck, cookieEcho, data, init, initAck, sctpPacket } from '../support/sctp-packets.ts'
import { SctpWire } from '../support/sctp-wire.ts'
import { Trouble } from '../support/trouble.ts'

const WHERE = { network: '127.137.2', firstPort: 13_700 }
const CLIENT = '127.137.2.1'
const SERVER = '127.137.2.2'
const SERVER_PORT = 9_000
/** What the kernel takes towards loopback. */
const US = '127.0.0.1'

const refusal = libc && sctpRefusal(libc)
const skipped = WITHOUT_NATIVE || (refusal === undefined ? '' : ` (skipped: ${refusal})`)

/** Sets up an association; tells which port of ours the endpoint sees. */
async function establish(wire: SctpWire, listener: TestListener, clientPort: number): Promise<number> {
  const { ip, port } = listener.address
  wire.send(CLIENT, ip, sctpPacket(clientPort, port, 0, init(111)))
  const asked = await wire.next(SERVER, SERVER_PORT)
  expect(asked.text).toBe('tag 0 INIT')
  wire.send(SERVER, US, sctpPacket(SERVER_PORT, asked.fromPort, 111, initAck(222)))
  expect((await wire.next(CLIENT, clientPort)).text).toBe('tag 111 INIT-ACK')
  wire.send(CLIENT, ip, sctpPacket(clientPort, port, 222, cookieEcho(), data('hello')))
  expect((await wire.next(SERVER, SERVER_PORT)).text).toBe('tag 222 COOKIE-ECHO DATA')
  wire.send(SERVER, US, sctpPacket(SERVER_PORT, asked.fromPort, 111, cookieAck()))
  expect((await wire.next(CLIENT, clientPort)).text).toBe('tag 111 COOKIE-ACK')
  return asked.fromPort
}

describe.skipIf(skipped !== '')(`SCTP on the native engine${skipped}`, () => {
  const sketch = {
    protocol: 'SCTP',
    endpoints: [{ address: { ip: SERVER as Ip, port: SERVER_PORT as Port } }],
  } as const

  /** A listener; another process of this network may have SCTP for a while. */
  async function listenSoon(world: EngineWorld, at?: TestListener['address']): Promise<TestListener> {
    const listener = await world.claim(at ? { ...sketch, at } : sketch)
    await eventually(async () => expect(await listener.open()).toMatchObject({ state: 'listening' }))
    return listener
  }

  it('is counted and cut like TCP, and by no filter of another protocol', async () => {
    await using world = await EngineWorld.open({ ...WHERE, openEngine: nativeEngine({ workers: 2 }), workers: 2 })
    using wire = new SctpWire()
    const listener = await listenSoon(world)
    await establish(wire, listener, 5_001)
    expect(world.engine.sessions()).toBe(1)
    expect(await world.engine.list({ protocol: 'TCP' }, 9)).toMatchObject({ matched: 0 })
    expect((await world.engine.list({}, 9)).sessions).toMatchObject([
      { protocol: 'SCTP', state: 'open', attempts: 1, lease: 0, bytesFromClient: 5, datagramsFromClient: 1, worker: 0 },
    ])
    const moved: number[] = []
    world.engine.tally(({ bytesFromClient }) => moved.push(bytesFromClient))
    expect(moved).toEqual([5])
    expect(await world.engine.cut({ protocol: 'TCP' }, 'killed')).toBe(0)
    expect(await world.engine.cut({ protocol: 'UDP' }, 'killed')).toBe(0)
    expect(await world.engine.cut({ listeners: [listener.spec.id] }, 'killed')).toBe(1)
    expect((await wire.next(CLIENT, 5_001)).text).toBe('tag 111 ABORT')
    expect((await wire.next(SERVER, SERVER_PORT)).text).toBe('tag 222 ABORT')
    expect(await listener.record()).toMatchObject({ end: 'killed', bytesFromClient: 5, datagramsFromClient: 1, attempts: 1 })
    expect(world.engine.sessions()).toBe(0)
  })

  it('ends with its listener, for nothing more would come in', async () => {
    await using world = await EngineWorld.open({ ...WHERE, openEngine: nativeEngine({ workers: 1 }), workers: 1 })
    using wire = new SctpWire()
    const listener = await listenSoon(world)
    await establish(wire, listener, 5_002)
    await world.engine.close(listener.spec.id, 'keep')
    expect((await wire.next(CLIENT, 5_002)).text).toBe('tag 111 ABORT')
    expect(await listener.record()).toMatchObject({ end: 'endpoint-removed' })
    // Nobody's any more: no answer, and none of ours to a listener that comes later but the usual one.
    const again = await listenSoon(world, listener.address)
    wire.send(CLIENT, again.address.ip, sctpPacket(5_009, again.address.port, 222, data('late')))
    expect((await wire.next(CLIENT, 5_009)).text).toBe('tag 222 ABORT/T')
  })

  it('is had by one process of a network at a time, and by the next one after it', async () => {
    const open = () => EngineWorld.open({ ...WHERE, openEngine: nativeEngine({ workers: 1 }), workers: 1 })
    await using world = await open()
    const first = await listenSoon(world)
    await using other = await open()
    // Several at once.
    const [second, third] = [await other.claim(sketch), await other.claim(sketch)]
    for (const status of await Promise.all([second.open(), third.open()])) {
      expect(status).toMatchObject({ state: 'failed', code: 'EADDRINUSE' })
    }
    expect(await first.open()).toMatchObject({ state: 'listening' })
    await world.engine[Symbol.asyncDispose]()
    await eventually(async () => expect(await second.open()).toMatchObject({ state: 'listening' }))
    using wire = new SctpWire()
    await establish(wire, second, 5_005)
    await other.engine.cut({}, 'killed')
  })

  it('says where it cannot listen: an address that the machine lacks', async () => {
    await using world = await EngineWorld.open({ ...WHERE, openEngine: nativeEngine({ workers: 1 }), workers: 1 })
    await listenSoon(world)
    const listener = await world.claim({ ...sketch, at: { ip: '192.0.2.99' as Ip, port: 3_868 as Port } })
    expect(await listener.open()).toMatchObject({ state: 'failed', code: 'EADDRNOTAVAIL' })
  })

  it('outlives its worker: sessions are counted, both sides learn it, and new ones come', async () => {
    const trouble = new Trouble()
    const deaths: string[] = []
    const openEngine = nativeEngine({ workers: 1, trouble: trouble.words, onDeath: (_, reason) => deaths.push(reason) })
    await using world = await EngineWorld.open({ ...WHERE, openEngine, workers: 1 })
    using wire = new SctpWire()
    const listener = await listenSoon(world)
    const sourcePort = await establish(wire, listener, 5_003)
    trouble.kill()
    await listener.publish()
    await eventually(() => expect(deaths).toEqual(['killed by a test']))
    expect(await listener.record()).toMatchObject({ end: 'internal', bytesFromClient: 5, lease: 0 })
    const { ip, port } = listener.address
    await eventually(async () => {
      wire.send(CLIENT, ip, sctpPacket(5_003, port, 222, data('x')))
      expect((await wire.next(CLIENT, 5_003)).text).toBe('tag 222 ABORT/T')
    })
    wire.send(SERVER, US, sctpPacket(SERVER_PORT, sourcePort, 111, data('y')))
    expect((await wire.next(SERVER, SERVER_PORT)).text).toBe('tag 111 ABORT/T')
    await establish(wire, listener, 5_004)
    await world.engine.cut({}, 'killed')
  })
})
