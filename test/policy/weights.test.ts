import { describe, expect, it } from 'vitest'
import type { ServiceKey } from '../../src/model/keys.ts'
import { aSlice, type Json } from '../support/objects.ts'
import { createPolicyWorld } from './policy-world.ts'
import { clients, service, shares, slice, WEB, web } from './web-service.ts'

describe('weights of a Service', () => {
  it('by address are those of the scheduler', async () => {
    const world = createPolicyWorld()
    await world.apply(service({ scheduler: 'wrr', weights: '10.1.0.1=3,10.1.0.3=0' }), slice(1, 2, 3))
    expect(world.go(WEB, ...clients(8))).toBe('1 1 1 2 1 1 1 2')
  })

  it('of a slice hold for its endpoints, unless the Service says otherwise', async () => {
    const world = createPolicyWorld()
    const heavy = aSlice('web', ['10.1.0.1', '10.1.0.2'], { name: 'heavy' }) as { metadata: { labels: Json } }
    heavy.metadata.labels['portald.io/weight'] = '2'
    await world.apply(service({ scheduler: 'wrr', weights: '10.1.0.2=1' }), heavy, slice(3))
    expect(world.go(WEB, ...clients(8))).toBe('1 1 2 3 1 1 2 3')
  })

  it('change in place', async () => {
    const world = createPolicyWorld()
    await world.apply(service({ scheduler: 'wrr', weights: '10.1.0.1=2' }), slice(1, 2))
    expect(world.go(WEB, ...clients(3))).toBe('1 1 2')
    await world.apply(service({ scheduler: 'wrr', weights: '10.1.0.1=1,10.1.0.2=2' }), slice(1, 2))
    expect(shares(world.go(WEB, ...clients(30)))).toEqual({ 1: 10, 2: 20 })
  })

  it('are nothing to rr, but for 0', async () => {
    const world = createPolicyWorld()
    await world.apply(service({ weights: '10.1.0.1=9,10.1.0.3=0' }), slice(1, 2, 3))
    expect(world.go(WEB, ...clients(4))).toBe('1 2 1 2')
  })
})

describe('an endpoint of weight 0', () => {
  const sticky = { sessionAffinity: 'ClientIP' }

  it('keeps its sessions and the clients that have affinity to it, and gets no others', async () => {
    const world = createPolicyWorld()
    await world.apply(service({}, sticky), slice(1, 2))
    const held = world.dial(WEB, '192.0.2.1').connected()
    expect(held.outcome).toContain('10.1.0.1')
    await world.apply(service({ weights: '10.1.0.1=0' }, sticky), slice(1, 2))
    expect(world.go(WEB, '192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.1')).toBe('1 2 2 1')
    expect(held.endpoint).toBeDefined()
  })

  it('is left by a client with affinity whose attempt fails', async () => {
    const world = createPolicyWorld()
    await world.apply(service({}, sticky), slice(1, 2))
    world.go(WEB, '192.0.2.1')
    await world.apply(service({ weights: '10.1.0.1=0' }, sticky), slice(1, 2))
    expect(world.connect(WEB, '192.0.2.1', (endpoint) => (endpoint.includes('10.1.0.1') ? 'refused' : 'ok')).outcome).toContain(
      '0.2',
    )
    expect(world.go(WEB, '192.0.2.1')).toBe('2')
  })

  it('refuses clients where there is no other', async () => {
    const world = createPolicyWorld()
    await world.apply(service({ weights: '10.1.0.1=0' }), slice(1))
    expect(world.go(WEB, '192.0.2.1')).toBe('no-endpoint')
  })
})

