import { expect, it } from 'vitest'
import { sayName, type UdpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { aService } from '../support/objects.ts'
import { describeOnEngines, slicesOf, type World } from '../support/world.ts'

const METRICS = '127.70.21.254:10249'
const WEB = '127.70.21.1:8080'
const DNS = '127.70.21.1:5353'
const LABELS = 'service="default/web:",protocol="TCP"'
const web = (spec: object = {}) => aService('web', { clusterIP: '127.70.21.1', ports: [{ port: 8080 }], ...spec })
const dns = () => aService('dns', { clusterIP: '127.70.21.1', ports: [{ port: 5353, protocol: 'UDP' }] })

const expectMetric = (world: World, name: string, value: number | undefined) =>
  eventually(async () => expect(await world.metric(METRICS, name), name).toBe(value))

describeOnEngines('metrics', '127.70.21', (open, engine) => {
  it('tell of sessions while they run and when they have ended', async () => {
    await using world = await open({ inputs: { metricsBindAddress: METRICS } })
    const endpoints = await world.endpoints('a', 'b')
    const named = (await world.udpEndpoint(sayName('u'))) as UdpEndpoint
    const slices = [slicesOf('web', endpoints), slicesOf('dns', [named], { protocol: 'UDP' })]
    await world.apply(web({ sessionAffinity: 'ClientIP' }), dns(), ...slices)
    const held = [await world.greeted(WEB), await world.greeted(WEB), await world.greeted(WEB)]
    const client = await world.udpClient(DNS)
    await client.ask('x')
    await client.ask('xyz')
    await expectMetric(world, `portald_sessions_active{${LABELS}}`, 3)
    await expectMetric(world, 'portald_sessions_active{service="default/dns:",protocol="UDP"}', 1)
    await expectMetric(world, 'portald_listeners{state="listening"}', 2)
    await expectMetric(world, `portald_affinity_misses_total{${LABELS}}`, 1)
    await expectMetric(world, `portald_affinity_hits_total{${LABELS}}`, 2)
    for (const one of held) {
      await one.send('12345')
      await one.receives('12345')
      one.halfClose()
    }
    await expectMetric(world, `portald_sessions_active{${LABELS}}`, 0)
    await expectMetric(world, `portald_sessions_total{${LABELS}}`, 3)
    await expectMetric(world, `portald_bytes_total{${LABELS},direction="from-client"}`, 15)
    await expectMetric(world, `portald_bytes_total{${LABELS},direction="from-endpoint"}`, 18)
    await expectMetric(world, `portald_session_ends_total{${LABELS},end="client-closed"}`, 3)
    await expectMetric(world, `portald_build_info{version="test",engine="${engine}",workers="${engine === 'node' ? 1 : 2}"}`, 1)
    const revision = (await world.metric(METRICS, 'portald_snapshot_revision')) ?? 0
    await world.apply(web(), dns(), ...slices, { apiVersion: 'v1', kind: 'Service' })
    await expectMetric(world, 'portald_snapshot_revision', revision + 1)
    expect(await world.metric(METRICS, 'portald_problems{severity="error"}')).toBeGreaterThan(0)
    // Counts outlive a change of the Service, and go with it.
    await expectMetric(world, `portald_sessions_total{${LABELS}}`, 3)
    await world.apply(dns(), ...slices)
    await expectMetric(world, `portald_sessions_total{${LABELS}}`, undefined)
    await expectMetric(world, 'portald_listeners{state="listening"}', 1)
  })

  it('tell of a UDP session’s datagrams when it has ended', async () => {
    await using world = await open({ inputs: { metricsBindAddress: METRICS, udpTimeout: '300ms' } })
    await world.apply(dns(), slicesOf('dns', [await world.udpEndpoint(sayName('u'))], { protocol: 'UDP' }))
    const client = await world.udpClient(DNS)
    await client.ask('x')
    await client.ask('xyz')
    const labels = 'service="default/dns:",protocol="UDP"'
    await expectMetric(world, `portald_datagrams_total{${labels},direction="from-client"}`, 2)
    await expectMetric(world, `portald_bytes_total{${labels},direction="from-client"}`, 4)
    await expectMetric(world, `portald_datagrams_total{${labels},direction="from-endpoint"}`, 2)
  })
})
