import { describe, expect, it } from 'vitest'
import { sessionEndNumber } from '../../src/model/session.ts'
import { endCell, serviceBase } from '../../src/model/shared-layout.ts'
import { aService, aSlice, type Json } from '../support/objects.ts'
import { createPolicyWorld } from './policy-world.ts'

const CLUSTER = 'TCP/10.0.0.1:80'
const EXTERNAL = 'TCP/203.0.113.1:80'
const NODE_PORT = 'TCP/192.0.2.1:30080'
const OUTSIDE = '198.51.100.7'

/** A Service on clusterIP, externalIP and nodePort. */
const web = (spec: Json = {}) =>
  aService('web', { type: 'NodePort', externalIPs: ['203.0.113.1'], ports: [{ port: 80, nodePort: 30_080 }], ...spec })
const LOCAL = { externalTrafficPolicy: 'Local' }

const STOPPING = { ready: false, serving: true, terminating: true }

/** Endpoints 1, 2, … of that Service: on this node where the number is among `onNode`. */
function slice(count: number, onNode: readonly number[], conditions: Json = {}) {
  return aSlice(
    'web',
    Array.from(
      { length: count },
      (_, n) => [`10.1.0.${n + 1}`, conditions, { nodeName: onNode.includes(n + 1) ? 'node-1' : 'node-2' }] as const,
    ),
  )
}

function endsOf(world: ReturnType<typeof createPolicyWorld>, end: 'no-endpoint' | 'denied'): number {
  const [port] = world.plane.servicePorts()
  return world.plane.ledger.views.rows[0]?.services[serviceBase(port?.slot ?? 0) + endCell(sessionEndNumber(end))] ?? 0
}

const states = (world: ReturnType<typeof createPolicyWorld>) =>
  Object.fromEntries([...world.plane.pool.addresses()].map(({ route, status }) => [route.key, status.state]))

