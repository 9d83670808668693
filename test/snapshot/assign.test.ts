import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cidrContains } from '../../src/model/address.ts'
import type { Cidr, Ip } from '../../src/model/keys.ts'
import { assignAddresses, assignPorts } from '../../src/snapshot/assign.ts'
import { aService, createCompiler, inShort, routesOf } from '../support/objects.ts'

const RANGE = '10.96.0.0/24' as Cidr
const NONE = new Map<string, number>()

/** Who gets which address. */
function addresses(
  names: readonly string[],
  { range = RANGE, taken = [] as string[], previous = NONE as ReadonlyMap<string, number> } = {},
): Record<string, string | undefined> {
  const { addressOf } = assignAddresses(names, range, new Set(taken as Ip[]), previous)
  return Object.fromEntries(names.map((name) => [name, addressOf(name)]))
}

const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,3}\/[a-z]{1,4}$/), { maxLength: 30 })

describe('assigned addresses', () => {
  it('are the same after a restart, in whatever order the Services come', () => {
    fc.assert(
      fc.property(names, (given) => {
        const once = addresses(given)
        expect(addresses([...given].reverse())).toEqual(once)
      }),
    )
  })

  it('follow from the name alone, as long as no other name wants the same place', () => {
    const alone = addresses(['default/web'])
    // Recorded: another hash would move everybody's addresses with the next version.
    expect(alone['default/web']).toBe('10.96.0.60')
    expect(addresses(['default/web', 'default/api', 'kube-system/dns'])['default/web']).toBe(alone['default/web'])
  })

  it('are all different, inside the range, and neither its first, nor its last, nor one that somebody was given', () => {
    const taken = fc.subarray(Array.from({ length: 16 }, (_, n) => `10.96.0.${n}`))
    fc.assert(
      fc.property(names, taken, (given, explicit) => {
        const range = '10.96.0.0/28' as Cidr
        const got = Object.values(addresses(given, { range, taken: explicit })).filter((ip) => ip !== undefined)
        expect(new Set(got).size).toBe(got.length)
        for (const ip of got) {
          expect(cidrContains(range, ip as Ip)).toBe(true)
          expect(['10.96.0.0', '10.96.0.15', ...explicit]).not.toContain(ip)
        }
        const free = 14 - explicit.filter((ip) => ip !== '10.96.0.0' && ip !== '10.96.0.15').length
        expect(got.length).toBe(Math.min(free, given.length))
      }),
    )
  })

  it('never move for a newcomer', () => {
    fc.assert(
      fc.property(names, names, (first, second) => {
        const range = '10.96.0.0/27' as Cidr
        const before = assignAddresses(first, range, new Set(), NONE)
        const all = [...new Set([...first, ...second])]
        const after = assignAddresses(all, range, new Set(), before.places)
        for (const name of first) expect(after.addressOf(name)).toBe(before.addressOf(name) ?? after.addressOf(name))
      }),
    )
  })

  it('give way to an address that somebody was given', () => {
    const { places, addressOf } = assignAddresses(['default/web'], RANGE, new Set(), NONE)
    const ip = addressOf('default/web') as Ip
    const after = assignAddresses(['default/web'], RANGE, new Set([ip]), places)
    expect(after.addressOf('default/web')).not.toBe(ip)
    expect(after.addressOf('default/web')).toBeDefined()
  })

  // Case 58.
  it('are free again when their Service is gone', () => {
    const range = '10.96.0.0/30' as Cidr
    const full = assignAddresses(['a/a', 'b/b', 'c/c'], range, new Set(), NONE)
    const unlucky = ['a/a', 'b/b', 'c/c'].find((name) => full.addressOf(name) === undefined) as string
    const lucky = ['a/a', 'b/b', 'c/c'].filter((name) => name !== unlucky)
    const after = assignAddresses([lucky[1] as string, unlucky], range, new Set(), full.places)
    expect(after.addressOf(lucky[1] as string)).toBe(full.addressOf(lucky[1] as string))
    expect(after.addressOf(unlucky)).toBe(full.addressOf(lucky[0] as string))
  })

  it('come from IPv6 ranges of any size', () => {
    const got = addresses(['default/web', 'default/api'], { range: '2001:db8:1::/64' as Cidr })
    expect(new Set(Object.values(got)).size).toBe(2)
    for (const ip of Object.values(got)) expect(cidrContains('2001:db8:1::/64' as Cidr, ip as Ip)).toBe(true)
  })

  it('are none where a range has no room', () => {
    for (const range of ['10.96.0.0/32', '10.96.0.0/31'] as Cidr[])
      expect(addresses(['default/web'], { range })).toEqual({ 'default/web': undefined })
    expect(addresses(['default/web'], { range: '10.96.0.0/30' as Cidr, taken: ['10.96.0.1', '10.96.0.2'] })).toEqual({
      'default/web': undefined,
    })
  })

  it('cost little even where thousands find no room', () => {
    const many = Array.from({ length: 5_000 }, (_, n) => `default/web-${n}`)
    const startedMs = performance.now()
    const got = Object.values(addresses(many))
    expect(got.filter((ip) => ip !== undefined)).toHaveLength(254)
    expect(performance.now() - startedMs).toBeLessThan(2_000)
  })
})

