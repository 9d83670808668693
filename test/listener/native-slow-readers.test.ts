import { describe, expect, it } from 'vitest'
import { unreadBytes } from '../support/descriptors.ts'
import { EngineWorld } from '../support/engine-world.ts'
import { eventually } from '../support/eventually.ts'
import { libc, nativeEngine, WITHOUT_NATIVE } from '../support/native-engine.ts'
import { RawSockets } from '../support/raw-sockets.ts'
import { settle } from '../support/settle.ts'
import { steady } from '../support/steady.ts'

const KIB = 1024
const MIB = 1024 * KIB
const SHORT_MS = 300
const WHERE = { network: '127.42.15', firstPort: 22_000, workers: 1, openEngine: nativeEngine({ workers: 1 }) }
/** So often in a row it is unread: nobody is about to read it. */
const LOOKS = 50
/** More than stands between a session and a reader that does not read. */
const MOST_BYTES = 64 * MIB

describe.skipIf(!libc)(`a native session whose endpoint does not read${WITHOUT_NATIVE}`, () => {
  for (const [what, pieceBytes] of [
    ['small pieces', 8 * KIB],
    ['bulk', MIB],
  ] as const) {
    it(`brings all that came around urgent data meanwhile, behind ${what}, to the end`, async () => {
      await using world = await EngineWorld.open(WHERE)
      using raw = new RawSockets()
      const { fd, address } = raw.listen('127.42.15.200')
      const listener = await world.listen({ endpoints: [{ address }] })
      const client = raw.connect(listener.address)
      raw.send(client, 'a')
      const endpoint = await eventually(() => {
        const accepted = raw.accept(fd)
        if (accepted === undefined) throw new Error('nobody came')
        return accepted
      })
      const { port } = listener.address
      let sent = 1
      // Until the session leaves unread what comes, and has seen that more did.
      for (let unread = 0; unread < LOOKS; unread = unreadBytes(port) > 0 ? unread + 1 : 0) {
        for (let left = unread > 0 ? 0 : pieceBytes; left > 0 && sent < MOST_BYTES; ) {
          const taken = raw.send(client, 'a'.repeat(Math.min(left, 64 * KIB)))
          left -= taken
          sent += taken
          if (taken === 0) break
        }
        await settle()
      }
      for (let n = 0; n < 3; n++) {
        await steady(() => unreadBytes(port))
        sent += raw.send(client, 'a'.repeat(KIB))
      }
      raw.sendUrgent(client, '!')
      expect(raw.send(client, 'b'.repeat(KIB))).toBe(KIB)
      raw.halfClose(client)
      await steady(() => unreadBytes(port))

      const pieces: string[] = []
      await eventually(() => {
        for (;;) {
          const piece = raw.receive(endpoint)
          if (piece === 'end') return
          if (typeof piece === 'string') throw new Error(piece)
          pieces.push(piece.toString('latin1'))
        }
      })
      const text = pieces.join('')
      expect([text.replaceAll(/[^a]/g, '').length, text.replaceAll(/[^b]/g, '').length]).toEqual([sent, KIB])
    })
  }
})

describe.skipIf(!libc)(`a native session${WITHOUT_NATIVE}`, () => {
  it('of a client that has half closed and then takes nothing says so, under a user timeout', async () => {
    await using world = await EngineWorld.open(WHERE)
    const endpoint = await world.tcpEndpoint('read end, send 1M')
    const listener = await world.listen({ endpoints: [endpoint], userTimeoutMs: SHORT_MS })
    const client = await listener.connect()
    client.pause().halfClose()
    expect(await listener.record()).toMatchObject({ end: 'client-idle' })
  })

  it('that looks for an endpoint while its timeouts become shorter has the shorter ones', async () => {
    await using world = await EngineWorld.open(WHERE)
    const [hole, hello] = [await world.blackHole(), await world.tcpEndpoint('say hello')]
    const listener = await world.listen({ endpoints: [hole], connectMs: [500, 5_000] })
    const client = await listener.connect()
    await eventually(() => expect(listener.countAt(hole, 'active')).toBe(1))
    await listener.publish({ endpoints: [hole, hello], idleMs: SHORT_MS })
    await client.receives('hello')
    expect(await listener.record()).toMatchObject({ end: 'client-idle' })
  })

  it('that was reset while its other side does not read has a half-close timeout that becomes shorter', async () => {
    await using world = await EngineWorld.open(WHERE)
    const endpoint = await world.tcpEndpoint('accept')
    const listener = await world.listen({ endpoints: [endpoint] })
    const client = await listener.connect()
    const session = (await endpoint.session()).pause()
    await client.sendPattern(MIB)
    await steady(() => client.sent)
    client.reset()
    await eventually(() => expect(unreadBytes(session.localPort)).toBeGreaterThan(0))
    await settle()
    expect(world.engine.sessions()).toBe(1)
    await listener.publish({ halfCloseMs: SHORT_MS })
    expect(await listener.record()).toMatchObject({ end: 'client-reset' })
  })
})
