import { describe, expect, it } from 'vitest'
import { aService, aSlice, type Json } from '../support/objects.ts'
import { createPolicyWorld } from './policy-world.ts'

const WEB = 'TCP/10.0.0.1:80'
const A = '192.0.2.1'

const web = aService('web')
const slice = (...ips: string[]) => aSlice('web', ips)
const removing = (policy: string) => aService('web', {}, { annotations: { 'portald.io/on-endpoint-removed': policy } })

describe('sessions of a Service that changes', () => {
  it('are counted and recorded by name when they end after their endpoint left', async () => {
    const world = createPolicyWorld()
    await world.apply(web, slice('10.1.0.1'))
    const session = world.connect(WEB, A)
    await world.apply(web, slice('10.1.0.2'))
    world.passMoments()
    world.passMoments()
    session.close('client-closed')
    world.passMoments()
    expect(world.records).toMatchObject([
      { service: 'default/web:/TCP', endpoint: '10.1.0.1:8080/TCP', local: '10.0.0.1:80', protocol: 'TCP', scheduler: 'rr' },
    ])
    expect(world.active()).toEqual({ 'default/web:/TCP': 0 })
  })

  it('are counted and recorded by name when they end after their Service is gone', async () => {
    const world = createPolicyWorld()
    await world.apply(web, slice('10.1.0.1'))
    const session = world.connect(WEB, A)
    await world.apply()
    world.passMoments()
    session.close('endpoint-closed')
    world.passMoments()
    expect(world.records).toMatchObject([{ service: 'default/web:/TCP', endpoint: '10.1.0.1:8080/TCP', local: '10.0.0.1:80' }])
  })

  it('are counted to the Service that has the address, and recorded with the one they began with', async () => {
    const world = createPolicyWorld()
    await world.apply(web, slice('10.1.0.1'))
    const session = world.connect(WEB, A)
    const other = aService('other')
    await world.apply(other, aSlice('other', ['10.1.0.2']))
    expect(world.active()).toEqual({ 'default/other:/TCP': 1 })
    world.passMoments()
    session.close()
    expect(world.active()).toEqual({ 'default/other:/TCP': 0 })
    world.passMoments()
    expect(world.records).toMatchObject([{ service: 'default/web:/TCP', endpoint: '10.1.0.1:8080/TCP' }])
  })

  it('leave no slot behind when a port is renamed under them, time and again', async () => {
    const world = createPolicyWorld({ serviceSlots: 4, endpointSlots: 8 })
    const named = (name: string) => [
      aService('web', { ports: [{ name, port: 80 }] }),
      aSlice('web', ['10.1.0.1'], { ports: [{ name, port: 8080 }] }),
    ]
    for (let n = 0; n < 50; n++) {
      await world.apply(...named(`p${n}`))
      const session = world.connect(WEB, A)
      expect(session.outcome).toBe('10.1.0.1:8080/TCP')
      await world.apply(...named(`q${n}`))
      session.close()
      world.passMoments()
    }
    expect(world.active()).toEqual({ 'default/web:q49/TCP': 0 })
    expect(world.logger.of('ledger.full')).toEqual([])
  })

  it('keep their slots apart from those of endpoints that come', async () => {
    const world = createPolicyWorld({ endpointSlots: 3 })
    await world.apply(web, slice('10.1.0.1', '10.1.0.2'))
    const session = world.connect(WEB, A)
    for (let n = 3; n < 20; n++) {
      await world.apply(web, slice(`10.1.0.${n}`))
      world.passMoments()
      const other = world.connect(WEB, A)
      expect(other.outcome).toBe(`10.1.0.${n}:8080/TCP`)
      expect(other.endpoint?.slot).not.toBe(session.endpoint?.slot)
      other.close()
    }
    session.close()
    world.passMoments()
    expect(world.records.at(-1)).toMatchObject({ endpoint: '10.1.0.1:8080/TCP' })
  })

  it('survive a thousand changes of endpoints with the slots there are', async () => {
    const world = createPolicyWorld({ endpointSlots: 16 })
    await world.apply(web, slice('10.1.0.1', '10.1.0.2'))
    const held = Array.from({ length: 20 }, () => world.connect(WEB, A))
    for (let n = 0; n < 1_000; n++) {
      await world.apply(web, slice('10.1.0.1', '10.1.0.2', `10.1.1.${1 + (n % 250)}`))
      const session = world.connect(WEB, A)
      expect(session.endpoint).toBeDefined()
      session.close()
      world.passMoments()
    }
    expect(world.logger.of('ledger.full')).toEqual([])
    expect(world.engine.asked).toEqual([`open ${WEB}`])
    expect(world.engine.cuts).toEqual([])
    expect(world.active()).toEqual({ 'default/web:/TCP': 20 })
    for (const session of held) session.close()
    expect(world.active()).toEqual({ 'default/web:/TCP': 0 })
  })

  // Case 88.
  it('go on when the nodePort changes', async () => {
    const world = createPolicyWorld()
    const nodePort = (number: number) => aService('web', { type: 'NodePort', ports: [{ port: 80, nodePort: number }] })
    await world.apply(nodePort(30_001), slice('10.1.0.1'))
    const session = world.connect('TCP/192.0.2.1:30001', A)
    await world.apply(nodePort(30_002), slice('10.1.0.1'))
    expect(world.engine.asked.slice(2)).toEqual(['close TCP/192.0.2.1:30001 keep', 'open TCP/192.0.2.1:30002'])
    expect(world.engine.cuts).toEqual([])
    session.close()
    expect(world.active()).toEqual({ 'default/web:/TCP': 0 })
  })
})

