import { expect, it } from 'vitest'
import { aService, type Json, placed } from '../support/objects.ts'
import { describeOnEngines, slicesOf, type World } from '../support/world.ts'

const CLUSTER = '127.70.35.1:8080'
const NODE = '127.70.35.250:30080'
const STOPPING = { ready: false, serving: true, terminating: true }
const NOT_READY = { ready: false, serving: false }
const INTERNAL = { internalTrafficPolicy: 'Local' }
const inZoneA = { inputs: { nodeLabel: ['topology.kubernetes.io/zone=a'] } }

const web = (spec: Json = {}) =>
  aService('web', { type: 'NodePort', clusterIP: '127.70.35.1', ports: [{ port: 8080, nodePort: 30_080 }], ...spec })
const internal = (spec: Json = {}) => web({ type: 'ClusterIP', ports: [{ port: 8080 }], ...spec })

const zoned = (...zones: string[]): Json => ({ hints: { forZones: zones.map((name) => ({ name })) } })
const noded = (node: string, zone: string): Json => ({ hints: { forNodes: [{ name: node }], forZones: [{ name: zone }] } })
const here = (conditions: Json = {}): Json => ({ nodeName: 'node-1', conditions })
const away = (conditions: Json = {}): Json => ({ nodeName: 'node-2', conditions })

/** Endpoints a, b, … and what makes slices of them: one entry for each, with its other fields. */
async function openPlaced(world: World): Promise<(...places: Json[]) => Json[]> {
  const slices = slicesOf('web', await world.endpoints('a', 'b', 'c', 'd'))
  return (...places) => placed(slices, ...places)
}

/** Who answers there, after each has had several chances; `refused` where nobody listens. */
async function whoAt(world: World, address: string): Promise<string> {
  if ((await world.knock(address)) === 'refused') return 'refused'
  return [...new Set(await world.askTimes(9, address))].sort().join('')
}

describeOnEngines('zone hints', '127.70.35', (open) => {
  it('send clients to the endpoints meant for this zone, and leave the sessions that others have', async () => {
    await using world = await open(inZoneA)
    const slices = await openPlaced(world)
    const expectAt = async (expected: string, ...places: Json[]) => {
      await world.apply(web(), slices(...places))
      expect([await whoAt(world, CLUSTER), await whoAt(world, NODE)]).toEqual([expected, expected])
    }
    await expectAt('b', away(NOT_READY), {})
    const held = await world.greeted(CLUSTER)
    // Case 92.
    await expectAt('ad', zoned('a'), zoned('b'), zoned('c'), zoned('a'))
    // Case 97.
    await expectAt('ab', zoned('b'), zoned('b'))
    // Case 98.
    await expectAt('d', { ...zoned('a'), conditions: NOT_READY }, zoned('b'), zoned('c'), zoned('a'))
    // Case 99.
    await expectAt('bc', { ...zoned('a'), conditions: NOT_READY }, zoned('b'), zoned('c'))
    // Case 100.
    await expectAt('abc', zoned('a'), {}, zoned('b'))
    // Case 101.
    await expectAt('ac', zoned('a', 'b'), zoned('b', 'c'), zoned('c', 'a'))
    await held.send(' still')
    await held.receives('b still')
  })

  // Case 96.
  it('mean nothing to a node that is in no zone, until its Node object says where it is', async () => {
    await using world = await open()
    const slices = (await openPlaced(world))(zoned('a'), zoned('b'))
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/zone': 'b' } } }
    await world.apply(web(), slices)
    expect(await whoAt(world, CLUSTER)).toBe('ab')
    await world.apply(web(), slices, node)
    expect(await whoAt(world, CLUSTER)).toBe('b')
  })

  // Case 95.
  it('do not count among the endpoints of this node', async () => {
    await using world = await open(inZoneA)
    const slices = (await openPlaced(world))(
      { ...here(), ...zoned('a') },
      { ...here(), ...zoned('b') },
      { ...away(), ...zoned('c') },
      { ...away(), ...zoned('a') },
    )
    await world.apply(web(INTERNAL), slices)
    expect([await whoAt(world, CLUSTER), await whoAt(world, NODE)]).toEqual(['ab', 'ad'])
  })

  it('take a UDP session over to the endpoint that is meant for this zone', async () => {
    await using world = await open(inZoneA)
    const endpoints = await world.udpEndpoints('a', 'b')
    const udp = aService('web', { clusterIP: '127.70.35.1', ports: [{ port: 8080, protocol: 'UDP' }] })
    const slices = slicesOf('web', endpoints, { protocol: 'UDP' })
    const hinted = (...zones: string[]) => placed(slices, ...zones.map((zone) => zoned(zone)))
    const client = await world.udpClient(CLUSTER)
    await world.apply(udp, hinted('b', 'a'))
    expect(`${await client.askAgain('x')}`).toBe('b')
    await world.apply(udp, hinted('a', 'b'))
    expect(`${await client.askAgain('y')}`).toBe('a')
  })
})

