import { describe, expect, it } from 'vitest'
import { echoDatagram } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { aService, type Json } from '../support/objects.ts'
import type { TcpPeer } from '../support/tcp-peer.ts'
import { describeOnEngines, slicesOf, type World } from '../support/world.ts'

const WEB = '127.132.1.1:8080'
const DNS = '127.132.1.1:5353'
const [ALICE, BOB, CAROL] = ['127.132.1.211', '127.132.1.212', '127.132.2.213']
const LINE = (client: string) => `PROXY TCP4 ${client} 198.51.100.7 56324 443\r\n`

const service = (annotations: Json, spec: Json = {}) =>
  aService(
    'web',
    { clusterIP: '127.132.1.1', ports: [{ name: 'web', port: 8080 }], ...spec },
    { annotations: Object.fromEntries(Object.entries(annotations).map(([name, value]) => [`portald.io/${name}`, value])) },
  )
const dns = (annotations: Json) => service(annotations, { ports: [{ name: 'dns', port: 5353, protocol: 'UDP' }] })

describeOnEngines('limits on clients', '127.132.1', (open, engine) => {
  describe.each(engine === 'node' ? [1] : [1, 4])('with %i workers', (workers) => {
    const openMany = () => open({ inputs: { workers } })

    /** What new clients from here find, one after the other. */
    async function come(world: World, from: string, times: number): Promise<{ held: TcpPeer[]; away: number }> {
      const held: TcpPeer[] = []
      let away = 0
      for (let n = 0; n < times; n++) {
        const client = await world.greeted(WEB, from).catch(() => undefined)
        if (client) held.push(client)
        else away++
      }
      return { held, away }
    }
    const ends = (world: World) => world.records.map(({ end }) => end).sort()

    it('lets a client have so many sessions at once, whichever worker has them, and others as many', async () => {
      await using world = await openMany()
      await world.apply(service({ 'client-sessions': '5' }), slicesOf('web', await world.endpoints('a'), { name: 'web' }))
      const alice = await come(world, ALICE, 12)
      expect([alice.held.length, alice.away]).toEqual([5, 7])
      const bob = await come(world, BOB, 6)
      expect([bob.held.length, bob.away]).toEqual([5, 1])
      await world.ended(8)
      expect(ends(world)).toEqual(Array.from({ length: 8 }, () => 'client-limit'))
      // One that ends makes room for one.
      await alice.held[0]?.halfClose().closes()
      await world.ended(9)
      const again = await come(world, ALICE, 3)
      expect([again.held.length, again.away]).toEqual([1, 2])
    })

    it('counts many that come at the same moment exactly', async () => {
      await using world = await openMany()
      await world.apply(service({ 'client-sessions': '20' }), slicesOf('web', await world.endpoints('a'), { name: 'web' }))
      const crowd = await Promise.all(Array.from({ length: 100 }, () => come(world, ALICE, 1)))
      expect(crowd.flatMap(({ held }) => held).length).toBe(20)
      await world.ended(80)
      expect(new Set(ends(world))).toEqual(new Set(['client-limit']))
    })

    it('holds for UDP sessions, and lets go of them as they end', async () => {
      await using world = await openMany()
      const endpoint = await world.udpEndpoint(echoDatagram)
      const slices = slicesOf('web', [endpoint], { name: 'dns', protocol: 'UDP' })
      await world.apply(dns({ 'client-sessions': 'udp=3', 'udp-responses': '1000' }), slices)
      const clients = await Promise.all(Array.from({ length: 3 }, () => world.udpClient(DNS, ALICE)))
      for (const client of clients) await client.ask('hello')
      const fourth = await world.udpClient(DNS, ALICE)
      fourth.send('hello')
      expect((await world.ended(1))[0]).toMatchObject({ end: 'client-limit', client: `${ALICE}:${fourth.port}`, attempts: 0 })
      await (await world.udpClient(DNS, BOB)).ask('hello')
      // A limit that is taken back, and another one: what runs goes on counting.
      await world.apply(dns({ 'client-sessions': 'udp=4', 'udp-responses': '1000' }), slices)
      await fourth.ask('hello')
      const fifth = await world.udpClient(DNS, ALICE)
      fifth.send('hello')
      await eventually(() => expect(ends(world)).toEqual(['client-limit', 'client-limit']))
    })

    it('lets a client begin sessions no faster than it may', async () => {
      await using world = await openMany()
      await world.apply(service({ 'client-rate': '1/m,burst=4' }), slicesOf('web', await world.endpoints('a'), { name: 'web' }))
      const alice = await Promise.all(Array.from({ length: 20 }, () => come(world, ALICE, 1)))
      expect(alice.flatMap(({ held }) => held).length).toBe(4)
      expect((await come(world, BOB, 6)).held.length).toBe(4)
      await world.ended(18)
      expect(ends(world)).toEqual(Array.from({ length: 18 }, () => 'client-rate'))
    })

    it('lets all clients together begin sessions no faster than they may', async () => {
      await using world = await openMany()
      const slices = slicesOf('web', await world.endpoints('a'), { name: 'web' })
      await world.apply(service({ 'service-rate': '1/m,burst=6', 'client-sessions': '4' }), slices)
      const crowd = await Promise.all([ALICE, BOB, CAROL].map((from) => come(world, from, 4)))
      expect(crowd.flatMap(({ held }) => held).length).toBe(6)
      await world.ended(6)
      expect(ends(world)).toEqual(Array.from({ length: 6 }, () => 'service-rate'))
      // Who was turned away for that reason has no session: its own limit is not reached.
      await world.apply(service({ 'client-sessions': '4' }), slices)
      expect(
        (await Promise.all([ALICE, BOB, CAROL].map((from) => come(world, from, 4)))).flatMap(({ held }) => held).length,
      ).toBe(6)
    })

    it('goes by the client that a PROXY header names', async () => {
      await using world = await openMany()
      const annotations = { 'client-sessions': '1', 'deny-from': '203.0.113.0/24', 'accept-proxy': BOB }
      await world.apply(service(annotations), slicesOf('web', await world.endpoints('a'), { name: 'web' }))
      const say = async (client: string) => {
        const peer = await world.connect(WEB, BOB)
        await peer.send(LINE(client))
        return peer
      }
      const first = await (await say('192.0.2.1')).receives(1)
      await (await say('192.0.2.2')).receives(1)
      expect(await (await say('192.0.2.1')).ends()).toBe('reset')
      expect(await (await say('203.0.113.9')).ends()).toBe('reset')
      await world.ended(2)
      expect(ends(world)).toEqual(['client-limit', 'denied'])
      await first.halfClose().closes()
      await world.ended(3)
      await (await say('192.0.2.1')).receives(1)
    })

    it('takes the clients of one network for one where it is told to', async () => {
      await using world = await openMany()
      const slices = slicesOf('web', await world.endpoints('a'), { name: 'web' })
      await world.apply(service({ 'client-sessions': '2', 'client-prefix': '24,64' }), slices)
      expect((await come(world, ALICE, 1)).held.length).toBe(1)
      expect((await come(world, BOB, 3)).held.length).toBe(1)
      expect((await come(world, CAROL, 3)).held.length).toBe(2)
    })

    it('permits and denies by address, on every address of the Service', async () => {
      await using world = await openMany()
      const slices = slicesOf('web', await world.endpoints('a'), { name: 'web' })
      await world.apply(service({ 'allow-from': '127.132.1.0/24', 'deny-from': BOB }), slices)
      expect(await world.ask(WEB, ALICE)).toBe('a')
      expect(await world.turnedAway(WEB, BOB)).toBe('reset')
      expect(await world.turnedAway(WEB, CAROL)).toBe('reset')
      await world.ended(3)
      expect(ends(world)).toEqual(['client-closed', 'denied', 'denied'])
      await world.apply(service({ 'deny-from': ALICE }), slices)
      expect(await world.turnedAway(WEB, ALICE)).toBe('reset')
      expect(await world.ask(WEB, CAROL)).toBe('a')
    })

    it('leaves a client without an answer where it is told to, and does not wait for it', async () => {
      await using world = await openMany()
      const endpoint = await world.tcpEndpoint('say a, echo')
      const slices = slicesOf('web', [endpoint], { name: 'web' })
      await world.apply(service({ 'client-sessions': '1', 'turn-away': 'drop' }), slices)
      const kept = await world.greeted(WEB, ALICE)
      const dropped = await world.connect(WEB, ALICE)
      await dropped.send('hello')
      await eventually(() => expect(world.proxy.read().sessions).toBe(2))
      // It has no session of its own that would count: the limit is what keeps it out.
      expect(await world.ask(WEB, BOB)).toBe('a')
      await kept.halfClose().closes()
      expect(await world.ask(WEB, ALICE)).toBe('a')
      expect([dropped.text, dropped.closed]).toEqual(['', false])
      expect(await dropped.ends()).toBe('reset')
      const record = (await world.ended(4)).find(({ end }) => end === 'client-limit')
      expect(record).toMatchObject({ bytesFromClient: 0, attempts: 0 })
      expect(record?.durationMs).toBeGreaterThan(9_000)
    })

    it('has a client wait that only comes too fast, where it is told to', async () => {
      await using world = await openMany()
      const endpoint = await world.tcpEndpoint('say a, echo')
      const slices = slicesOf('web', [endpoint], { name: 'web' })
      await world.apply(service({ 'client-rate': '2/s,burst=1', 'turn-away': 'delay' }), slices)
      const begunMs = performance.now()
      const crowd = await Promise.all(
        Array.from({ length: 4 }, async (_, n) => {
          const client = await world.connect(WEB, ALICE)
          // What it says meanwhile is not lost, nor that it is done.
          await client.send(`hello ${n}`)
          return await client.halfClose().receives(`ahello ${n}`)
        }),
      )
      // Three of them had to wait, the last one for a second and a half.
      expect(performance.now() - begunMs).toBeGreaterThan(1_400)
      for (const client of crowd) expect(await client.closes()).toBe('end')
      expect((await world.ended(4)).map(({ end, attempts }) => `${end} ${attempts}`)).toEqual(
        Array.from({ length: 4 }, () => 'client-closed 1'),
      )
      // One that leaves while it waits is none the endpoint hears of twice, and keeps nobody else.
      const [, gone] = [await world.greeted(WEB, BOB), await world.connect(WEB, BOB)]
      gone.reset()
      await world.greeted(WEB, BOB)
      await eventually(() => expect(ends(world).filter((end) => end === 'client-reset').length).toBe(1))
    })

    it('is counted in the metrics by reason', async () => {
      const metricsBindAddress = `127.132.1.249:${engine === 'node' ? 10_249 : 10_248}`
      await using world = await open({ inputs: { workers, metricsBindAddress } })
      await world.apply(service({ 'client-sessions': '1' }), slicesOf('web', await world.endpoints('a'), { name: 'web' }))
      expect((await come(world, ALICE, 3)).away).toBe(2)
      await world.ended(2)
      const name = 'portald_session_ends_total{service="default/web:web",protocol="TCP",end="client-limit"}'
      expect(await world.metric(metricsBindAddress, name)).toBe(2)
      expect(await world.metric(metricsBindAddress, 'portald_uncounted_sessions_total')).toBe(0)
    })
  })
})