describe('sessions of an endpoint that left', () => {
  // Case 89.
  it('go on by default', async () => {
    const world = createPolicyWorld()
    await world.apply(web, slice('10.1.0.1'))
    await world.apply(web, slice('10.1.0.2'))
    await world.apply()
    world.clock.advance(10_000_000)
    expect(world.engine.cuts).toEqual([])
    expect(world.engine.asked.at(-1)).toBe(`close ${WEB} keep`)
  })

  it('are cut at once where the Service says cut', async () => {
    const world = createPolicyWorld()
    await world.apply(removing('cut'), slice('10.1.0.1', '10.1.0.2'))
    const session = world.connect(WEB, A)
    world.engine.cutting = 1
    await world.apply(removing('cut'), slice('10.1.0.2'))
    expect(world.engine.cuts).toEqual([{ filter: { leases: [session.endpoint?.slot] }, end: 'endpoint-removed' }])
    await Promise.resolve()
    expect(world.logger.of('sessions.cut')).toMatchObject([{ fields: { sessions: 1 } }])
  })

  it('are cut at once when a whole Service that says cut is gone', async () => {
    const world = createPolicyWorld()
    await world.apply(removing('cut'), slice('10.1.0.1', '10.1.0.2'))
    const leases = [world.connect(WEB, A), world.connect(WEB, A)].map((session) => session.endpoint?.slot)
    await world.apply()
    expect(world.engine.cuts).toEqual([{ filter: { leases }, end: 'service-removed' }])
  })

  it('have as long as the Service says', async () => {
    const world = createPolicyWorld()
    await world.apply(removing('drain=30s'), slice('10.1.0.1', '10.1.0.2'))
    const session = world.connect(WEB, A)
    await world.apply(removing('drain=30s'), slice('10.1.0.2'))
    world.clock.advance(29_999)
    expect(world.engine.cuts).toEqual([])
    world.clock.advance(1)
    expect(world.engine.cuts).toEqual([{ filter: { leases: [session.endpoint?.slot] }, end: 'drain-timeout' }])
  })

  it('go by what the Service says when the endpoint leaves', async () => {
    const world = createPolicyWorld()
    await world.apply(web, slice('10.1.0.1', '10.1.0.2'))
    world.connect(WEB, A)
    await world.apply(removing('cut'), slice('10.1.0.2'))
    expect(world.engine.cuts).toHaveLength(1)
  })

  it('are left alone if it came back before the deadline', async () => {
    const world = createPolicyWorld()
    const draining = removing('drain=30s')
    await world.apply(draining, slice('10.1.0.1', '10.1.0.2'))
    world.connect(WEB, A)
    await world.apply(draining, slice('10.1.0.2'))
    world.clock.advance(20_000)
    await world.apply(draining, slice('10.1.0.1', '10.1.0.2'))
    world.clock.advance(20_000)
    expect(world.engine.cuts).toEqual([])
  })

  it('have a deadline of their own if it left, came back and left again', async () => {
    const world = createPolicyWorld()
    const draining = removing('drain=30s')
    await world.apply(draining, slice('10.1.0.1', '10.1.0.2'))
    world.connect(WEB, A)
    await world.apply(draining, slice('10.1.0.2'))
    world.clock.advance(20_000)
    await world.apply(draining, slice('10.1.0.1', '10.1.0.2'))
    await world.apply(draining, slice('10.1.0.2'))
    world.clock.advance(29_999)
    expect(world.engine.cuts).toEqual([])
    world.clock.advance(1)
    expect(world.engine.cuts).toHaveLength(1)
  })

  it('are not cut for the deadline of another endpoint that had their slot before', async () => {
    const world = createPolicyWorld({ endpointSlots: 1 })
    const keep = [aService('kept', { clusterIP: '10.0.0.2' }), aSlice('kept', ['10.1.0.9'])]
    await world.apply(removing('drain=30s'), slice('10.1.0.1'))
    const first = world.connect(WEB, A)
    const { slot } = first.endpoint ?? {}
    await world.apply(removing('drain=30s'))
    first.close()
    world.passMoments()
    await world.apply(removing('drain=30s'), ...keep)
    const stranger = world.connect('TCP/10.0.0.2:80', A)
    expect(stranger.endpoint?.slot).toBe(slot)
    await world.apply(removing('drain=30s'))
    world.clock.advance(60_000)
    expect(world.engine.cuts).toEqual([])
  })

  it('are not touched by one that is only not ready any more', async () => {
    const world = createPolicyWorld()
    await world.apply(removing('cut'), slice('10.1.0.1', '10.1.0.2'))
    world.connect(WEB, A)
    await world.apply(removing('cut'), aSlice('web', [['10.1.0.1', { ready: false }], '10.1.0.2']))
    expect(world.engine.cuts).toEqual([])
  })
})

