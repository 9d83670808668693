import { describe, expect, it } from 'vitest'
import { unacknowledgedBytes } from '../support/descriptors.ts'
import { EngineWorld } from '../support/engine-world.ts'
import { eventually } from '../support/eventually.ts'
import { libc, nativeEngine, WITHOUT_NATIVE } from '../support/native-engine.ts'
import { RawSockets } from '../support/raw-sockets.ts'
import { steady } from '../support/steady.ts'
import { patternSha256, Tally } from '../support/tally.ts'
import type { TcpPeer } from '../support/tcp-peer.ts'

const MIB = 2 ** 20
const SHORT_MS = 300

/** Resolves when a side that has seen the other's end also sees its reset: it can send no more. */
async function noticesReset(side: TcpPeer): Promise<void> {
  await eventually(async () => expect(await side.send('x')).toBe(false))
}

/** Reads a socket, a piece at a time and not often. */
class SlowReader {
  readonly received = new Tally()
  readonly #raw: RawSockets
  readonly #fd: number

  constructor(raw: RawSockets, fd: number) {
    this.#raw = raw
    this.#fd = fd
  }

  async until(done: () => boolean): Promise<void> {
    await eventually(() => {
      for (let n = 0; n < 8 && this.#read() === 'open'; n++);
      expect(done()).toBe(true)
    })
  }

  async untilItEnds(): Promise<'end' | 'reset'> {
    return await eventually(() => {
      const state = this.#read()
      if (state === 'open') throw new Error('still open')
      return state
    })
  }

  #read(): 'open' | 'end' | 'reset' {
    const piece = this.#raw.receive(this.#fd)
    if (typeof piece === 'string') return piece === 'empty' ? 'open' : piece
    this.received.add(piece)
    return 'open'
  }
}

