import { describe, expect, it } from 'vitest'
import { Ledger } from '../../src/balancer/ledger.ts'
import { createPicker } from '../../src/balancer/tiers.ts'
import type { PublishedRoute } from '../../src/model/delta.ts'
import { createSharedState } from '../../src/model/shared-layout.ts'
import type { Snapshot } from '../../src/model/snapshot.ts'
import { Publisher } from '../../src/runtime/publish.ts'
import { aService, aSlice, createCompiler, type Json } from '../support/objects.ts'
import { clientAddress } from '../support/scripted-client.ts'
import { scriptedRandom } from '../support/scripted-random.ts'

const FOUR = 'TCP/10.0.0.1:80'
const SIX = 'TCP/[fd00::1]:80'

function createWorld(...random: number[]) {
  const shared = createSharedState({ rows: 1, serviceSlots: 4, endpointSlots: 16, affinityEntries: 32, recordsPerRing: 2 })
  const ledger = new Ledger(shared, scriptedRandom(...random))
  const publisher = new Publisher(ledger, true, 'c0ffee00')
  const compiler = createCompiler()
  let before: Snapshot | undefined
  return {
    ledger,
    /** Publishes all routes of these objects; listeners have the numbers 1, 2, …. */
    publish(...objects: unknown[]): Map<string, PublishedRoute> {
      const next = compiler.compile(objects)
      for (const compiled of next.services.values()) publisher.reserve(compiled)
      const published = new Map<string, PublishedRoute>()
      for (const [key, route] of next.routes) {
        const data = publisher.publish(published.size + 1, route)
        if (data) published.set(key, data)
      }
      for (const [key, compiled] of before?.services ?? []) publisher.release(compiled, next.services.get(key), next.revision)
      before = next
      return published
    },
    /** The next picks of this route: the last number of each address. */
    pick(route: PublishedRoute | undefined, count: number): string {
      const { scheduler, endpoints, serviceSlot, rotation, ip } = route as PublishedRoute
      const state = {
        ledger: ledger.views,
        row: 0,
        serviceSlot,
        rotation,
        ip,
        panicPercent: 0,
        random: scriptedRandom(),
        now: () => 0,
      }
      const picker = createPicker(scheduler, endpoints, state)
      return Array.from({ length: count }, () => picker.pick(clientAddress('192.0.2.1'), []))
        .map((position) => /(\w+)\]?:\d+\/TCP$/.exec(route?.endpoints[position]?.key ?? '')?.[1])
        .join(' ')
    },
  }
}

const dual = aService('web', { clusterIPs: ['10.0.0.1', 'fd00::1'] })
const four = (...numbers: number[]) =>
  aSlice(
    'web',
    numbers.map((n) => `10.1.0.${n}`),
  )
const six = (...numbers: number[]) =>
  aSlice(
    'web',
    numbers.map((n) => `fd01::${n}`),
    { name: 'web-6', addressType: 'IPv6' },
  )

