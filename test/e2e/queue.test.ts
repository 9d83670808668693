import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parseYaml } from '../../src/source/yaml-text.ts'
import { eventually } from '../support/eventually.ts'
import { aService, type Json } from '../support/objects.ts'
import type { TcpPeer } from '../support/tcp-peer.ts'
import { describeOnEngines, slicesOf, type World } from '../support/world.ts'

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/queue.md'), 'utf8')
const DB = '127.131.1.10:5432'
const METRICS = '127.131.1.250:10249'

/** The Service of docs/queue.md. */
function shownService(): Json {
  const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(PAGE) ?? []
  const parsed = parseYaml(yaml)
  if (!('roots' in parsed)) throw new Error(parsed.message)
  return parsed.roots[0]?.value as Json
}

describeOnEngines('limits, queue and hold', '127.131.1', (open) => {
  /** Clients that wait, one after the other. */
  const queueUp = async (world: World, count: number): Promise<TcpPeer[]> => {
    const clients: TcpPeer[] = []
    for (let n = 0; n < count; n++) {
      const name = 'portald_queue_sessions{service="default/db:",protocol="TCP"}'
      const before = (await world.metric(METRICS, name)) ?? 0
      const client = await world.connect(DB)
      await client.send(`${n}`)
      await eventually(async () => expect(await world.metric(METRICS, name)).toBe(before + 1))
      clients.push(client)
    }
    return clients
  }

  it('go as the page shows them', async () => {
    await using world = await open({ inputs: { metricsBindAddress: METRICS } })
    const db = shownService()
    await world.apply(db)
    expect(world.states()).toEqual({ [`TCP/${DB}`]: 'listening' })
    // 1.
    const [first] = (await queueUp(world, 1)) as [TcpPeer]
    await eventually(() => expect(world.log.of('service.needs-endpoints')).toHaveLength(1))
    const [told] = world.log.of('service.needs-endpoints')
    expect(told?.fields).toMatchObject({ key: 'default/db:/TCP', reason: 'NeedEndpoints', clients: 1, waiting: 1 })
    expect(await world.metric(METRICS, 'portald_need_endpoints_total{service="default/db:",protocol="TCP"}')).toBe(1)
    // 2.
    await world.apply(db, slicesOf('db', await world.endpoints('a')))
    await first.receives('a0')
    // 3.
    await world.greeted(DB)
    const waiting = await queueUp(world, 3)
    // 4.
    expect(await world.start(DB).ends()).toBe('reset')
    expect((await world.ended(1))[0]).toMatchObject({ end: 'over-limit' })
    // 5.
    first.close()
    await waiting[0]?.receives('a0')
    // 6.
    for (const client of waiting.slice(1)) expect([await client.ends(), client.text]).toEqual(['reset', ''])
    const records = await world.ended(4)
    expect(records.filter(({ end }) => end === 'queue-timeout').map(({ attempts }) => attempts)).toEqual([0, 0])
    expect(await world.metric(METRICS, 'portald_queue_waits_total{service="default/db:",protocol="TCP"}')).toBe(4)
  })

  it('a Service that holds keeps its address open when its last endpoint leaves, and while none ever came', async () => {
    await using world = await open()
    const db = shownService()
    const slices = slicesOf('db', await world.endpoints('a'))
    await world.apply(db, slices)
    const running = await world.greeted(DB)
    await world.apply(db)
    const held = await world.connect(DB)
    await held.send('hello')
    await world.apply(db, slices)
    await held.receives('ahello')
    await running.send(' on')
    await running.receives('on')
    expect(world.log.of('listener.parked')).toEqual([])
    await world.apply(aService('db', { clusterIP: '127.131.1.10', ports: [{ port: 5432 }] }))
    expect(world.states()).toEqual({ [`TCP/${DB}`]: 'parked' })
  })

  it('an endpoint that is given weight again takes those who wait', async () => {
    await using world = await open({ inputs: { metricsBindAddress: METRICS } })
    const [a, b] = await world.endpoints('a', 'b')
    if (!a || !b) throw new Error('no endpoints')
    await world.apply(shownService(), slicesOf('db', [a, b]))
    world.proxy.setEndpoint('default/db', b.address.ip, { weight: 0 })
    const held = [await world.greeted(DB), await world.greeted(DB)]
    expect(held.map(({ text }) => text)).toEqual(['a', 'a'])
    const [client] = await queueUp(world, 1)
    world.proxy.setEndpoint('default/db', b.address.ip, {})
    await client?.receives('b0')
  })
})