for (const workers of [1, 4]) {
  const where = { network: `127.42.${10 + workers}`, firstPort: 14_000, workers, openEngine: nativeEngine({ workers }) }

  describe.skipIf(!libc)(`a native session, with ${workers} workers${WITHOUT_NATIVE}`, () => {
    it('that its endpoint resets in one breath with the last bytes brings them, then a reset, every time', async () => {
      await using world = await EngineWorld.open(where)
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('read 1, send 10k, reset')] })
      const clients = await Promise.all(Array.from({ length: 100 }, () => listener.connect()))
      for (const client of clients) await client.send('x')
      for (const client of clients) expect(await client.closes()).toBe('reset')
      expect(new Set(clients.map(({ received }) => received.bytes))).toEqual(new Set([10 * 1024]))
      expect(new Set((await listener.records(100)).map(({ end }) => end))).toEqual(new Set(['endpoint-reset']))
    })

    it('that its client resets in one breath with the last bytes brings them, then a reset, every time', async () => {
      await using world = await EngineWorld.open(where)
      const endpoint = await world.tcpEndpoint('say hello')
      const listener = await world.listen({ endpoints: [endpoint] })
      for (let n = 0; n < 50; n++) {
        const client = await listener.connect()
        await client.receives('hello')
        const session = await endpoint.session(n)
        await client.sendPattern(10 * 1024)
        client.reset()
        expect(await session.closes()).toBe('reset')
        expect(session.received.sha256).toBe(patternSha256(10 * 1024))
      }
      expect(new Set((await listener.records(50)).map(({ end }) => end))).toEqual(new Set(['client-reset']))
    })

    it('in full flight that its endpoint resets brings a slow client all that came before, then a reset', async () => {
      await using world = await EngineWorld.open(where)
      using raw = new RawSockets()
      const endpoint = await world.tcpEndpoint('send 6M')
      const listener = await world.listen({ endpoints: [endpoint] })
      for (let n = 0; n < 5; n++) {
        const reader = new SlowReader(raw, raw.connect(listener.address))
        const session = await endpoint.session(n)
        await reader.until(() => session.sent === 6 * MIB && unacknowledgedBytes(session.localPort, session.remotePort) === 0)
        session.reset()
        expect(await reader.untilItEnds()).toBe('reset')
        expect(reader.received.sha256).toBe(patternSha256(6 * MIB))
      }
      expect((await listener.records(5)).map(({ end }) => end)).toEqual(Array(5).fill('endpoint-reset'))
    })

    it('that was reset waits for a client that does not read no longer than for the other half', async () => {
      await using world = await EngineWorld.open(where)
      const endpoint = await world.tcpEndpoint('send 16M')
      const listener = await world.listen({ endpoints: [endpoint], halfCloseMs: SHORT_MS })
      const client = await listener.connect()
      client.pause()
      const session = await endpoint.session()
      await steady(() => session.sent)
      session.reset()
      expect((await listener.record()).end).toBe('endpoint-reset')
      expect(await client.resume().closes()).toBe('reset')
    })

    it('passes on an end and the reset behind it, both', async () => {
      await using world = await EngineWorld.open(where)
      using raw = new RawSockets()
      const endpoint = await world.tcpEndpoint('say hello, read end')
      const listener = await world.listen({ endpoints: [endpoint] })
      for (let n = 0; n < 20; n++) {
        const client = raw.connect(listener.address)
        await eventually(() => expect(`${raw.receive(client)}`).toBe('hello'))
        raw.send(client, 'last words')
        raw.halfClose(client)
        raw.reset(client)
        const session = await endpoint.session(n)
        expect(await session.ends()).toBe('end')
        expect(session.text).toBe('last words')
        await noticesReset(session)
      }
      expect(new Set((await listener.records(20)).map(({ end }) => end))).toEqual(new Set(['client-reset']))
    })

    it('notices a client that resets after it had closed its half', async () => {
      await using world = await EngineWorld.open(where)
      using raw = new RawSockets()
      const endpoint = await world.tcpEndpoint('read end')
      const listener = await world.listen({ endpoints: [endpoint] })
      const client = raw.connect(listener.address)
      raw.send(client, 'question')
      raw.halfClose(client)
      const session = await endpoint.session()
      expect(await session.ends()).toBe('end')
      raw.reset(client)
      await noticesReset(session)
      expect(await listener.record()).toMatchObject({ end: 'client-reset', bytesFromClient: 8 })
    })

    it('carries what comes around urgent data, small and in bulk', async () => {
      await using world = await EngineWorld.open(where)
      using raw = new RawSockets()
      const endpoint = await world.tcpEndpoint('accept')
      const listener = await world.listen({ endpoints: [endpoint] })
      for (const size of [100, 300_000]) {
        const client = raw.connect(listener.address)
        const session = await endpoint.session(endpoint.sessions.length)
        let sent = 0
        for (let n = 0; n < 10; n++) {
          for (let left = size; left > 0; ) {
            const taken = raw.send(client, 'a'.repeat(left))
            left -= taken
            sent += taken
            if (taken === 0) await new Promise<void>((resolve) => setImmediate(resolve))
          }
          raw.sendUrgent(client, '!')
        }
        raw.halfClose(client)
        expect(await session.ends()).toBe('end')
        // The urgent byte itself is beside the stream and stays behind, but for one that the next overtook.
        const overtaken = session.text.replaceAll('a', '').length
        expect(overtaken).toBeLessThan(10)
        if (size === 100) expect(session.received.bytes).toBe(sent + overtaken)
        else expect(session.received.bytes).toBeGreaterThanOrEqual(sent)
        session.halfClose()
      }
    })

    it('brings the words of a server that speaks first though another endpoint refused before', async () => {
      await using world = await EngineWorld.open(where)
      const endpoints = [await world.refusingEndpoint(), await world.tcpEndpoint('say hello, read end, shut')]
      const listener = await world.listen({ endpoints })
      for (let n = 0; n < 10; n++) {
        const client = await listener.connect()
        await client.receives('hello')
        client.halfClose()
        expect(await client.closes()).toBe('end')
      }
    })

    it('whose endpoint says something and breaks off at once brings that to the client', async () => {
      await using world = await EngineWorld.open(where)
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('say too many, reset')] })
      const clients = Array.from({ length: 50 }, () => listener.start())
      for (const client of clients) {
        expect(await client.closes()).toBe('reset')
        expect(client.text).toBe('too many')
      }
    })

    it('ends where both sides break at once', async () => {
      await using world = await EngineWorld.open(where)
      const endpoint = await world.tcpEndpoint('send 3M')
      const listener = await world.listen({ endpoints: [endpoint] })
      const clients = await Promise.all(Array.from({ length: 20 }, () => listener.connect()))
      for (const client of clients) void client.pause().sendPattern(3 * MIB)
      await Promise.all(clients.map((_, n) => endpoint.session(n)))
      for (const [n, client] of clients.entries()) {
        client.reset()
        endpoint.sessions[n]?.reset()
      }
      await eventually(() => expect(world.engine.sessions()).toBe(0))
      expect((await listener.records(20)).every(({ end }) => /-reset$/.test(end))).toBe(true)
    })
  })
}