describe('a backup', () => {
  it('serves where no other endpoint has weight, and as long as that is so', async () => {
    const world = createPolicyWorld()
    const backup = '10.1.0.8,10.1.0.9'
    await world.apply(service({ backup }), slice(1, 2, 8, 9))
    expect(world.go(WEB, ...clients(4))).toBe('1 2 1 2')
    await world.apply(service({ backup, weights: '10.1.0.1=0,10.1.0.2=0' }), slice(1, 2, 8, 9))
    expect(world.go(WEB, ...clients(4))).toBe('8 9 8 9')
    await world.apply(service({ backup }), slice(8, 9))
    expect(world.go(WEB, ...clients(3))).toBe('8 9 8')
    await world.apply(service({ backup }), slice(1, 8, 9))
    expect(world.go(WEB, ...clients(2))).toBe('1 1')
  })

  it('serves a session that all others refused', async () => {
    const world = createPolicyWorld()
    await world.apply(service({ backup: '10.1.0.9' }), slice(1, 2, 9))
    const session = world.connect(WEB, '192.0.2.1', (endpoint) => (endpoint.includes('.9:') ? 'ok' : 'refused'))
    expect(session.outcome).toBe('10.1.0.9:8080/TCP')
    expect(session.failed).toHaveLength(2)
  })

  it('is a whole slice by its label', async () => {
    const world = createPolicyWorld()
    const spare = aSlice('web', ['10.1.0.8', '10.1.0.9'], { name: 'spare' }) as { metadata: { labels: Json } }
    spare.metadata.labels['portald.io/backup'] = 'true'
    await world.apply(service({}), spare, slice(1))
    expect(world.go(WEB, ...clients(3))).toBe('1 1 1')
  })
})

