import { expect, it } from 'vitest'
import { sayName, TcpEndpoint } from '../support/echo.ts'
import { eventually } from '../support/eventually.ts'
import { hasIpv6, WITHOUT_IPV6 } from '../support/ipv6.ts'
import { aService, type Json } from '../support/objects.ts'
import type { TcpPeer } from '../support/tcp-peer.ts'
import { describeOnEngines, slicesOf, type World } from '../support/world.ts'

const CLUSTER = '127.70.34.1:8080'
const OUTSIDE = '127.70.34.2:8080'
const BALANCER = '127.70.34.3:8080'
const NODE = '127.70.34.250:30080'
const status = (...ingress: Json[]) => ({ status: { loadBalancer: { ingress } } })
const VIP = { ip: '127.70.34.3' }

const web = (spec: Json = {}, metadata: Json = {}, rest: Json = {}) =>
  aService('web', { clusterIP: '127.70.34.1', ports: [{ port: 8080 }], ...spec }, metadata, rest)
const NODE_PORT = { type: 'NodePort', ports: [{ port: 8080, nodePort: 30_080 }] }
const BALANCED = { ...NODE_PORT, type: 'LoadBalancer' }

/** Which of these addresses serve; every other one refuses. */
async function serving(world: World, ...addresses: string[]): Promise<string[]> {
  const found: string[] = []
  for (const address of addresses) {
    if ((await world.knock(address)) === 'refused') continue
    expect(await world.ask(address)).toBe('a')
    found.push(address)
  }
  return found
}

async function expectAlive(client: TcpPeer, text: string): Promise<void> {
  await client.send(text)
  await client.receives(text)
}

describeOnEngines('the type of a Service', '127.70.34', (open) => {
  it('can be changed at any time, and sessions on addresses that stay do not notice, nor do those on addresses that go', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    const all = [CLUSTER, NODE, BALANCER] as const
    const steps: [Json, Json, string[]][] = [
      [{}, {}, [CLUSTER]],
      [NODE_PORT, {}, [CLUSTER, NODE]],
      [BALANCED, {}, [CLUSTER, NODE]],
      [BALANCED, status(VIP), [CLUSTER, NODE, BALANCER]],
      [NODE_PORT, {}, [CLUSTER, NODE]],
      [BALANCED, status(VIP), [CLUSTER, NODE, BALANCER]],
      // A status that was left behind opens nothing.
      [{}, status(VIP), [CLUSTER]],
      [{ type: 'ExternalName', externalName: 'db.example.com' }, {}, []],
      [NODE_PORT, {}, [CLUSTER, NODE]],
      [{ type: 'ExternalName', externalName: 'db.example.com', clusterIP: '' }, {}, []],
      [{}, {}, [CLUSTER]],
    ]
    const held: TcpPeer[] = []
    for (const [n, [spec, rest, expected]] of steps.entries()) {
      await world.apply(web(spec, {}, rest), slices)
      expect(await serving(world, ...all), `step ${n}`).toEqual(expected)
      for (const address of expected) held.push(await world.greeted(address))
      for (const client of held) await expectAlive(client, ` step ${n}`)
    }
    // The clusterIP's socket stayed open as long as the Service had it: closed twice, for ExternalName.
    const closed = world.log.of('listener.closed').filter(({ fields }) => fields['key'] === `TCP/${CLUSTER}`)
    expect(closed).toHaveLength(2)
  })

  it('takes a UDP session with it only where its address goes', async () => {
    await using world = await open()
    const slices = slicesOf('web', [await world.udpEndpoint(sayName('a'))], { protocol: 'UDP' })
    const udp = (spec: Json) =>
      web({ ...spec, ports: [{ port: 8080, protocol: 'UDP', ...(spec['type'] ? { nodePort: 30_080 } : {}) }] })
    await world.apply(udp(NODE_PORT), slices)
    const [inside, outside] = [await world.udpClient(CLUSTER), await world.udpClient(NODE)]
    for (const client of [inside, outside]) expect(`${await client.ask('x')}`).toBe('a')
    await world.apply(udp({}), slices)
    expect(`${await inside.ask('y')}`).toBe('a')
    await eventually(() => {
      outside.send('y')
      expect(outside.errors).toContain('ECONNREFUSED')
    })
    expect((await world.ended(1)).map(({ local }) => local)).toEqual([NODE])
  })
})