describe('publishing routes', () => {
  it('says what an engine has to know, and nothing that cannot be cloned', () => {
    const world = createWorld()
    const spec: Json = { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } }
    const annotations = {
      'portald.io/connect-timeout': '1s,2s',
      'portald.io/idle-timeout': '5m',
      'portald.io/half-close-timeout': '7s',
      'portald.io/udp-timeout': '8s',
      'portald.io/udp-responses': '9',
      'portald.io/send-proxy': 'v2,unique-id,0xe1={service}@{listener}',
      'portald.io/accept-proxy': '192.0.2.0/24',
      'portald.io/source-address': 'transparent',
      'portald.io/client-rate': '5/s',
      'portald.io/source-addresses': '10.0.0.5,2001:DB8::5',
    }
    const route = world.publish(aService('web', spec, { annotations }), four(1, 2)).get(FOUR)
    expect(structuredClone(route)).toEqual({
      listener: 1,
      service: 'default/web:/TCP',
      serviceSlot: 0,
      rotation: 0,
      protocol: 'TCP',
      ip: '10.0.0.1',
      scheduler: 'rr',
      sourceAddresses: ['10.0.0.5', '2001:db8::5'],
      clientRules: {
        allow: [],
        deny: [],
        sessions: undefined,
        clientRate: { count: 5, perMs: 1000, burst: 5 },
        serviceRate: undefined,
        prefix: { ipv4: 32, ipv6: 64 },
        turnAway: 'refuse',
      },
      panicPercent: 0,
      endpoints: [
        { slot: 0, key: '10.1.0.1:8080/TCP', address: { ip: '10.1.0.1', port: 8080 }, weight: 1, backup: false },
        { slot: 1, key: '10.1.0.2:8080/TCP', address: { ip: '10.1.0.2', port: 8080 }, weight: 1, backup: false },
      ],
      affinityTimeoutMs: 60_000,
      affinitySlot: 0,
      affinityPrefix: undefined,
      sourceRanges: [],
      connectMs: [1_000, 2_000],
      transparent: true,
      idleMs: 300_000,
      halfCloseMs: 7_000,
      udpIdleMs: 8_000,
      udpResponses: 9,
      prelude: {
        version: 2,
        uniqueIdPrefix: 'c0ffee00-',
        crc32c: false,
        receivedTlvs: false,
        customTlvs: Uint8Array.from(Buffer.from('\xe1\x00\x1cdefault/web:/TCP@10.0.0.1:80', 'latin1')),
      },
      acceptProxy: { from: ['192.0.2.0/24'], withinMs: 3000 },
    })
  })

  it('says nothing of PROXY headers to UDP ports', () => {
    const annotations = { 'portald.io/send-proxy': 'v1', 'portald.io/accept-proxy': '192.0.2.0/24' }
    const routes = createWorld().publish(
      aService(
        'web',
        {
          ports: [
            { port: 80, name: 'a' },
            { port: 80, name: 'b', protocol: 'UDP' },
          ],
        },
        { annotations },
      ),
    )
    expect(routes.get(FOUR)).toMatchObject({ prelude: { version: 1 }, acceptProxy: { withinMs: 3000 } })
    expect(routes.get('UDP/10.0.0.1:80')).toMatchObject({ prelude: undefined, acceptProxy: undefined })
  })

  it('shares one list between routes that use the same endpoints', () => {
    const world = createWorld()
    const routes = world.publish(aService('web', { externalIPs: ['203.0.113.1'] }), four(1, 2))
    expect(routes.get('TCP/203.0.113.1:80')?.endpoints).toBe(routes.get(FOUR)?.endpoints)
  })

  it('gives an endpoint the same slot whatever its route, and as long as it is listed', () => {
    const world = createWorld()
    const slot = world.publish(dual, four(5)).get(FOUR)?.endpoints[0]?.slot
    world.publish(dual, aSlice('web', ['10.1.0.1', ['10.1.0.5', { ready: false }]]))
    const again = world.publish(dual, four(1, 5)).get(FOUR)?.endpoints
    expect(again?.map((endpoint) => endpoint.slot)[1]).toBe(slot)
  })

  it('holds source ranges for load balancer addresses, family by family', () => {
    const spec = {
      type: 'LoadBalancer',
      clusterIPs: ['10.0.0.1', 'fd00::1'],
      allocateLoadBalancerNodePorts: false,
      loadBalancerSourceRanges: ['198.51.100.0/24', '2001:db8::/32', '10.0.0.0/8'],
    }
    const status = { loadBalancer: { ingress: [{ ip: '203.0.113.1' }, { ip: '2001:db8::9' }] } }
    const routes = createWorld().publish(aService('web', spec, {}, { status }))
    expect([...routes].map(([key, { sourceRanges }]) => [key, sourceRanges])).toEqual([
      [FOUR, []],
      [SIX, []],
      ['TCP/203.0.113.1:80', ['198.51.100.0/24', '10.0.0.0/8']],
      ['TCP/[2001:db8::9]:80', ['2001:db8::/32']],
    ])
  })
})