describe('a wish made at run time', () => {
  it('is in force at once, and survives changes of the Service and its endpoints', async () => {
    const world = createPolicyWorld()
    await world.apply(service({ scheduler: 'wrr' }), slice(1, 2))
    expect(world.plane.overlay.set(web, '10.1.0.1', { weight: 3 })).toBe(1)
    expect(shares(world.go(WEB, ...clients(40)))).toEqual({ 1: 30, 2: 10 })
    await world.apply(service({ scheduler: 'wrr', weights: '10.1.0.1=7' }), slice(1, 2, 3))
    expect(shares(world.go(WEB, ...clients(50)))).toEqual({ 1: 30, 2: 10, 3: 10 })
    await world.apply(service({ scheduler: 'wrr' }), slice(2))
    await world.apply(service({ scheduler: 'wrr' }), slice(1, 2))
    expect(shares(world.go(WEB, ...clients(40)))).toEqual({ 1: 30, 2: 10 })
  })

  it('waits for its endpoint, whose slot others have meanwhile', async () => {
    const world = createPolicyWorld({ endpointSlots: 3 })
    const becomeFree = () => {
      for (let n = 0; n < 3; n++) world.passMoments()
      world.plane.ledger.reuse()
    }
    await world.apply(service({ scheduler: 'wrr' }), slice(1, 2))
    world.plane.overlay.set(web, '10.1.0.1', { weight: 3 })
    await world.apply(service({ scheduler: 'wrr' }), slice(2))
    becomeFree()
    await world.apply(service({ scheduler: 'wrr' }), slice(2, 4, 5))
    const sessions = clients(30).map((ip) => world.connect(WEB, ip))
    expect(shares(sessions.map(({ outcome }) => outcome).join(' '))).toEqual({
      '10.1.0.2:8080/TCP': 10,
      '10.1.0.4:8080/TCP': 10,
      '10.1.0.5:8080/TCP': 10,
    })
    for (const session of sessions) session.close()
    await world.apply(service({ scheduler: 'wrr' }), slice(2))
    becomeFree()
    await world.apply(service({ scheduler: 'wrr' }), slice(1, 2))
    expect(shares(world.go(WEB, ...clients(40)))).toEqual({ 1: 30, 2: 10 })
  })

  it('of weight 0 keeps clients with affinity, maintenance does not', async () => {
    const world = createPolicyWorld()
    await world.apply(service({}, { sessionAffinity: 'ClientIP' }), slice(1, 2))
    expect(world.go(WEB, '192.0.2.1', '192.0.2.2')).toBe('1 2')
    world.plane.overlay.set(web, '10.1.0.1', { weight: 0 })
    expect(world.go(WEB, '192.0.2.1', '192.0.2.3')).toBe('1 2')
    world.plane.overlay.set(web, '10.1.0.1', { maintenance: true })
    expect(world.go(WEB, '192.0.2.1', '192.0.2.4')).toBe('2 2')
    world.plane.overlay.set(web, '10.1.0.1', {})
    expect(world.go(WEB, '192.0.2.1')).toBe('2')
    expect(shares(world.go(WEB, ...clients(20).slice(9)))[1]).toBeGreaterThan(4)
  })

  it('lets sessions go on that run', async () => {
    const world = createPolicyWorld()
    await world.apply(service({}), slice(1))
    const session = world.dial(WEB, '192.0.2.1').connected()
    world.plane.overlay.set(web, '10.1.0.1', { maintenance: true })
    expect(world.policy.serves(session.listener, session.endpoint?.slot ?? -1, session.client)).toBe(true)
    expect(world.go(WEB, '192.0.2.2')).toBe('no-endpoint')
  })

  it('can be taken back while the endpoint is away', async () => {
    const world = createPolicyWorld()
    await world.apply(service({}), slice(1, 2))
    world.plane.overlay.set(web, '10.1.0.1', { maintenance: true })
    await world.apply(service({}), slice(2))
    expect(world.plane.overlay.set(web, '10.1.0.1', {})).toBe(1)
    await world.apply(service({}), slice(1, 2))
    expect(shares(world.go(WEB, ...clients(4)))).toEqual({ 1: 2, 2: 2 })
  })

  it('is for every port of the address, or for one', async () => {
    const world = createPolicyWorld()
    const ports = [
      { name: 'a', port: 80 },
      { name: 'b', port: 81 },
    ]
    const slices = aSlice('web', ['10.1.0.1', '10.1.0.2'], {
      ports: [
        { name: 'a', port: 8080 },
        { name: 'b', port: 8081 },
      ],
    })
    await world.apply(service({}, { ports }), slices)
    expect(world.plane.overlay.set(web, '10.1.0.1', { weight: 0 })).toBe(2)
    expect(world.plane.overlay.set(web, '10.1.0.1:8081', {})).toBe(1)
    expect(world.plane.overlay.list()).toEqual([
      { service: 'default/web:a/TCP', endpoint: '10.1.0.1:8080/TCP', weight: 0, maintenance: false },
    ])
    expect(world.go(WEB, ...clients(2))).toBe('2 2')
    expect(shares(world.go('TCP/10.0.0.1:81', ...clients(4)))).toEqual({ 1: 2, 2: 2 })
  })

  it('is for nobody where there is no such endpoint, and wrong where the weight is none', async () => {
    const world = createPolicyWorld()
    await world.apply(service({}), slice(1))
    expect(world.plane.overlay.set(web, '10.1.0.9', { weight: 2 })).toBe(0)
    expect(world.plane.overlay.set('default/api' as ServiceKey, '10.1.0.1', { weight: 2 })).toBe(0)
    expect(world.plane.overlay.list()).toEqual([])
    for (const weight of [-1, 1.5, 65_536, Number.NaN]) {
      expect(() => world.plane.overlay.set(web, '10.1.0.1', { weight })).toThrow(/must be a whole number from 0 to 65535/)
    }
  })
})

