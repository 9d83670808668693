import { describe, expect, it } from 'vitest'
import { aService, aSlice, type Json, someEndpoints } from '../support/objects.ts'
import { createPolicyWorld } from './policy-world.ts'

const FOO = 'TCP/10.0.0.1:80'
const BAR = 'TCP/10.0.0.2:80'
const A = '192.0.2.1'
const B = '192.0.2.2'
const C = '192.0.2.3'

function sticky(name: string, timeoutSeconds?: number, spec: Json = {}): Json {
  const sessionAffinityConfig = timeoutSeconds === undefined ? undefined : { clientIP: { timeoutSeconds } }
  return aService(name, { sessionAffinity: 'ClientIP', sessionAffinityConfig, ...spec })
}

const foo = sticky('foo')
const bar = sticky('bar', undefined, { clusterIP: '10.0.0.2' })

function slice(service: string, ...numbers: number[]): Json {
  return aSlice(
    service,
    numbers.map((n) => `10.1.0.${n}`),
  )
}

describe('ClientIP affinity of a Service that changes', () => {
  // Case 15.
  it('sends every client where it went first, whoever comes in between', async () => {
    const world = createPolicyWorld()
    await world.apply(foo)
    await world.apply(foo, slice('foo', 1, 2, 3))
    expect(world.go(FOO, A, A, B, C, A, C, B, B)).toBe('1 1 2 3 1 3 2 2')
  })

  // Case 16.
  it('begins with the Service where its endpoints were there first', async () => {
    const world = createPolicyWorld()
    await world.apply(slice('foo', 1, 2))
    await world.apply(foo, slice('foo', 1, 2))
    expect(world.go(FOO, A, B, C, A, B, C)).toBe('1 2 1 1 2 1')
  })

  // Case 17.
  it('moves only the clients of the endpoint that left', async () => {
    const world = createPolicyWorld()
    await world.apply(foo, slice('foo', 1, 2, 3))
    expect(world.go(FOO, A, B, C)).toBe('1 2 3')
    await world.apply(foo, slice('foo', 1, 2))
    expect(world.go(FOO, A, B, C, C, A, B)).toBe('1 2 1 1 1 2')

    // Case 18.
    await world.apply(foo, slice('foo', 1, 2, 4))
    expect(world.go(FOO, A, B, C)).toBe('1 2 1')
    expect(world.go(FOO, '192.0.2.4', '192.0.2.5', '192.0.2.6')).toBe('2 4 1')
  })

  // Case 19.
  it('begins anew on a new set of endpoints, and holds there', async () => {
    const world = createPolicyWorld()
    await world.apply(foo, slice('foo', 1, 2, 3))
    world.go(FOO, A, B, C)
    await world.apply(foo, slice('foo', 7, 8))
    expect(world.go(FOO, A, B, B, A)).toBe('7 8 8 7')

    // Case 20.
    await world.apply(foo, slice('foo'))
    expect(world.go(FOO, A, B)).toBe('no-endpoint no-endpoint')
  })

  // Case 21.
  it('of one Service is not touched when another loses its endpoints', async () => {
    const world = createPolicyWorld()
    const barSlice = slice('bar', 4, 5, 6)
    await world.apply(foo, slice('foo', 1, 2, 3), bar, barSlice)
    world.go(FOO, A, B, C)
    expect(world.go(BAR, A, B, C)).toBe('4 5 6')
    await world.apply(foo, bar, barSlice)
    expect(world.go(FOO, A)).toBe('no-endpoint')
    expect(world.go(BAR, C, B, A)).toBe('6 5 4')
  })

  // Cases 22, 23 and 24: what was called "reset" is an attempt that failed.
  it('goes on with the rotation where an endpoint fails, and remembers each new choice', async () => {
    const world = createPolicyWorld()
    await world.apply(foo, slice('foo', 1, 2, 3))
    expect(world.go(FOO, A, B, C)).toBe('1 2 3')
    const reset = (ip: string) => world.dial(FOO, ip).refused().outcome
    expect([A, A, A].map(reset)).toEqual([2, 3, 1].map((n) => `10.1.0.${n}:8080/TCP`))
    expect(world.go(FOO, B)).toBe('2')
    expect(reset(B)).toBe('10.1.0.3:8080/TCP')
    expect(world.go(FOO, A, B, C)).toBe('1 3 3')
  })

  // Cases 26, 27 and 28.
  it('holds as long as the client comes back within three hours, and not a moment longer', async () => {
    const world = createPolicyWorld()
    await world.apply(foo, slice('foo', 1, 2, 3))
    expect(world.go(FOO, A)).toBe('1')
    for (let n = 0; n < 20; n++) {
      world.clock.advance(5_400_000)
      expect(world.go(FOO, A)).toBe('1')
    }
    world.clock.advance(10_799_999)
    expect(world.go(FOO, A)).toBe('1')
    world.clock.advance(10_800_000)
    expect(world.go(FOO, A)).toBe('2')
  })

  // Case 29.
  it('has the timeout of its Service even where the endpoints came first', async () => {
    const world = createPolicyWorld()
    await world.apply(slice('foo', 1, 2))
    await world.apply(sticky('foo', 10), slice('foo', 1, 2))
    expect(world.go(FOO, A)).toBe('1')
    world.clock.advance(11_000)
    expect(world.go(FOO, A)).toBe('2')
  })

  // Case 30.
  it('takes another timeout for clients it knows already', async () => {
    const world = createPolicyWorld()
    const endpoints = slice('foo', 1, 2)
    await world.apply(foo, endpoints)
    expect(world.go(FOO, A)).toBe('1')
    await world.apply(sticky('foo', 5), endpoints)
    world.clock.advance(6_000)
    expect(world.go(FOO, A)).toBe('2')
  })

  // Case 31.
  it('goes with ClientIP and comes with it', async () => {
    const world = createPolicyWorld()
    const endpoints = slice('foo', 1, 2, 3)
    await world.apply(foo, endpoints)
    expect(world.go(FOO, A, A)).toBe('1 1')
    await world.apply(aService('foo'), endpoints)
    expect(world.go(FOO, A, A, A)).toBe('2 3 1')
    await world.apply(foo, endpoints)
    const now = world.go(FOO, A)
    expect(world.go(FOO, A, A)).toBe(`${now} ${now}`)
  })

  // Case 33.
  it('is kept for every port by itself', async () => {
    const world = createPolicyWorld()
    const ports = [
      { name: 'p', port: 80 },
      { name: 'q', port: 81 },
    ]
    const endpoints = aSlice('foo', ['10.1.0.1', '10.1.0.2'], {
      ports: [
        { name: 'p', port: 1 },
        { name: 'q', port: 2 },
      ],
    })
    await world.apply(sticky('foo', undefined, { ports }), endpoints)
    expect(world.go(FOO, B, A)).toBe('1 2')
    expect(world.go('TCP/10.0.0.1:81', A, B)).toBe('1 2')
    expect(world.go(FOO, A, B)).toBe('2 1')
  })

  // Case 34.
  it('never leads to an endpoint that is listed no more, however the list came back', async () => {
    const world = createPolicyWorld()
    const listed = (...ips: number[]) =>
      someEndpoints('foo', { addresses: ips.map((n) => ({ ip: `10.1.0.${n}` })), ports: [{ port: 8080 }] })
    await world.apply(foo, listed(1, 2))
    expect(world.go(FOO, A, B)).toBe('1 2')
    await world.apply(foo)
    await world.apply(foo, listed(1, 3))
    expect(world.go(FOO, B, A)).not.toContain('2')
  })

  it('does not lead to an endpoint that is not ready any more', async () => {
    const world = createPolicyWorld()
    await world.apply(foo, slice('foo', 1, 2))
    expect(world.go(FOO, A)).toBe('1')
    await world.apply(foo, aSlice('foo', [['10.1.0.1', { ready: false }], '10.1.0.2']))
    expect(world.go(FOO, A, A)).toBe('2 2')
    await world.apply(foo, slice('foo', 1, 2))
    expect(world.go(FOO, A)).toBe('2')
  })

  // Case 36.
  it('knows IPv6 clients of IPv6 endpoints', async () => {
    const world = createPolicyWorld()
    const six = sticky('foo', undefined, { clusterIP: 'fd00::1' })
    await world.apply(six, aSlice('foo', ['fd01::1', 'fd01::2'], { addressType: 'IPv6' }))
    const go = (ip: string) => world.connect('TCP/[fd00::1]:80', ip).outcome
    expect([go('2001:db8::a'), go('2001:db8::b'), go('2001:db8:0::a')]).toEqual([
      '[fd01::1]:8080/TCP',
      '[fd01::2]:8080/TCP',
      '[fd01::1]:8080/TCP',
    ])
  })

  // Case 37.
  it('is still wanted after all endpoints were away', async () => {
    const world = createPolicyWorld()
    await world.apply(foo, slice('foo', 1, 2))
    world.go(FOO, A, B)
    await world.apply(foo, slice('foo'))
    world.passMoments()
    await world.apply(foo, slice('foo', 1, 2))
    const [a, b] = [world.go(FOO, A), world.go(FOO, B)]
    expect(world.go(FOO, A, B, A, B)).toBe(`${a} ${b} ${a} ${b}`)
  })

  // Case 70.
  it('moves a client whose endpoint is dead, and it stays where it went', async () => {
    const world = createPolicyWorld()
    await world.apply(foo, slice('foo', 1, 2, 3))
    expect(world.go(FOO, A)).toBe('1')
    const dead = (endpoint: string) => (endpoint.startsWith('10.1.0.1:') ? ('refused' as const) : ('ok' as const))
    expect(world.connect(FOO, A, dead).outcome).toBe('10.1.0.2:8080/TCP')
    expect(world.go(FOO, A, A)).toBe('2 2')
  })
})