describe('source ranges of a Service', () => {
  const spec: Json = {
    type: 'LoadBalancer',
    clusterIPs: ['10.0.0.1', 'fd00::1'],
    ports: [{ port: 80, nodePort: 30_080 }],
    loadBalancerSourceRanges: [' 198.51.100.0/24 '],
  }
  const status = { loadBalancer: { ingress: [{ ip: '203.0.113.10' }, { ip: '2001:db8::10' }] } }

  it('hold for the addresses of its load balancer only, and for the families they name', async () => {
    const world = createPolicyWorld()
    const six = aSlice('web', ['fd01::1'], { name: 'web-6', addressType: 'IPv6' })
    await world.apply(aService('web', spec, {}, { status }), slice('10.1.0.1'), six)
    const denied = (key: string, ip: string) => world.connect(key, ip).outcome === 'denied'
    expect(denied('TCP/203.0.113.10:80', '198.51.100.7')).toBe(false)
    expect(denied('TCP/203.0.113.10:80', A)).toBe(true)
    expect(denied('TCP/[2001:db8::10]:80', '2001:db8::99')).toBe(false)
    for (const key of [WEB, 'TCP/192.0.2.1:30080']) expect(denied(key, A)).toBe(false)
  })
})

describe('a ledger that is full', () => {
  it('leaves out endpoints that find no room, and says so', async () => {
    const world = createPolicyWorld({ endpointSlots: 2 })
    await world.apply(web, slice('10.1.0.1', '10.1.0.2', '10.1.0.3'))
    expect(world.go(WEB, A, A, A)).toBe('1 2 1')
    expect(world.logger.of('ledger.full')).toMatchObject([{ level: 'error', fields: { key: 'default/web' } }])
  })

  it('does not lose the Services that have their place', async () => {
    const world = createPolicyWorld({ serviceSlots: 1 })
    const more = [aService('more', { clusterIP: '10.0.0.2' }), aSlice('more', ['10.1.0.9'])]
    await world.apply(web, slice('10.1.0.1'), ...more)
    expect(world.go(WEB, A)).toBe('1')
    expect(world.go('TCP/10.0.0.2:80', A)).toBe('no-endpoint')
    expect(world.logger.of('ledger.full')).toMatchObject([{ fields: { key: 'default/more' } }])
  })
})