describe('publishing a route of an external policy of Local', () => {
  const local = aService('web', {
    type: 'NodePort',
    externalIPs: ['203.0.113.1'],
    externalTrafficPolicy: 'Local',
    ports: [{ port: 80, nodePort: 30_080 }],
  })
  const slice = (...onNode: number[]) =>
    aSlice(
      'web',
      [1, 2, 3].map((n) => [`10.1.0.${n}`, {}, { nodeName: onNode.includes(n) ? 'node-1' : 'node-2' }] as const),
    )
  const EXTERNAL = 'TCP/203.0.113.1:80'

  it('has a list of its own for clients on this node, shared with the clusterIP', () => {
    const routes = createWorld().publish(local, slice(2))
    const route = routes.get(EXTERNAL)
    expect(structuredClone(route)).toMatchObject({
      rotation: 2,
      endpoints: [{ slot: 1, key: '10.1.0.2:8080/TCP' }],
      forLocalClients: { rotation: 0, clients: ['127.0.0.0/8', '::1/128', '192.0.2.1/32'] },
    })
    expect(route?.forLocalClients?.endpoints).toBe(routes.get(FOUR)?.endpoints)
    expect(route?.forLocalClients?.clients).toBe(routes.get('TCP/192.0.2.1:30080')?.forLocalClients?.clients)
    expect(routes.get(FOUR)?.forLocalClients).toBeUndefined()
  })

  it('goes on in the rotation of each list by itself', () => {
    const world = createWorld()
    const before = world.publish(local, slice(1, 2))
    world.pick(before.get(EXTERNAL), 1)
    world.pick(before.get(FOUR), 2)
    const after = world.publish(local, slice(1, 2, 3))
    expect(world.pick(after.get(EXTERNAL), 2)).toBe('2 3')
    expect(world.pick(after.get(FOUR), 1)).toBe('3')
  })
})

describe('the rotation of a Service port', () => {
  it('begins at random, each family for itself', () => {
    const world = createWorld(2, 1)
    const routes = world.publish(dual, four(1, 2, 3), six(1, 2, 3))
    expect(world.pick(routes.get(FOUR), 4)).toBe('3 1 2 3')
    expect(world.pick(routes.get(SIX), 4)).toBe('2 3 1 2')
  })

  it('goes on over updates', () => {
    const world = createWorld()
    world.pick(world.publish(dual, four(1, 2, 3, 4)).get(FOUR), 2)
    expect(world.pick(world.publish(dual, four(1, 3, 4)).get(FOUR), 1)).toBe('3')
    expect(world.pick(world.publish(dual, four(1, 3, 4, 5)).get(FOUR), 2)).toBe('4 5')
    expect(world.pick(world.publish(dual, four(2, 3)).get(FOUR), 3)).toBe('2 3 2')
  })

  it('of one family is not moved by what happens to the other', () => {
    const world = createWorld()
    const before = world.publish(dual, four(1, 2, 3), six(1, 2, 3))
    world.pick(before.get(FOUR), 2)
    world.pick(before.get(SIX), 1)
    const after = world.publish(dual, four(1, 2, 3), six(2, 3, 4))
    expect(world.pick(after.get(FOUR), 1)).toBe('3')
    expect(world.pick(after.get(SIX), 3)).toBe('2 3 4')
  })

  it('is moved once by an update, however many routes there are', () => {
    const world = createWorld()
    const everywhere = aService('web', { externalIPs: ['203.0.113.1', '203.0.113.2'] })
    world.pick(world.publish(everywhere, four(1, 2, 3)).get(FOUR), 1)
    const routes = world.publish(everywhere, four(0, 1, 2, 3))
    expect(world.pick(routes.get('TCP/203.0.113.2:80'), 2)).toBe('2 3')
  })

  it('is not moved by an update of something else', () => {
    const world = createWorld()
    const objects = [dual, four(1, 2, 3)]
    world.pick(world.publish(...objects).get(FOUR), 1)
    world.publish(...objects, aService('api', { clusterIP: '10.0.0.2' }))
    const sticky = aService('web', { clusterIPs: ['10.0.0.1', 'fd00::1'], sessionAffinity: 'ClientIP' })
    expect(world.pick(world.publish(sticky, four(1, 2, 3)).get(FOUR), 2)).toBe('2 3')
  })

  it('stays within its list when there was none for a while', () => {
    const world = createWorld()
    world.pick(world.publish(dual, four(1, 2, 3, 4, 5)).get(FOUR), 4)
    world.publish(dual, four())
    expect(world.pick(world.publish(dual, four(1, 2)).get(FOUR), 2)).toMatch(/^(1 2|2 1)$/)
  })

  it('begins anew for a Service port that was gone until its slot was free', () => {
    const world = createWorld(0, 0, 0, 0, 0, 0, 0, 0, 1)
    world.pick(world.publish(dual, four(1, 2, 3)).get(FOUR), 2)
    world.publish()
    world.ledger.reclaim(9)
    world.ledger.reclaim(9)
    expect(world.pick(world.publish(dual, four(1, 2, 3)).get(FOUR), 1)).toBe('2')
  })
})
