import { describe, expect, it } from 'vitest'
import { aService, aSlice, someEndpoints } from '../support/objects.ts'
import { createPolicyWorld } from './policy-world.ts'

const FOO = 'TCP/10.0.0.1:80'
const BAR = 'TCP/10.0.0.2:80'
const foo = aService('foo')
const bar = aService('bar', { clusterIP: '10.0.0.2' })
const ANY = '192.0.2.9'

/** Endpoints 10.1.0.n of a Service. */
function ips(...numbers: number[]): string[] {
  return numbers.map((n) => `10.1.0.${n}`)
}

function clients(count: number): string[] {
  return Array.from({ length: count }, () => ANY)
}

describe('round robin over a Service that changes', () => {
  // Case 6.
  it('has nothing for an address that nobody asked for', async () => {
    const world = createPolicyWorld()
    await world.apply(foo, aSlice('foo', ips(1)))
    expect(world.go(BAR, ANY)).toBe('no-endpoint')
  })

  // Case 7.
  it('gives a single endpoint everything', async () => {
    const world = createPolicyWorld()
    await world.apply(foo, aSlice('foo', ips(1)))
    expect(world.go(FOO, ...clients(4))).toBe('1 1 1 1')
  })

  // Case 8.
  it('takes several ports of one name as so many endpoints, in order', async () => {
    const world = createPolicyWorld()
    const ports = [1, 2, 3].map((port) => ({ port }))
    await world.apply(foo, someEndpoints('foo', { addresses: [{ ip: '10.1.0.1' }], ports }))
    const outcomes = clients(4).map((ip) => world.connect(FOO, ip).outcome)
    expect(outcomes).toEqual(['10.1.0.1:1/TCP', '10.1.0.1:2/TCP', '10.1.0.1:3/TCP', '10.1.0.1:1/TCP'])
  })

  // Case 10.
  it('counts every port by itself', async () => {
    const world = createPolicyWorld()
    const ports = [
      { name: 'p', port: 80 },
      { name: 'q', port: 81 },
    ]
    const slice = aSlice('foo', ips(1, 2, 3), {
      ports: [
        { name: 'p', port: 1 },
        { name: 'q', port: 2 },
      ],
    })
    await world.apply(aService('foo', { ports }), slice)
    expect(world.go(FOO, ANY, ANY)).toBe('1 2')
    expect(world.go('TCP/10.0.0.1:81', ANY)).toBe('1')
    expect(world.go(FOO, ANY)).toBe('3')
    expect(world.go('TCP/10.0.0.1:81', ANY)).toBe('2')
  })

  // Case 11.
  it('uses only the new endpoints after a full replacement', async () => {
    const world = createPolicyWorld()
    await world.apply(foo, aSlice('foo', ips(1, 2, 3)))
    expect(world.go(FOO, ...clients(5))).toBe('1 2 3 1 2')
    await world.apply(foo, aSlice('foo', ips(8, 9)))
    expect(world.go(FOO, ...clients(4))).toBe('8 9 8 9')
  })

  // Cases 12 and 66.
  it('refuses when no endpoint is left, where the socket cannot', async () => {
    const world = createPolicyWorld()
    await world.apply(foo, aSlice('foo', ips(1)))
    await world.apply(foo, aSlice('foo', []))
    expect(world.go(FOO, ANY)).toBe('no-endpoint')
    expect(world.engine.listening).toEqual([])
    await world.apply(foo)
    expect(world.go(FOO, ANY)).toBe('no-endpoint')
  })

  // Cases 13 and 14.
  it('leaves another Service where it was when one loses its endpoints', async () => {
    const world = createPolicyWorld()
    const barSlice = aSlice('bar', ips(4, 5, 6))
    await world.apply(foo, aSlice('foo', ips(1, 2, 3)), bar, barSlice)
    expect(world.go(FOO, ANY, ANY)).toBe('1 2')
    expect(world.go(BAR, ANY, ANY)).toBe('4 5')
    await world.apply(foo, bar, barSlice)
    expect(world.go(FOO, ANY)).toBe('no-endpoint')
    expect(world.go(BAR, ANY, ANY)).toBe('6 4')
  })

  // Case 25.
  it('goes on where it was when the same endpoints are listed in another order', async () => {
    const world = createPolicyWorld()
    await world.apply(foo, aSlice('foo', ips(1, 2, 3)))
    expect(world.go(FOO, ANY)).toBe('1')
    await world.apply(foo, aSlice('foo', ips(3, 1, 2)))
    expect(world.go(FOO, ...clients(3))).toBe('2 3 1')
  })

  it('goes on where it was when endpoints come and go', async () => {
    const world = createPolicyWorld()
    await world.apply(foo, aSlice('foo', ips(1, 3, 5)))
    expect(world.go(FOO, ANY)).toBe('1')
    await world.apply(foo, aSlice('foo', ips(1, 2, 3, 4, 5)))
    expect(world.go(FOO, ANY, ANY)).toBe('3 4')
    await world.apply(foo, aSlice('foo', ips(1, 2)))
    expect(world.go(FOO, ...clients(3))).toBe('1 2 1')
  })

  it('starves nobody while endpoints are exchanged with every session', async () => {
    const world = createPolicyWorld()
    const counts = new Map<string, number>()
    for (let step = 0; step < 60; step++) {
      await world.apply(foo, aSlice('foo', ips(1, 2, 3, 4 + (step % 2))))
      const endpoint = world.go(FOO, ANY)
      counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1)
    }
    for (const endpoint of ['1', '2', '3']) expect(counts.get(endpoint)).toBe(15)
  })

  // Case 35.
  it('takes an endpoint of several slices once a turn', async () => {
    const world = createPolicyWorld()
    await world.apply(foo, aSlice('foo', ips(1, 2)), aSlice('foo', ips(2, 3), { name: 'foo-2' }))
    expect(world.go(FOO, ...clients(6))).toBe('1 2 3 1 2 3')
  })

  it('goes on where it was after every endpoint was away for a while', async () => {
    const world = createPolicyWorld()
    await world.apply(foo, aSlice('foo', ips(1, 2, 3)))
    expect(world.go(FOO, ANY)).toBe('1')
    await world.apply(foo, aSlice('foo', []))
    world.passMoments()
    await world.apply(foo, aSlice('foo', ips(1, 2, 3)))
    expect(world.go(FOO, ANY)).toBe('2')
  })

  it('counts IPv4 and IPv6 apart', async () => {
    const world = createPolicyWorld()
    const six = aSlice('foo', ['fd01::1', 'fd01::2'], { name: 'foo-6', addressType: 'IPv6' })
    await world.apply(aService('foo', { clusterIPs: ['10.0.0.1', 'fd00::1'] }), aSlice('foo', ips(1, 2, 3)), six)
    const outcomes = () => [FOO, 'TCP/[fd00::1]:80'].map((key) => world.connect(key, ANY).outcome)
    expect(outcomes()).toEqual(['10.1.0.1:8080/TCP', '[fd01::1]:8080/TCP'])
    expect(outcomes()).toEqual(['10.1.0.2:8080/TCP', '[fd01::2]:8080/TCP'])
    expect(outcomes()).toEqual(['10.1.0.3:8080/TCP', '[fd01::1]:8080/TCP'])
  })

  it('is one for all addresses of a Service port', async () => {
    const world = createPolicyWorld()
    const everywhere = aService('foo', {
      type: 'NodePort',
      externalIPs: ['203.0.113.1'],
      ports: [{ port: 80, nodePort: 30_080 }],
    })
    await world.apply(everywhere, aSlice('foo', ips(1, 2, 3)))
    expect([FOO, 'TCP/203.0.113.1:80', 'TCP/192.0.2.1:30080'].map((key) => world.go(key, ANY))).toEqual(['1', '2', '3'])
  })
})
