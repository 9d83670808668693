import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ListenerKey } from '../../src/model/keys.ts'
import type { Service } from '../../src/model/service.ts'
import type { Claims, Frontend } from '../../src/model/snapshot.ts'
import { type Claimant, grantClaims } from '../../src/snapshot/claims.ts'
import { aService, aSlice, createCompiler, inWords, type Json, routesOf } from '../support/objects.ts'

const OLD = '2020-01-01T00:00:00Z'
const NEW = '2024-01-01T00:00:00Z'

/** A Service that wants these addresses. */
function claimant(name: string, keys: readonly string[], createdMs?: number): Claimant {
  return {
    service: { key: `default/${name}`, createdMs } as unknown as Service,
    clusterIps: [],
    frontends: keys.map((key) => ({ key }) as unknown as Frontend),
    checkAddresses: [],
  }
}

function ownersOf(claims: Claims): Record<string, string> {
  return Object.fromEntries(claims.owners)
}

describe('claims', () => {
  it('give every address to the Service that alone wants it', () => {
    const claims = grantClaims([claimant('a', ['x', 'y']), claimant('b', ['z'])], undefined)
    expect(ownersOf(claims)).toEqual({ x: 'default/a', y: 'default/a', z: 'default/b' })
  })

  it('give an address to the older Service, and to one with a time before one without', () => {
    expect(ownersOf(grantClaims([claimant('a', ['x'], 2), claimant('b', ['x'], 1)], undefined))).toEqual({ x: 'default/b' })
    expect(ownersOf(grantClaims([claimant('a', ['x']), claimant('b', ['x'], 9)], undefined))).toEqual({ x: 'default/b' })
  })

  it('leave an address where it is, between Services of one age', () => {
    const before = grantClaims([claimant('b', ['x'])], undefined)
    expect(grantClaims([claimant('a', ['x']), claimant('b', ['x'])], before)).toBe(before)
    expect(grantClaims([claimant('b', ['x']), claimant('a', ['x'])], before)).toBe(before)
  })

  it('go by name where nobody held the address', () => {
    expect(ownersOf(grantClaims([claimant('b', ['x'], 5), claimant('a', ['x'], 5)], undefined))).toEqual({ x: 'default/a' })
  })

  it('take an address from its holder for an older Service', () => {
    const before = grantClaims([claimant('b', ['x'], 5)], undefined)
    expect(ownersOf(grantClaims([claimant('a', ['x'], 4), claimant('b', ['x'], 5)], before))).toEqual({ x: 'default/a' })
  })

  it('do not remember a holder that no longer wants the address', () => {
    const before = grantClaims([claimant('c', ['x'])], undefined)
    const claims = grantClaims([claimant('b', ['x']), claimant('a', ['x']), claimant('c', ['y'])], before)
    expect(ownersOf(claims)).toEqual({ x: 'default/a', y: 'default/c' })
  })

  it('are the same reference as long as nothing changes hands', () => {
    const before = grantClaims([claimant('a', ['x']), claimant('b', ['y'])], undefined)
    expect(grantClaims([claimant('b', ['y']), claimant('a', ['x'])], before)).toBe(before)
    expect(grantClaims([claimant('a', ['x', 'y'])], before)).not.toBe(before)
    expect(grantClaims([claimant('a', ['x'])], before)).not.toBe(before)
  })

  it('know every clusterIP, of Services without a listener too', () => {
    const snapshot = createCompiler().compile([
      aService('web'),
      aService('other', { clusterIP: '10.0.0.2' }, { labels: { 'service.kubernetes.io/service-proxy-name': 'other' } }),
    ])
    expect([...snapshot.claims.clusterIps]).toEqual(['10.0.0.1', '10.0.0.2'])
  })

  it('give every wanted address exactly one owner that wants it, the same in whatever order Services come', () => {
    const services = fc.uniqueArray(
      fc.record({
        name: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
        keys: fc.uniqueArray(fc.constantFrom('x', 'y', 'z')),
        createdMs: fc.option(fc.nat(2), { nil: undefined }),
      }),
      { selector: ({ name }) => name },
    )
    fc.assert(
      fc.property(services, services, fc.func(fc.nat()), (beforeServices, nowServices, shuffle) => {
        const toClaimants = (some: typeof nowServices) => some.map(({ name, keys, createdMs }) => claimant(name, keys, createdMs))
        const before = grantClaims(toClaimants(beforeServices), undefined)
        const claims = grantClaims(toClaimants(nowServices), before)
        const shuffled = [...nowServices].sort((a, b) => shuffle(a.name) - shuffle(b.name))
        expect(ownersOf(grantClaims(toClaimants(shuffled), before))).toEqual(ownersOf(claims))
        const wanted = new Set(nowServices.flatMap(({ keys }) => keys))
        expect([...claims.owners.keys()].sort()).toEqual([...wanted].sort())
        for (const [key, owner] of claims.owners) {
          const its = nowServices.find(({ name }) => `default/${name}` === owner)
          expect(its?.keys as string[]).toContain(key)
          const ages = nowServices.flatMap(({ keys, createdMs }) => ((keys as string[]).includes(key) ? [createdMs ?? 99] : []))
          expect(its?.createdMs ?? 99).toBe(Math.min(...ages))
          const heldBy = before.owners.get(key as ListenerKey)
          const holder = nowServices.find(({ name, keys }) => `default/${name}` === heldBy && (keys as string[]).includes(key))
          if (holder && (holder.createdMs ?? 99) === (its?.createdMs ?? 99)) expect(owner).toBe(heldBy)
        }
        expect(grantClaims(toClaimants(shuffled), claims)).toBe(claims)
      }),
    )
  })
})