describe('an external policy of Local', () => {
  it('gives clients from outside only what is on this node', async () => {
    const world = createPolicyWorld()
    await world.apply(web(LOCAL), slice(4, [2, 4]))
    expect(world.go(EXTERNAL, OUTSIDE, OUTSIDE, OUTSIDE)).toBe('2 4 2')
    expect(world.go(NODE_PORT, OUTSIDE)).toBe('4')
    expect(world.go(CLUSTER, OUTSIDE, OUTSIDE, OUTSIDE, OUTSIDE)).toBe('1 2 3 4')
  })

  it('gives clients on this node any endpoint, as if they had gone by way of the load balancer', async () => {
    const world = createPolicyWorld()
    await world.apply(web(LOCAL), slice(3, [2]))
    expect(world.go(EXTERNAL, '192.0.2.1', '127.0.0.1', '127.9.9.9')).toBe('1 2 3')
    expect(world.go(EXTERNAL, OUTSIDE, '192.0.2.2')).toBe('2 2')
  })

  it('counts the pods of this node as being on it, where its Node object says which they are', async () => {
    const world = createPolicyWorld()
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' }, spec: { podCIDR: '10.1.0.0/24' } }
    await world.apply(web(LOCAL), slice(2, [2]))
    expect(world.go(EXTERNAL, '10.1.0.9')).toBe('2')
    await world.apply(web(LOCAL), slice(2, [2]), node)
    expect(world.go(EXTERNAL, '10.1.0.9', '10.1.1.9')).toBe('1 2')
  })

  it('refuses clients from outside where nothing is on this node, serves the others, and counts why', async () => {
    const world = createPolicyWorld()
    await world.apply(web(LOCAL), slice(2, []))
    expect(states(world)).toEqual({ [CLUSTER]: 'listening', [EXTERNAL]: 'listening', [NODE_PORT]: 'listening' })
    expect(world.go(EXTERNAL, OUTSIDE, '127.0.0.1')).toBe('no-endpoint 1')
    expect(endsOf(world, 'no-endpoint')).toBe(1)
    await world.apply(web(LOCAL), slice(2, [1]))
    expect(world.go(EXTERNAL, OUTSIDE)).toBe('1')
  })

  it('closes every address where there is no endpoint on any node', async () => {
    const world = createPolicyWorld()
    await world.apply(web(LOCAL), slice(2, [1], { ready: false }))
    expect(states(world)).toEqual({ [CLUSTER]: 'parked', [EXTERNAL]: 'parked', [NODE_PORT]: 'parked' })
  })

  it('goes on with what stops on this node, while the rest of the cluster does not', async () => {
    const world = createPolicyWorld()
    const stopping = aSlice('web', [
      ['10.1.0.1', STOPPING, { nodeName: 'node-1' }],
      ['10.1.0.2', {}, { nodeName: 'node-2' }],
    ])
    await world.apply(web(LOCAL), stopping)
    expect(world.go(EXTERNAL, OUTSIDE)).toBe('1')
    expect(world.go(EXTERNAL, '127.0.0.1')).toBe('2')
  })

  it('remembers a client only as far as its policy lets it go', async () => {
    const world = createPolicyWorld()
    const sticky = { ...LOCAL, sessionAffinity: 'ClientIP' }
    await world.apply(web(sticky), slice(3, [3]))
    expect(world.go(CLUSTER, OUTSIDE)).toBe('1')
    expect(world.go(EXTERNAL, OUTSIDE)).toBe('3')
    expect(world.go(CLUSTER, OUTSIDE)).toBe('3')
  })

  it('tries nothing elsewhere when what is on this node does not answer', async () => {
    const world = createPolicyWorld()
    await world.apply(web(LOCAL), slice(3, [2]))
    const session = world.connect(EXTERNAL, OUTSIDE, 'timeout')
    expect(session.outcome).toBe('connect-timeout')
    expect(new Set(session.failed)).toEqual(new Set(['10.1.0.2:8080/TCP timeout']))
  })

  it('can be changed at any time', async () => {
    const world = createPolicyWorld()
    const endpoints = slice(2, [2])
    await world.apply(web(), endpoints)
    const before = world.connect(EXTERNAL, OUTSIDE)
    expect(world.policy.serves(before.listener, before.endpoint?.slot ?? -1, before.client)).toBe(true)
    await world.apply(web(LOCAL), endpoints)
    expect(world.policy.serves(before.listener, before.endpoint?.slot ?? -1, before.client)).toBe(false)
    expect(world.go(EXTERNAL, OUTSIDE, OUTSIDE)).toBe('2 2')
    await world.apply(web(), endpoints)
    expect(world.go(EXTERNAL, OUTSIDE, OUTSIDE).split(' ').sort()).toEqual(['1', '2'])
  })

  it('tells clients of IPv6 apart as well', async () => {
    const world = createPolicyWorld({ nodeAddresses: ['2001:db8::1'] })
    const six = aSlice(
      'web',
      [1, 2].map((n) => [`fd01::${n}`, {}, { nodeName: `node-${n}` }] as const),
      { addressType: 'IPv6' },
    )
    await world.apply(aService('web', { clusterIP: 'fd00::1', externalIPs: ['2001:db8:1::1'], ...LOCAL }), six)
    const at = 'TCP/[2001:db8:1::1]:80'
    const go = (ip: string) => world.connect(at, ip).outcome
    expect([go('2001:db8::9'), go('2001:db8::9')]).toEqual(['[fd01::1]:8080/TCP', '[fd01::1]:8080/TCP'])
    expect([go('2001:db8::1'), go('::1')].sort()).toEqual(['[fd01::1]:8080/TCP', '[fd01::2]:8080/TCP'])
  })
})

describe('an internal policy of Local', () => {
  const INTERNAL = { internalTrafficPolicy: 'Local' }

  it('gives everybody on the clusterIP only what is on this node', async () => {
    const world = createPolicyWorld()
    await world.apply(web(INTERNAL), slice(3, [2]))
    expect(world.go(CLUSTER, OUTSIDE, '127.0.0.1', '192.0.2.1')).toBe('2 2 2')
    expect(world.go(EXTERNAL, OUTSIDE, OUTSIDE, OUTSIDE)).toBe('1 2 3')
  })

  it('closes the clusterIP where nothing is on this node, and nothing else', async () => {
    const world = createPolicyWorld()
    await world.apply(web(INTERNAL), slice(2, []))
    expect(states(world)).toEqual({ [CLUSTER]: 'parked', [EXTERNAL]: 'listening', [NODE_PORT]: 'listening' })
    await world.apply(web(INTERNAL), slice(2, [2]))
    expect(states(world)[CLUSTER]).toBe('listening')
  })
})

describe('a range of source addresses beside Local', () => {
  it('refuses who is outside of it before anything else is looked at', async () => {
    const world = createPolicyWorld()
    const spec = { type: 'LoadBalancer', ...LOCAL, loadBalancerSourceRanges: ['198.51.100.0/24', '127.0.0.0/8'] }
    const status = { loadBalancer: { ingress: [{ ip: '203.0.113.9' }] } }
    await world.apply(aService('web', spec, {}, { status }), slice(2, []))
    expect(world.go('TCP/203.0.113.9:80', OUTSIDE, '198.51.101.1', '127.0.0.1')).toBe('no-endpoint denied 1')
    expect([endsOf(world, 'no-endpoint'), endsOf(world, 'denied')]).toEqual([1, 1])
  })
})