describe('sessions of an endpoint that is not ready any more', () => {
  const told = (unready: string, removed = 'keep') =>
    aService('web', {}, { annotations: { 'portald.io/on-endpoint-unready': unready, 'portald.io/on-endpoint-removed': removed } })
  const ready = slice('10.1.0.1', '10.1.0.2')
  const oneUnready = aSlice('web', [['10.1.0.1', { ready: false, serving: false }], '10.1.0.2'])

  /** A world with a session to each endpoint; `slot` is the first one's. */
  async function createWorld(service: Json) {
    const world = createPolicyWorld()
    await world.apply(service, ready)
    const sessions = [world.connect(WEB, A), world.connect(WEB, A)]
    const slot = sessions.find(({ endpoint }) => endpoint?.key === '10.1.0.1:8080/TCP')?.endpoint?.slot as number
    return { world, slot }
  }

  it('go on by default', async () => {
    const { world } = await createWorld(web)
    await world.apply(web, oneUnready)
    world.clock.advance(10_000_000)
    expect(world.engine.cuts).toEqual([])
  })

  it('are cut at once where the Service says cut, once', async () => {
    const { world, slot } = await createWorld(told('cut'))
    await world.apply(told('cut'), oneUnready)
    expect(world.engine.cuts).toEqual([{ filter: { leases: [slot] }, end: 'endpoint-unready' }])
    await world.apply(told('cut'), oneUnready, aService('api', { clusterIP: '10.0.0.2' }))
    expect(world.engine.cuts).toHaveLength(1)
  })

  it('have as long as the Service says', async () => {
    const { world, slot } = await createWorld(told('drain=30s'))
    await world.apply(told('drain=30s'), oneUnready)
    world.clock.advance(29_999)
    expect(world.engine.cuts).toEqual([])
    world.clock.advance(1)
    expect(world.engine.cuts).toEqual([{ filter: { leases: [slot] }, end: 'drain-timeout' }])
  })

  it('are left alone if it is ready again before the deadline', async () => {
    const { world } = await createWorld(told('drain=30s'))
    await world.apply(told('drain=30s'), oneUnready)
    world.clock.advance(20_000)
    await world.apply(told('drain=30s'), ready)
    world.clock.advance(20_000)
    expect(world.engine.cuts).toEqual([])
  })

  it('keep their deadline when it is removed meanwhile', async () => {
    const { world, slot } = await createWorld(told('drain=30s'))
    await world.apply(told('drain=30s'), oneUnready)
    world.clock.advance(20_000)
    await world.apply(told('drain=30s'), slice('10.1.0.2'))
    world.clock.advance(10_000)
    expect(world.engine.cuts).toEqual([{ filter: { leases: [slot] }, end: 'drain-timeout' }])
  })

  it('are cut when it comes back as one that is not ready, as if it had turned so then', async () => {
    const { world, slot } = await createWorld(told('drain=10s', 'drain=30s'))
    await world.apply(told('drain=10s', 'drain=30s'), slice('10.1.0.2'))
    world.clock.advance(20_000)
    await world.apply(told('drain=10s', 'drain=30s'), oneUnready)
    world.clock.advance(9_999)
    expect(world.engine.cuts).toEqual([])
    world.clock.advance(1)
    expect(world.engine.cuts).toEqual([{ filter: { leases: [slot] }, end: 'drain-timeout' }])
  })
})

describe('sessions of a Service that is gone', () => {
  const told = (policy: string) =>
    aService('web', {}, { annotations: { 'portald.io/on-service-removed': policy, 'portald.io/on-endpoint-removed': 'cut' } })

  it('go by what it says of that, not by what it says of its endpoints', async () => {
    const world = createPolicyWorld()
    await world.apply(told('keep'), slice('10.1.0.1'))
    world.connect(WEB, A)
    await world.apply(slice('10.1.0.1'))
    expect(world.engine.cuts).toEqual([])
  })

  it('have as long as it says, and are left alone if it is back by then', async () => {
    const world = createPolicyWorld()
    await world.apply(told('drain=30s'), slice('10.1.0.1'))
    const leases = [world.connect(WEB, A).endpoint?.slot]
    await world.apply(slice('10.1.0.1'))
    world.clock.advance(20_000)
    await world.apply(told('drain=30s'), slice('10.1.0.1'))
    world.clock.advance(20_000)
    expect(world.engine.cuts).toEqual([])
    await world.apply()
    world.clock.advance(30_000)
    expect(world.engine.cuts).toEqual([{ filter: { leases }, end: 'drain-timeout' }])
  })

  it('end by the same rule when only their port of it goes', async () => {
    const world = createPolicyWorld()
    const ports = [
      { name: 'a', port: 80 },
      { name: 'b', port: 81 },
    ]
    const annotations = { 'portald.io/on-service-removed': 'cut' }
    const slices = aSlice('web', ['10.1.0.1'], { ports: ports.map(({ name, port }) => ({ name, port, protocol: 'TCP' })) })
    await world.apply(aService('web', { ports }, { annotations }), slices)
    const leases = [world.connect(WEB, A).endpoint?.slot]
    world.connect('TCP/10.0.0.1:81', A)
    await world.apply(aService('web', { ports: ports.slice(1) }, { annotations }), slices)
    expect(world.engine.cuts).toEqual([{ filter: { leases }, end: 'service-removed' }])
  })
})
