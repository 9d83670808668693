import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { Ip, Port } from '../../src/model/keys.ts'
import { eventually } from '../support/eventually.ts'
import { hasIpv6, WITHOUT_IPV6 } from '../support/ipv6.ts'
import { knock } from '../support/tcp-client.ts'
import type { Cases } from './engine.cases.ts'

/** Opening, parking, closing and draining addresses, and changing routes under sessions that run. */
export function listenerCases({ open, itCan }: Cases): void {
  describe('a route', () => {
    it('changes for new sessions and leaves those that run alone', async () => {
      await using world = await open()
      const [before, after] = [await world.tcpEndpoint('echo'), await world.tcpEndpoint('say new, shut')]
      const listener = await world.listen({ endpoints: [before] })
      const client = await listener.connect()
      await client.send('one')
      await client.receives('one')
      await listener.publish({ endpoints: [after] })
      expect(await listener.ask()).toBe('new')
      await client.send(' two')
      await client.receives('one two')
      client.halfClose()
      expect(await client.closes()).toBe('end')
      expect((await listener.records(2)).map(({ lease }) => lease).sort()).toEqual(
        [listener.lease(before), listener.lease(after)].sort(),
      )
    })

    it('can change a hundred times under sessions that run', async () => {
      await using world = await open()
      const endpoints = await Promise.all(['echo', 'echo', 'echo'].map((script) => world.tcpEndpoint(script)))
      const listener = await world.listen({ endpoints })
      const clients = await Promise.all(Array.from({ length: 20 }, () => listener.connect()))
      for (let n = 1; n <= 100; n++) {
        await listener.publish({ endpoints: endpoints.filter((_, index) => index === n % 3 || n % 2 === 0) })
        await Promise.all(clients.map((client) => client.send('x')))
        if (n % 10 === 0) clients.push(await listener.connect())
      }
      for (const client of clients) client.halfClose()
      for (const client of clients) expect(await client.closes()).toBe('end')
      for (const client of clients.slice(0, 20)) expect(client.received.bytes).toBe(100)
    })
  })

  describe('a listener', () => {
    it('that is parked refuses clients, lets sessions go on, and opens again', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('echo')] })
      const client = await listener.connect()
      await client.send('before')
      await client.receives('before')
      await listener.park()
      expect(await knock(listener.address)).toBe('refused')
      await client.send(' meanwhile')
      await client.receives('before meanwhile')
      expect((await listener.open()).state).toBe('listening')
      const other = await listener.connect()
      await other.send('again')
      await other.receives('again')
      await client.send(' after')
      await client.receives('before meanwhile after')
      for (let n = 0; n < 5; n++) {
        await listener.park()
        expect(await knock(listener.address)).toBe('refused')
        expect((await listener.open()).state).toBe('listening')
        const next = await listener.connect()
        await next.send('next')
        await next.receives('next')
        next.reset()
      }
      await listener.records(5)
    })

    itCan('keep-parked-address', 'that is parked keeps its address', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: await world.namedEndpoints(1) })
      await listener.park()
      const other = createServer().listen(listener.address.port, listener.address.ip)
      const failed = await Promise.race([once(other, 'listening').then(() => undefined), once(other, 'error')])
      other.close()
      expect(failed?.[0].code).toBe('EADDRINUSE')
    })

    it('that is closed leaves its sessions running where it is told to keep them', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('echo')] })
      const client = await listener.connect()
      await client.send('before')
      await client.receives('before')
      await listener.close('keep')
      expect(await knock(listener.address)).toBe('refused')
      await client.send(' after')
      await client.receives('before after')
      client.halfClose()
      expect(await client.closes()).toBe('end')
      expect(await listener.record()).toMatchObject({ end: 'client-closed', bytesFromClient: 12 })
    })

    it('that is closed with a cut ends its sessions and no others', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('say hello')
      const [closed, other] = [await world.listen({ endpoints: [endpoint] }), await world.listen({ endpoints: [endpoint] })]
      const [client, staying] = [await closed.connect(), await other.connect()]
      await Promise.all([client.receives('hello'), staying.receives('hello')])
      await closed.close('cut')
      expect(await client.closes()).toBe('reset')
      expect((await closed.record()).end).toBe('endpoint-removed')
      expect(staying.outcome).toBeUndefined()
    })

    it('that is closed leaves sessions that a later cut still reaches', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('say hello')
      const listener = await world.listen({ endpoints: [endpoint] })
      const client = await listener.connect()
      await client.receives('hello')
      await listener.close('keep')
      expect(await world.engine.cut({ leases: [listener.lease(endpoint)] }, 'endpoint-removed')).toBe(1)
      expect(await client.closes()).toBe('reset')
      expect((await listener.record()).end).toBe('endpoint-removed')
    })

    it('that is closed frees its address at once, under sessions that go on', async () => {
      await using world = await open()
      const first = await world.listen({ endpoints: [await world.tcpEndpoint('say old')] })
      const client = await first.connect()
      await client.receives('old')
      await world.engine.close(first.spec.id, 'keep')
      const second = await world.listen({ endpoints: [await world.tcpEndpoint('say new, shut')], at: first.address })
      expect(await second.ask()).toBe('new')
      expect(client.outcome).toBeUndefined()
    })

    it('for TCP and one for UDP share an address and a port number', async () => {
      await using world = await open()
      const at = world.freeAddress()
      const tcp = await world.listen({ endpoints: await world.namedEndpoints(1), at })
      const udp = await world.listen({ protocol: 'UDP', endpoints: [await world.udpEndpoint((datagram) => datagram)], at })
      expect(await tcp.ask()).toBe('a')
      expect(`${await (await udp.udpClient()).ask('hello')}`).toBe('hello')
      await tcp.close('keep')
      expect(`${await (await udp.udpClient()).ask('still')}`).toBe('still')
    })

    it('that never opened can be closed', async () => {
      await using world = await open()
      const listener = await world.claim({ endpoints: await world.namedEndpoints(1) })
      await listener.close('keep')
      await listener.park()
    })

    it('whose address is taken says so, and opens once it is free', async () => {
      await using world = await open()
      const address = world.freeAddress()
      const other = createServer().listen(address.port, address.ip)
      await once(other, 'listening')
      const listener = await world.claim({ endpoints: await world.namedEndpoints(1), at: address })
      expect(await listener.open()).toMatchObject({ state: 'failed', code: 'EADDRINUSE' })
      other.close()
      await once(other, 'close')
      expect((await listener.open()).state).toBe('listening')
      expect(await listener.ask()).toBe('a')
    })

    it('whose address this machine does not have says so', async () => {
      await using world = await open()
      for (const protocol of ['TCP', 'UDP'] as const) {
        const at = { ip: '198.51.100.77' as Ip, port: 4_000 as Port }
        const listener = await world.claim({ endpoints: [], protocol, at })
        const status = await listener.open()
        expect(status).toMatchObject({ state: 'failed', code: 'EADDRNOTAVAIL' })
        expect('message' in status && status.message).toContain(`listen ${protocol.toLowerCase()} 198.51.100.77:4000: `)
      }
    })

    itCan('free-bind', 'is bound to an address that this machine does not have if told to', async () => {
      await using world = await open()
      for (const protocol of ['TCP', 'UDP'] as const) {
        for (const ip of hasIpv6 ? ['198.51.100.78', '2001:db8:78::1'] : ['198.51.100.78']) {
          const at = { ip: ip as Ip, port: 4_000 as Port }
          const listener = await world.claim({ endpoints: [], protocol, at, freeBind: true })
          expect(await listener.open()).toMatchObject({ state: 'listening' })
        }
      }
    })

    it.skipIf(!hasIpv6)(`serves IPv6${WITHOUT_IPV6}`, async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('echo', '::1')
      const listener = await world.listen({ endpoints: [endpoint], at: world.freeAddress('::1') })
      const client = await listener.connect()
      await client.send('hello')
      client.halfClose()
      expect(await client.closes()).toBe('end')
      expect(client.text).toBe('hello')
      expect(await listener.record()).toMatchObject({ word0: 0, word1: 0, word2: 0, word3: 1 })
    })
  })

  describe('a drain', () => {
    it('serves whom the system had accepted, refuses who comes later, and ends with the last session', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('echo')] })
      const [running] = await Promise.all([listener.connect()])
      await running.send('before')
      await running.receives('before')
      const queued = Array.from({ length: 30 }, () => listener.start())
      // One tick: they are connected as far as the system is concerned, and the engine has not been asked yet.
      await new Promise<void>((resolve) => process.nextTick(resolve))
      let drained = false
      const draining = world.engine.drain().then(() => {
        drained = true
      })
      for (const client of queued) await client.send('queued')
      await Promise.all(queued.map((client) => client.receives('queued')))
      await eventually(async () => expect(await knock(listener.address)).toBe('refused'))
      await running.send(' during')
      await running.receives('before during')
      expect(drained).toBe(false)
      for (const client of [...queued, running]) client.halfClose()
      for (const client of [...queued, running]) expect(await client.closes()).toBe('end')
      await draining
      expect(world.engine.sessions()).toBe(0)
    })

    it('includes sessions of listeners that are parked or closed', async () => {
      await using world = await open()
      const endpoint = await world.tcpEndpoint('say hello')
      const [parked, closed] = [await world.listen({ endpoints: [endpoint] }), await world.listen({ endpoints: [endpoint] })]
      const clients = [await parked.connect(), await closed.connect()]
      for (const client of clients) await client.receives('hello')
      await parked.park()
      await closed.close('keep')
      let drained = false
      const draining = world.engine.drain().then(() => {
        drained = true
      })
      clients[0]?.reset()
      await parked.record()
      expect(drained).toBe(false)
      clients[1]?.reset()
      await draining
      expect((await closed.records(1)).length).toBe(1)
    })

    it('is over at once where nothing runs, and after a cut', async () => {
      await using world = await open()
      const listener = await world.listen({ endpoints: [await world.tcpEndpoint('say hello')] })
      const client = await listener.connect()
      await client.receives('hello')
      const draining = world.engine.drain()
      await world.engine.cut({}, 'drained')
      await draining
      expect((await listener.record()).end).toBe('drained')
      await world.engine.drain()
    })
  })
}
