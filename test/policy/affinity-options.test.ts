import { describe, expect, it } from 'vitest'
import { aService, aSlice, type Json } from '../support/objects.ts'
import { createPolicyWorld } from './policy-world.ts'

const HTTP = 'TCP/10.0.0.1:80'
const HTTPS = 'TCP/10.0.0.1:443'
const DNS = 'UDP/10.0.0.1:53'
const A = '192.0.2.1'
const B = '192.0.2.2'
const C = '192.0.2.3'
const PORTS = [
  { name: 'http', port: 80 },
  { name: 'https', port: 443 },
  { name: 'dns', port: 53, protocol: 'UDP' },
]
const TARGETS = [
  { name: 'http', port: 8080 },
  { name: 'https', port: 8443 },
  { name: 'dns', port: 5353, protocol: 'UDP' },
]

const web = (annotations: Json, spec: Json = {}) =>
  aService(
    'web',
    { sessionAffinity: 'ClientIP', ports: PORTS, ...spec },
    { annotations: Object.fromEntries(Object.entries(annotations).map(([name, value]) => [`portald.io/${name}`, value])) },
  )
const slice = (numbers: readonly number[], ports: readonly Json[] = TARGETS, name = 'web-1') =>
  aSlice(
    'web',
    numbers.map((n) => `10.1.0.${n}`),
    { name, ports },
  )

describe('affinity of all ports of a Service', () => {
  const together = web({ 'affinity-scope': 'service' })

  it('takes a client to the same address whatever port it comes to, TCP or UDP', async () => {
    const world = createPolicyWorld()
    await world.apply(together, slice([1, 2, 3]))
    expect(world.go(HTTP, A, B, C)).toBe('1 2 3')
    expect(world.go(HTTPS, C, A, B)).toBe('3 1 2')
    expect(world.go(DNS, B, C, A)).toBe('2 3 1')
    // By itself each port has its own.
    await world.apply(web({}), slice([1, 2, 3]))
    expect(world.go(HTTPS, C, A, B)).toBe('1 2 3')
    expect(world.go(DNS, B, C, A)).toBe('1 2 3')
  })

  it('moves a client on all ports when its address leaves or fails, and only that client', async () => {
    const world = createPolicyWorld()
    await world.apply(together, slice([1, 2, 3]))
    expect(world.go(HTTP, A, B, C)).toBe('1 2 3')
    await world.apply(together, slice([1, 3, 4]))
    expect(world.go(HTTPS, A, C)).toBe('1 3')
    const [moved] = world.go(HTTPS, B).split(' ')
    expect(moved).not.toBe('2')
    expect(world.go(HTTP, B)).toBe(moved)
    const session = world.dial(HTTP, A)
    expect(session.outcome).toBe('10.1.0.1:8080/TCP')
    const next = session.refused().connected().outcome
    expect(next).not.toBe('10.1.0.1:8080/TCP')
    expect(world.dial(HTTPS, A).outcome).toBe(next.replace('8080', '8443'))
  })

  it('knows an address again that comes to another port later', async () => {
    const world = createPolicyWorld()
    const [http, https] = [TARGETS.slice(0, 1), TARGETS.slice(1, 2)]
    await world.apply(together, slice([1, 2], http, 'web-1'))
    expect(world.go(HTTP, A, B)).toBe('1 2')
    await world.apply(together, slice([1, 2], http, 'web-1'), slice([2, 1], https, 'web-2'))
    expect(world.go(HTTPS, B, A)).toBe('2 1')
    // The first port loses an address that the other one still has.
    await world.apply(together, slice([1], http, 'web-1'), slice([2, 1], https, 'web-2'))
    expect(world.go(HTTPS, B)).toBe('2')
  })

  it('is not counted as a Service port, and leaves nothing behind', async () => {
    const world = createPolicyWorld({ serviceSlots: 8, endpointSlots: 16 })
    for (let n = 0; n < 10; n++) {
      await world.apply(together, slice([10 * n + 1, 10 * n + 2]))
      expect(Object.keys(world.active()).length).toBe(3)
      const [http, https] = [world.dial(HTTP, A), world.dial(HTTPS, A)]
      expect(http.outcome.replace('8080', '8443')).toBe(https.outcome)
      for (const session of [http, https]) session.connected().close()
      await world.apply()
      for (let times = 0; times < 4; times++) world.passMoments()
      world.plane.ledger.reuse()
    }
    expect(world.logger.of('ledger.full')).toEqual([])
  })
})

describe('affinity by network', () => {
  it('takes the clients of one network to the same endpoint, and others elsewhere', async () => {
    const world = createPolicyWorld()
    await world.apply(web({ 'client-prefix': '24,48' }), slice([1, 2, 3]))
    expect(world.go(HTTP, A, B, '198.51.100.1', C, '198.51.100.254', '203.0.113.1')).toBe('1 1 2 1 2 3')
    await world.apply(web({}), slice([1, 2, 3]))
    expect(world.go(HTTP, A, B, C)).toBe('1 2 3')
  })
})