describe('two Services that want one address', () => {
  const nodePort = (name: string, clusterIP: string, createdAt: string): Json =>
    aService(name, { type: 'NodePort', clusterIP, ports: [{ port: 80, nodePort: 30_080 }] }, { creationTimestamp: createdAt })
  const api = nodePort('api', '10.0.0.2', NEW)
  const web = nodePort('web', '10.0.0.1', OLD)
  const endpoints = [aSlice('api', ['10.1.0.9']), aSlice('web', ['10.1.0.1'])]

  // Case 85.
  it('leave it with the older; the other one says who has it, keeps its other addresses and heals when that one goes', () => {
    const compiler = createCompiler()
    const both = compiler.compile([api, web, ...endpoints])
    expect(routesOf(both)).toEqual({
      'TCP/10.0.0.2:80': ['10.1.0.9:8080/TCP'],
      'TCP/10.0.0.1:80': ['10.1.0.1:8080/TCP'],
      'TCP/192.0.2.1:30080': ['10.1.0.1:8080/TCP'],
    })
    expect(inWords(both.problems)).toEqual([
      'a.yaml:1: error: Service default/api spec.ports.nodePort: "TCP 192.0.2.1:30080": is held by Service default/web (a.yaml:11)',
    ])

    const one = compiler.compile([api, endpoints[0]])
    expect(routesOf(one)).toEqual({ 'TCP/10.0.0.2:80': ['10.1.0.9:8080/TCP'], 'TCP/192.0.2.1:30080': ['10.1.0.9:8080/TCP'] })
    expect(one.problems).toEqual([])
  })

  it('change places when an older one comes, with one swap of the address', () => {
    const compiler = createCompiler()
    const before = compiler.compile([api, ...endpoints])
    const after = compiler.compile([api, web, ...endpoints])
    const key = 'TCP/192.0.2.1:30080' as ListenerKey
    expect(before.routes.get(key)?.service.key).toBe('default/api')
    expect(after.routes.get(key)?.service.key).toBe('default/web')
    expect(after.routes.get('TCP/10.0.0.2:80' as ListenerKey)).toBe(before.routes.get('TCP/10.0.0.2:80' as ListenerKey))
  })

  it('are told of the line on which the owner stands now', () => {
    const compiler = createCompiler()
    compiler.compile([api, web, ...endpoints])
    const [problem] = compiler
      .compile([api, aSlice('api', []), web, ...endpoints])
      .problems.filter(({ code }) => code === 'address-conflict')
    expect(problem?.message).toBe('is held by Service default/web (a.yaml:21)')
  })

  it('do not mind each other where the protocol differs', () => {
    const dns = (protocol: string) => aService(protocol.toLowerCase(), { ports: [{ port: 53, protocol }] })
    const snapshot = createCompiler().compile([dns('TCP'), dns('UDP')])
    expect([...snapshot.routes.keys()]).toEqual(['TCP/10.0.0.1:53', 'UDP/10.0.0.1:53'])
    expect(snapshot.problems.filter(({ severity }) => severity === 'error')).toEqual([])
  })
})
