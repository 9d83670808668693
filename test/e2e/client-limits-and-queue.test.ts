import { describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { aService, type Json } from '../support/objects.ts'
import type { TcpPeer } from '../support/tcp-peer.ts'
import { describeOnEngines, slicesOf, type World } from '../support/world.ts'

const WEB = '127.132.5.1:8080'
const METRICS = '127.132.5.250:10249'
const [ALICE, BOB, CAROL] = ['127.132.5.211', '127.132.5.212', '127.132.5.213']
const WAITING = 'portald_queue_sessions{service="default/web:web",protocol="TCP"}'

/** One session at once, two more that wait, and two for each client. */
const service = (annotations: Json = {}) =>
  aService(
    'web',
    { clusterIP: '127.132.5.1', ports: [{ name: 'web', port: 8080 }] },
    {
      annotations: {
        'portald.io/max-connections': '1',
        'portald.io/queue': '2',
        'portald.io/queue-timeout': '1h',
        'portald.io/client-sessions': '2',
        ...annotations,
      },
    },
  )

describeOnEngines('limits on clients of a Service with a queue', '127.132.5', (open, engine) => {
  describe.each(engine === 'node' ? [1] : [1, 4])('with %i workers', (workers) => {
    const openWeb = async (annotations: Json = {}) => {
      const world = await open({ inputs: { workers, metricsBindAddress: METRICS } })
      const slices = slicesOf('web', await world.endpoints('a'), { name: 'web' })
      await world.apply(service(annotations), slices)
      return { world, slices }
    }
    const waiting = (world: World, count: number) =>
      eventually(async () => expect(await world.metric(METRICS, WAITING)).toBe(count))
    /** A client that becomes the last of so many who wait. */
    const queueUp = async (world: World, from: string, count: number): Promise<TcpPeer> => {
      const client = await world.connect(WEB, from)
      await client.send('hello')
      await waiting(world, count)
      return client
    }
    const ends = (world: World) => world.records.map(({ end }) => end).sort()

    it('count one that waits for its client, until it ends, however it does', async () => {
      const opened = await openWeb()
      await using world = opened.world
      const holder = await world.greeted(WEB, ALICE)
      const impatient = await queueUp(world, ALICE, 1)
      // Her third: turned away for her own limit, while there is room in the queue.
      expect(await world.turnedAway(WEB, ALICE)).toBe('reset')
      const bob = await queueUp(world, BOB, 2)
      // The queue is full, more often than Carol may have sessions: none of these stays counted.
      for (let n = 0; n < 3; n++) {
        expect(await world.turnedAway(WEB, CAROL)).toBe('reset')
        await world.ended(2 + n)
      }
      expect(ends(world)).toEqual(['client-limit', 'over-limit', 'over-limit', 'over-limit'])

      // Who leaves the queue is not counted any more, and who comes back is the last in it.
      impatient.close()
      await world.ended(5)
      const alice = await queueUp(world, ALICE, 2)
      expect(await world.turnedAway(WEB, ALICE)).toBe('reset')
      holder.close()
      await bob.receives('ahello')
      expect(alice.text).toBe('')
      bob.close()
      await alice.receives('ahello')

      // She had her turn without being counted twice: one more may wait, and no other.
      await queueUp(world, ALICE, 1)
      expect(await world.turnedAway(WEB, ALICE)).toBe('reset')
      await queueUp(world, CAROL, 2)
      await world.apply(service({ 'portald.io/queue-timeout': '10ms' }), opened.slices)
      await world.ended(11)
      await world.apply(service(), opened.slices)
      await queueUp(world, ALICE, 1)
      expect(await world.turnedAway(WEB, ALICE)).toBe('reset')
      await world.ended(12)
      const counts = { 'client-closed': 3, 'client-limit': 4, 'over-limit': 3, 'queue-timeout': 2 }
      expect(ends(world)).toEqual(Object.entries(counts).flatMap(([end, times]) => Array.from({ length: times }, () => end)))
    })

    it('turn away one that waits when its address is ruled out, and nobody for a rate that it kept', async () => {
      const rate = { 'portald.io/client-rate': '1/m,burst=2', 'portald.io/turn-away': 'drop' }
      const opened = await openWeb(rate)
      await using world = opened.world
      const holder = await world.greeted(WEB, ALICE)
      const bob = await queueUp(world, BOB, 1)
      const alice = await queueUp(world, ALICE, 2)
      // Each that waits is asked about again by every change of the Service.
      for (const length of ['4', '3', '2']) await world.apply(service({ ...rate, 'portald.io/queue': length }), opened.slices)
      await world.apply(service({ ...rate, 'portald.io/deny-from': BOB }), opened.slices)
      expect(await bob.ends()).toBe('reset')
      expect((await world.ended(1))[0]).toMatchObject({ end: 'denied', attempts: 0 })
      holder.close()
      await alice.receives('ahello')
    })

    it('have one that comes too fast wait for its turn twice: by its rate, and in the queue', async () => {
      const { world: opened } = await openWeb({ 'portald.io/client-rate': '2/s,burst=1', 'portald.io/turn-away': 'delay' })
      await using world = opened
      const holder = await world.greeted(WEB, ALICE)
      const alice = await queueUp(world, ALICE, 1)
      expect(await world.turnedAway(WEB, ALICE)).toBe('reset')
      holder.close()
      await alice.receives('ahello')
      await alice.halfClose().closes()
      const records = await world.ended(3)
      expect(records.map(({ end, attempts }) => `${end} ${attempts}`).sort()).toEqual([
        'client-closed 1',
        'client-closed 1',
        'client-limit 0',
      ])
    })
  })
})