describe('slow start', () => {
  const slow = service({ scheduler: 'wrr', 'slow-start': '20s' })

  it('gives an endpoint that joins its weight little by little', async () => {
    const world = createPolicyWorld()
    await world.apply(slow, slice(1, 2))
    expect(shares(world.go(WEB, ...clients(40)))).toEqual({ 1: 20, 2: 20 })
    await world.apply(slow, slice(1, 2, 3))
    const shareOf3 = () => shares(world.go(WEB, ...Array.from({ length: 4_100 }, () => '192.0.2.1')))[3] as number
    expect(shareOf3()).toBeCloseTo(100, -1)
    world.clock.advance(5_000)
    expect(shareOf3() / 4_100).toBeCloseTo(5 / 45, 2)
    world.clock.advance(5_000)
    expect(shareOf3() / 4_100).toBeCloseTo(10 / 50, 2)
    world.clock.advance(10_000)
    expect(shareOf3() / 4_100).toBeCloseTo(1 / 3, 2)
  })

  it('begins anew for an endpoint that was away, and for one that was not ready', async () => {
    const world = createPolicyWorld()
    const ready = (...conditions: boolean[]) =>
      aSlice(
        'web',
        conditions.map((one, n) => [`10.1.0.${n + 1}`, { ready: one }] as const),
      )
    await world.apply(slow, ready(true, true))
    await world.apply(slow, ready(true, false))
    await world.apply(slow, ready(true, true))
    expect(shares(world.go(WEB, ...clients(42)))).toEqual({ 1: 40, 2: 2 })
    await world.apply(slow, slice(1))
    await world.apply(slow, slice(1, 2))
    world.clock.advance(10_000)
    expect(shares(world.go(WEB, ...clients(30)))).toEqual({ 1: 20, 2: 10 })
  })

  it('is nothing at the beginning, nor where everybody is new', async () => {
    const world = createPolicyWorld()
    await world.apply(slow, slice(1))
    await world.apply(slow, slice(2, 3))
    expect(shares(world.go(WEB, ...clients(20)))).toEqual({ 2: 10, 3: 10 })
    expect(world.clock.pending).toBe(createPolicyWorld().clock.pending)
  })

  it('goes on over a change of something else, and ends with its annotation', async () => {
    const world = createPolicyWorld()
    await world.apply(slow, slice(1))
    await world.apply(slow, slice(1, 2))
    world.clock.advance(10_000)
    await world.apply(service({ scheduler: 'wrr', 'slow-start': '20s', attempts: '2' }), slice(1, 2))
    expect(shares(world.go(WEB, ...clients(30)))).toEqual({ 1: 20, 2: 10 })
    await world.apply(service({ scheduler: 'wrr' }), slice(1, 2))
    expect(shares(world.go(WEB, ...clients(30)))).toEqual({ 1: 15, 2: 15 })
  })

  it('leaves no timer behind when its Service goes', async () => {
    const world = createPolicyWorld()
    await world.apply(slow, slice(1))
    await world.apply(slow, slice(1, 2))
    await world.apply()
    world.clock.advance(1_000)
    expect(world.clock.pending).toBe(createPolicyWorld().clock.pending)
  })
})

describe('a scheduler that changes', () => {
  it('holds for the next session, and sessions that run count', async () => {
    const world = createPolicyWorld()
    await world.apply(service({}), slice(1, 2))
    const sessions = [1, 2, 3].map(() => world.dial(WEB, '192.0.2.1').connected())
    await world.apply(service({ scheduler: 'lc' }), slice(1, 2))
    expect(world.go(WEB, '192.0.2.2')).toBe('2')
    for (const session of sessions) session.close()
    expect(world.go(WEB, '192.0.2.3')).toBe('1')
  })

  it.each(['wrr', 'lc', 'wlc', 'sed', 'nq', 'sh', 'mh', 'p2c', 'random'])(
    '%s tries every endpoint before one again',
    async (scheduler) => {
      const world = createPolicyWorld()
      await world.apply(service({ scheduler, attempts: '4' }), slice(1, 2, 3))
      const session = world.connect(WEB, '192.0.2.1', 'timeout')
      expect(session.failed).toHaveLength(4)
      expect(new Set(session.failed.slice(0, 3)).size).toBe(3)
      expect(session.failed[3]).toBe(session.failed[0])
    },
  )

  it('shares what is large between the addresses of a Service, and dh gives each its own endpoint', async () => {
    const world = createPolicyWorld()
    const spec = { externalIPs: ['203.0.113.1', '203.0.113.2', '203.0.113.3', '203.0.113.4'] }
    await world.apply(service({ scheduler: 'dh' }, spec), slice(1, 2, 3, 4))
    const byAddress = spec.externalIPs.map((ip) => world.go(`TCP/${ip}:80`, ...clients(5)))
    for (const answer of byAddress) expect(new Set(answer.split(' ')).size).toBe(1)
    expect(new Set(byAddress).size).toBeGreaterThan(1)
    await world.apply(service({ scheduler: 'mh' }, spec), slice(1, 2, 3, 4))
    const answers = spec.externalIPs.map((ip) => world.go(`TCP/${ip}:80`, ...clients(5)))
    expect(new Set(answers).size).toBe(1)
  })
})