describe('assigned nodePorts', () => {
  it('are inside the range, both ends included, and none that somebody was given', () => {
    const { portOf } = assignPorts(['a', 'b', 'c', 'd'], [30_000, 30_003], new Set([30_001]), NONE)
    const got = ['a', 'b', 'c', 'd'].map((name) => portOf(name))
    expect(got.filter((port) => port !== undefined).sort()).toEqual([30_000, 30_002, 30_003])
  })

  it('stay with who has them', () => {
    const before = assignPorts(['a'], [30_000, 30_003], new Set(), NONE)
    const after = assignPorts(['x', 'y', 'z', 'a'], [30_000, 30_003], new Set(), before.places)
    expect(after.portOf('a')).toBe(before.portOf('a'))
  })
})

describe('Services without an address', () => {
  const given = { clusterIpRange: '10.96.0.0/24' }
  const bare = (name: string, spec = {}) => aService(name, { clusterIP: undefined, ...spec })

  it('get one from the range', () => {
    const snapshot = createCompiler(given).compile([bare('web')])
    expect(routesOf(snapshot)).toEqual({ 'TCP/10.96.0.60:80': [] })
    expect([...snapshot.assigned.addresses.keys()]).toEqual(['default/web'])
  })

  it('are named in one line where there is no range', () => {
    const snapshot = createCompiler().compile([
      bare('web', {
        ports: [
          { name: 'a', port: 1 },
          { name: 'b', port: 2 },
        ],
      }),
    ])
    expect(inShort(snapshot.problems)).toContain('error no-cluster-ip Service default/web spec.clusterIP')
    expect(snapshot.problems.filter(({ code }) => code === 'no-cluster-ip')).toHaveLength(1)
    expect(snapshot.routes.size).toBe(0)
  })

  it('are named where the range has no room', () => {
    const snapshot = createCompiler({ clusterIpRange: '10.96.0.0/31' }).compile([bare('web')])
    expect(inShort(snapshot.problems)).toContain('error no-cluster-ip Service default/web spec.clusterIP')
  })

  it('keep their address when others come, and lose it to one who was given it', () => {
    const compiler = createCompiler(given)
    const web = bare('web')
    compiler.compile([web])
    const more = compiler.compile([bare('api'), web, bare('dns')])
    expect(routesOf(more)).toHaveProperty('TCP/10.96.0.60:80')
    const rival = aService('rival', { clusterIP: '10.96.0.60' })
    const after = compiler.compile([web, rival])
    expect(after.services.get('default/rival' as never)?.routes).toHaveLength(1)
    expect(after.services.get('default/web' as never)?.clusterIps).toEqual(['10.96.0.61'])
    expect(inShort(after.problems).filter((line) => line.startsWith('error'))).toEqual([])
  })

  it('get no address that a Service of another program, or an externalIP, has', () => {
    const label = { labels: { 'service.kubernetes.io/service-proxy-name': 'other' } }
    for (const other of [
      aService('other', { clusterIP: '10.96.0.60' }, label),
      aService('other', { clusterIP: '10.0.0.2', externalIPs: ['10.96.0.60'] }),
    ]) {
      const snapshot = createCompiler(given).compile([bare('web'), other])
      expect(snapshot.services.get('default/web' as never)?.clusterIps).toEqual(['10.96.0.61'])
    }
  })

  it('get one only if they are served', () => {
    const snapshot = createCompiler(given).compile([
      aService('headless', { clusterIP: 'None' }),
      aService('elsewhere', { clusterIP: undefined, type: 'ExternalName', externalName: 'db.example.com' }),
    ])
    expect(snapshot.assigned.addresses.size).toBe(0)
    expect(snapshot.routes.size).toBe(0)
  })

  it('of type NodePort without a number get that too, one for each port', () => {
    const compiler = createCompiler({ ...given, nodePortRange: [31_000, 31_001] })
    const web = bare('web', {
      type: 'NodePort',
      ports: [
        { name: 'a', port: 1 },
        { name: 'b', port: 2 },
      ],
    })
    const snapshot = compiler.compile([web])
    const numbers = [...(snapshot.services.get('default/web' as never)?.nodePorts.values() ?? [])]
    expect(numbers.sort()).toEqual([31_000, 31_001])
    expect(compiler.compile([web]).routes).toEqual(snapshot.routes)
  })
})
