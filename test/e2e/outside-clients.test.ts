import { describe, expect, it } from 'vitest'
import { sayName } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { aService, type Json, placed } from '../support/objects.ts'
import { enterOwnNetwork } from '../support/own-network.ts'
import { describeOnEngines, slicesOf, type World } from '../support/world.ts'

const CLUSTER = '127.70.37.1:8080'
const OUTSIDE = '203.0.113.1:8080'
const NODE = '127.70.37.250:30080'
const BALANCER = '203.0.113.9:8080'
/** Addresses of no interface: whoever comes from there is on another machine, as far as anyone here can tell. */
const STRANGER = '198.51.100.7'
const FRIEND = '198.51.100.8'
/** A client on this node. */
const LOCAL = '127.70.37.99'
const missing = enterOwnNetwork(['198.51.100.0/24', '203.0.113.0/24'])

const METRICS = '127.70.37.254:10249'
const STOPPING = { ready: false, serving: true, terminating: true }
const STOPPED = { ready: false, serving: false, terminating: true }
const here = (conditions: Json = {}): Json => ({ nodeName: 'node-1', conditions })
const away = (conditions: Json = {}): Json => ({ nodeName: 'node-2', conditions })

const web = (spec: Json = {}, rest: Json = {}) => {
  const ports = [{ port: 8080, nodePort: 30_080 }]
  const own = { type: 'NodePort', clusterIP: '127.70.37.1', externalIPs: ['203.0.113.1'], externalTrafficPolicy: 'Local', ports }
  return aService('web', { ...own, ...spec }, {}, rest)
}

/** Who answers a client from there. */
async function whoFor(world: World, from: string, address = OUTSIDE): Promise<string> {
  return [...new Set(await world.askTimes(6, address, from))].sort().join('')
}