describeOnEngines('node hints', '127.70.35', (open) => {
  // Case 114.
  it('send clients to the endpoint of this node; when it is gone its zone counts, then nothing', async () => {
    await using world = await open(inZoneA)
    const slices = await openPlaced(world)
    const others = [noded('node-2', 'a'), noded('node-3', 'b')]
    const whoWith = async (...places: Json[]) => {
      await world.apply(web(), slices(...places))
      return whoAt(world, CLUSTER)
    }
    expect(await whoWith(noded('node-1', 'a'), ...others)).toBe('a')
    expect(await whoWith({ ...noded('node-1', 'a'), conditions: NOT_READY }, ...others)).toBe('b')
    expect(await whoWith({ ...noded('node-1', 'a'), conditions: NOT_READY }, noded('node-2', 'c'), noded('node-3', 'b'))).toBe(
      'bc',
    )
    expect(await whoWith(noded('node-1', 'a'), ...others)).toBe('a')
  })
})

describeOnEngines('preferences without hints', '127.70.35', (open) => {
  it('are computed from zones and nodes for trafficDistribution, and follow it live', async () => {
    await using world = await open(inZoneA)
    const slices = (await openPlaced(world))(
      { zone: 'a', nodeName: 'node-1' },
      { zone: 'a', nodeName: 'node-2' },
      { zone: 'b', nodeName: 'node-3' },
    )
    const seen: string[] = []
    for (const trafficDistribution of [undefined, 'PreferClose', 'PreferSameNode', 'PreferSameZone', undefined]) {
      await world.apply(web({ trafficDistribution }), slices)
      seen.push(await whoAt(world, CLUSTER))
    }
    expect(seen).toEqual(['abc', 'ab', 'a', 'ab', 'abc'])
  })

  it('are a constraint as topologyKeys: where nothing matches, nobody listens', async () => {
    await using world = await open(inZoneA)
    const slices = (await openPlaced(world))({ zone: 'b', nodeName: 'node-2' }, { zone: 'a', nodeName: 'node-3' })
    const keys = (...topologyKeys: string[]) => world.apply(web({ topologyKeys }), slices)
    await keys('kubernetes.io/hostname', 'topology.kubernetes.io/zone')
    expect(await whoAt(world, CLUSTER)).toBe('b')
    await keys('kubernetes.io/hostname')
    expect(await whoAt(world, CLUSTER)).toBe('refused')
    await keys('kubernetes.io/hostname', '*')
    expect(await whoAt(world, CLUSTER)).toBe('ab')
  })
})

describeOnEngines('an internal policy of Local', '127.70.35', (open) => {
  it('serves with what is on this node; without that the clusterIP is closed, and nodePorts go on', async () => {
    await using world = await open()
    const slices = await openPlaced(world)
    const whoWith = async (spec: Json, ...places: Json[]) => {
      await world.apply(web(spec), slices(...places))
      return [await whoAt(world, CLUSTER), await whoAt(world, NODE)]
    }
    // Case 102.
    expect(await whoWith(INTERNAL)).toEqual(['refused', 'refused'])
    // Case 103.
    expect(await whoWith(INTERNAL, away(), away())).toEqual(['refused', 'ab'])
    // Case 104.
    expect(await whoWith(INTERNAL, here(), away(), here())).toEqual(['ac', 'abc'])
    const held = await world.greeted(CLUSTER)
    // Case 107.
    expect(await whoWith(INTERNAL, here(), away())).toEqual(['a', 'ab'])
    // Cases 109 and 110, for clients on this node.
    const both = { ...INTERNAL, externalTrafficPolicy: 'Local' }
    expect(await whoWith(both, away(), away())).toEqual(['refused', 'ab'])
    expect(await whoWith(both, away(STOPPING), away(STOPPING))).toEqual(['refused', 'ab'])
    expect(await whoWith({}, away(), away())).toEqual(['ab', 'ab'])
    await held.send(' still')
    await held.receives('still')
  })

  // Case 113.
  it('of a Service that nobody outside can reach has no other endpoints', async () => {
    await using world = await open()
    const slices = await openPlaced(world)
    await world.apply(internal(INTERNAL), slices(away(), away()))
    expect(await whoAt(world, CLUSTER)).toBe('refused')
    await world.apply(internal(INTERNAL), slices(away(), here()))
    expect(await whoAt(world, CLUSTER)).toBe('b')
  })

  it('answers UDP clients with ICMP where nothing is on this node', async () => {
    await using world = await open()
    const udp = aService('web', { clusterIP: '127.70.35.1', ports: [{ port: 8080, protocol: 'UDP' }], ...INTERNAL })
    const slices = slicesOf('web', await world.udpEndpoints('a'), { protocol: 'UDP' })
    await world.apply(udp, slices)
    expect(world.states()).toEqual({ [`UDP/${CLUSTER}`]: 'parked' })
  })
})

describeOnEngines('policies of Cluster', '127.70.35', (open) => {
  it('use what is ready wherever it is, else what terminates and still serves, and nothing else', async () => {
    await using world = await open()
    const slices = await openPlaced(world)
    const whoWith = async (...places: Json[]) => {
      await world.apply(web(), slices(...places))
      return [await whoAt(world, CLUSTER), await whoAt(world, NODE)]
    }
    // Case 105.
    expect(await whoWith(here(NOT_READY), away(NOT_READY))).toEqual(['refused', 'refused'])
    expect(await whoWith(here(NOT_READY), here(), away())).toEqual(['bc', 'bc'])
    // Case 106.
    expect(await whoWith(here(STOPPING), away(STOPPING))).toEqual(['ab', 'ab'])
    expect(await whoWith(here(STOPPING), away({ ...STOPPING, serving: false }))).toEqual(['a', 'a'])
    expect(await whoWith(here(STOPPING), away())).toEqual(['b', 'b'])
  })
})