describeOnEngines('what a Service says of itself', '127.70.34', (open) => {
  it.each(['service.kubernetes.io/service-proxy-name', 'service.kubernetes.io/headless'])(
    'withdraws and restores it with the label %s',
    async (label) => {
      await using world = await open()
      const slices = slicesOf('web', await world.endpoints('a'))
      await world.apply(web(), slices)
      const held = await world.greeted(CLUSTER)
      for (let n = 0; n < 3; n++) {
        await world.apply(web({}, { labels: { [label]: '' } }), slices)
        expect(await world.knock(CLUSTER)).toBe('refused')
        expect(world.states()).toEqual({})
        await world.apply(web(), slices)
        expect(await world.ask(CLUSTER)).toBe('a')
      }
      await expectAlive(held, ' still')
    },
  )

  it('is whose it is by its service-proxy-name', async () => {
    await using world = await open({ inputs: { serviceProxyName: 'edge' } })
    const slices = slicesOf('web', await world.endpoints('a'))
    const named = (name: string) => web({}, { labels: { 'service.kubernetes.io/service-proxy-name': name } })
    await world.apply(web(), slices)
    expect(world.states()).toEqual({})
    await world.apply(named('edge'), slices)
    expect(await world.ask(CLUSTER)).toBe('a')
    await world.apply(named('mesh'), slices)
    expect(await world.knock(CLUSTER)).toBe('refused')
  })

  it('leaves endpoints out that are labelled headless, until they are no more', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    const headless = slices.map((slice) => {
      const metadata = slice['metadata'] as Json
      const labels = { ...(metadata['labels'] as Json), 'service.kubernetes.io/headless': '' }
      return { ...slice, metadata: { ...metadata, labels } }
    })
    await world.apply(web(), headless)
    expect(await world.knock(CLUSTER)).toBe('refused')
    await world.apply(web(), slices)
    expect(await world.ask(CLUSTER)).toBe('a')
  })

  it('is reached at its load balancer’s address only where that is not a proxy of its own', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    const ingressed = (...ingress: Json[]) => web(BALANCED, {}, status(...ingress))
    await world.apply(ingressed({ ...VIP, ipMode: 'VIP' }), slices)
    const held = await world.greeted(BALANCER)
    await world.apply(ingressed({ ...VIP, ipMode: 'Proxy' }), slices)
    expect(await serving(world, BALANCER, CLUSTER, NODE)).toEqual([CLUSTER, NODE])
    await world.apply(ingressed({ hostname: 'lb.example.com' }), slices)
    expect(await serving(world, BALANCER, CLUSTER, NODE)).toEqual([CLUSTER, NODE])
    await world.apply(ingressed(VIP, { ip: '127.70.34.4' }), slices)
    expect(await serving(world, BALANCER, '127.70.34.4:8080')).toEqual([BALANCER, '127.70.34.4:8080'])
    await expectAlive(held, ' still')
  })

  it('has nodePorts for its load balancer unless it wants none', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    const balanced = (spec: Json) => web({ type: 'LoadBalancer', ...spec }, {}, status(VIP))
    const nodePorts = () => Object.keys(world.states()).filter((key) => key.startsWith('TCP/127.70.34.250:'))
    await world.apply(balanced({}), slices)
    const [assigned = ''] = nodePorts()
    expect(await world.ask(assigned.replace('TCP/', ''))).toBe('a')
    const held = await world.greeted(BALANCER)
    await world.apply(balanced({ allocateLoadBalancerNodePorts: false }), slices)
    expect(nodePorts()).toEqual([])
    // One with a number has it all the same.
    await world.apply(balanced({ allocateLoadBalancerNodePorts: false, ports: [{ port: 8080, nodePort: 30_080 }] }), slices)
    expect(nodePorts()).toEqual([`TCP/${NODE}`])
    await world.apply(balanced({}), slices)
    expect(nodePorts()).toEqual([assigned])
    await expectAlive(held, ' still')
  })

  it('is reached at externalIPs, each for itself', async () => {
    await using world = await open()
    const slices = slicesOf('web', await world.endpoints('a'))
    await world.apply(web({ externalIPs: ['127.70.34.2'] }), slices)
    const held = await world.greeted(OUTSIDE)
    await world.apply(web({ externalIPs: ['127.70.34.5', '127.70.34.2'] }), slices)
    expect(await serving(world, OUTSIDE, '127.70.34.5:8080')).toEqual([OUTSIDE, '127.70.34.5:8080'])
    await world.apply(web({ externalIPs: ['127.70.34.5'] }), slices)
    expect(await serving(world, OUTSIDE, '127.70.34.5:8080')).toEqual(['127.70.34.5:8080'])
    await expectAlive(held, ' still')
    expect(world.log.of('listener.opened').filter(({ fields }) => fields['key'] === `TCP/${OUTSIDE}`)).toHaveLength(1)
  })

  it.skipIf(!hasIpv6)(
    `gets and loses its second family while the first one goes on, each with endpoints of its own${WITHOUT_IPV6}`,
    async () => {
      await using world = await open()
      const [a] = await world.endpoints('a')
      const six = await world.keep(TcpEndpoint.open('::1', 'say six, echo'))
      const slices = slicesOf('web', [a as TcpEndpoint, six])
      const SIX = '[::1]:18080'
      const FOUR = '127.70.34.1:18080'
      const ports = [{ port: 18_080 }]
      const dual = { ports, clusterIPs: ['127.70.34.1', '::1'], ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'RequireDualStack' }
      const single = { ports, clusterIPs: ['127.70.34.1'], ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' }
      await world.apply(web(single), slices)
      const held = await world.greeted(FOUR)
      expect(await world.knock(SIX)).toBe('refused')
      await world.apply(web(dual), slices)
      expect([...(await world.askTimes(3, FOUR)), ...(await world.askTimes(3, SIX))]).toEqual([
        'a',
        'a',
        'a',
        'six',
        'six',
        'six',
      ])
      const heldSix = await world.greeted(SIX)
      // Without endpoints of its family an address is closed, whatever the other family has.
      await world.apply(web(dual), slicesOf('web', [a as TcpEndpoint]))
      expect([await world.knock(SIX), await world.ask(FOUR)]).toEqual(['refused', 'a'])
      await world.apply(web(single), slices)
      expect([await world.knock(SIX), await world.ask(FOUR)]).toEqual(['refused', 'a'])
      for (const client of [held, heldSix]) await expectAlive(client, ' still')
    },
  )
})