const name = `clients from other machines${missing === undefined ? '' : ` (skipped: ${missing})`}`
describe.skipIf(missing !== undefined)(name, () => {
  describeOnEngines('an external policy of Local', '127.70.37', (open) => {
    it('gives clients from outside what is on this node, and clients on this node everything', async () => {
      await using world = await open({ inputs: { nodeLabel: ['topology.kubernetes.io/zone=a'] } })
      const slices = slicesOf('web', await world.endpoints('a', 'b', 'c', 'd'))
      const hinted = (place: Json, zone: string): Json => ({ ...place, hints: { forZones: [{ name: zone }] } })
      const both = async () => [await whoFor(world, STRANGER), await whoFor(world, LOCAL)]
      // Case 94.
      const places = [hinted(here(), 'a'), hinted(here(), 'b'), hinted(away(), 'c'), hinted(away(), 'a')]
      await world.apply(web(), placed(slices, ...places))
      expect(await both()).toEqual(['ab', 'ad'])
      // Case 108.
      await world.apply(web(), placed(slices, here(), away()))
      expect(await both()).toEqual(['a', 'ab'])
      expect([await whoFor(world, STRANGER, NODE), await whoFor(world, STRANGER, CLUSTER)]).toEqual(['a', 'ab'])
      // Case 111.
      await world.apply(web(), placed(slices, away(), here(STOPPED), here(STOPPING), away(STOPPING)))
      expect(await both()).toEqual(['c', 'a'])
      // Case 112.
      const proxied = { status: { loadBalancer: { ingress: [{ ip: '203.0.113.9', ipMode: 'Proxy' }] } } }
      const unreachable = { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, externalIPs: [], ports: [{ port: 8080 }] }
      await world.apply(web(unreachable, proxied), placed(slices, away(), away()))
      expect(await whoFor(world, STRANGER, CLUSTER)).toBe('ab')
    })

    // Cases 109 and 110.
    it('resets clients from outside before a byte where nothing is on this node, counts them, and serves the others', async () => {
      await using world = await open({ inputs: { metricsBindAddress: METRICS } })
      const slices = slicesOf('web', await world.endpoints('a', 'b'))
      const metrics = async () => [
        await world.metric(METRICS, 'portald_session_ends_total{service="default/web:",protocol="TCP",end="no-endpoint"}'),
        await world.metric(
          METRICS,
          'kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="external"}',
        ),
        await world.metric(
          METRICS,
          'kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="internal"}',
        ),
      ]
      const policies = { internalTrafficPolicy: 'Local' }
      for (const [n, conditions] of [{}, STOPPING].entries()) {
        await world.apply(web(policies), placed(slices, away(conditions), away(conditions)))
        for (const address of [OUTSIDE, NODE]) {
          expect(await world.turnedAway(address, STRANGER)).toBe('reset')
          expect(await whoFor(world, LOCAL, address)).toBe('ab')
        }
        expect(await world.turnedAway(CLUSTER, LOCAL)).toBe('refused')
        await eventually(async () => expect(await metrics()).toEqual([2 * (n + 1), 1, 1]))
      }
      const refused = await eventually(() => {
        const found = world.records.filter(({ end }) => end === 'no-endpoint')
        expect(found).toHaveLength(4)
        return found
      })
      expect(refused[0]).toMatchObject({ attempts: 0, endpoint: undefined, service: 'default/web:/TCP', bytesFromEndpoint: 0 })
      // It is a matter of endpoints only: sockets stay as they are.
      await world.apply(web(policies), placed(slices, here(), away()))
      expect(await whoFor(world, STRANGER)).toBe('a')
      expect(await metrics()).toEqual([4, 0, 0])
    })

    it('refuses everybody where there is no endpoint on any node', async () => {
      await using world = await open()
      await world.apply(web(), placed(slicesOf('web', await world.endpoints('a')), here({ ready: false })))
      for (const address of [OUTSIDE, NODE, CLUSTER]) {
        expect(await world.turnedAway(address, STRANGER)).toBe('refused')
        expect(await world.turnedAway(address, LOCAL)).toBe('refused')
      }
    })

    it('says nothing to datagrams from outside where nothing is on this node, and answers the others', async () => {
      await using world = await open()
      const udp = web({ ports: [{ port: 8080, protocol: 'UDP', nodePort: 30_080 }] })
      const slices = slicesOf('web', [await world.udpEndpoint(sayName('a'))], { protocol: 'UDP' })
      await world.apply(udp, placed(slices, away()))
      const stranger = await world.udpClient(OUTSIDE, STRANGER)
      stranger.send('anybody?')
      expect((await world.ended(1))[0]).toMatchObject({ end: 'no-endpoint', service: 'default/web:/UDP' })
      expect(`${await (await world.udpClient(OUTSIDE, LOCAL)).ask('x')}`).toBe('a')
      expect({ replies: stranger.replies, errors: stranger.errors }).toEqual({ replies: [], errors: [] })
      await world.apply(udp, placed(slices, here()))
      expect(`${await stranger.askAgain('now?')}`).toBe('a')
    })

    it('takes a UDP session from a client outside when its endpoint is no more on this node, and leaves it to one here', async () => {
      await using world = await open()
      const udp = web({ ports: [{ port: 8080, protocol: 'UDP', nodePort: 30_080 }] })
      const slices = slicesOf('web', await world.udpEndpoints('a', 'b'), { protocol: 'UDP' })
      await world.apply(udp, placed(slices, here(), { ...away(), conditions: { ready: false } }))
      const [stranger, local] = [await world.udpClient(OUTSIDE, STRANGER), await world.udpClient(OUTSIDE, LOCAL)]
      for (const client of [stranger, local]) expect(`${await client.ask('x')}`).toBe('a')
      await world.apply(udp, placed(slices, away(), here()))
      expect([`${await stranger.askAgain('y')}`, `${await local.askAgain('y')}`]).toEqual(['b', 'a'])
    })

    it('counts the pods of this node as being on it', async () => {
      await using world = await open()
      const slices = placed(slicesOf('web', await world.endpoints('a', 'b')), here(), away())
      const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' }, spec: { podCIDR: '198.51.100.8/29' } }
      await world.apply(web(), slices, node)
      expect([await whoFor(world, STRANGER), await whoFor(world, FRIEND)]).toEqual(['a', 'ab'])
    })

    it('can be changed at any time under sessions that go on', async () => {
      await using world = await open()
      const slices = placed(slicesOf('web', await world.endpoints('a', 'b')), { ...here(), conditions: { ready: false } }, away())
      const cluster = { externalTrafficPolicy: 'Cluster' }
      await world.apply(web(cluster), slices)
      const held = await world.greeted(OUTSIDE, STRANGER)
      await world.apply(web(), slices)
      expect(await world.turnedAway(OUTSIDE, STRANGER)).toBe('reset')
      await world.apply(web(cluster), slices)
      expect(await whoFor(world, STRANGER)).toBe('b')
      await held.send(' still')
      await held.receives('b still')
      expect(world.log.of('listener.closed')).toEqual([])
    })
  })

  describeOnEngines('a source range', '127.70.37', (open) => {
    const guarded = (spec: Json = {}) =>
      web(
        { type: 'LoadBalancer', loadBalancerSourceRanges: [`${FRIEND}/32`], ...spec },
        { status: { loadBalancer: { ingress: [{ ip: '203.0.113.9' }] } } },
      )

    it('resets who is outside of it before a byte, whatever else is right, and counts it as denied', async () => {
      await using world = await open()
      const slices = slicesOf('web', await world.endpoints('a', 'b'))
      await world.apply(guarded(), placed(slices, here(), away()))
      expect(await world.turnedAway(BALANCER, STRANGER)).toBe('reset')
      expect([await whoFor(world, FRIEND, BALANCER), await whoFor(world, STRANGER)]).toEqual(['a', 'a'])
      expect(await world.turnedAway(BALANCER, LOCAL)).toBe('reset')
      await world.apply(guarded(), placed(slices, away(), away()))
      expect([await world.turnedAway(BALANCER, STRANGER), await world.turnedAway(BALANCER, FRIEND)]).toEqual(['reset', 'reset'])
      const ends = (await world.ended(16)).map(({ client, end }) => `${client.split(':')[0]} ${end}`)
      expect(ends.filter((end) => !/ client-/.test(end)).sort()).toEqual(
        [`${STRANGER} denied`, `${STRANGER} denied`, `${LOCAL} denied`, `${FRIEND} no-endpoint`].sort(),
      )
    })

    it('on an address without endpoints is not what clients hear of: they are refused', async () => {
      await using world = await open()
      await world.apply(guarded())
      for (const client of [FRIEND, STRANGER]) expect(await world.turnedAway(BALANCER, client)).toBe('refused')
    })
  })
})
