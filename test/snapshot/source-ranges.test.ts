import { describe, expect, it } from 'vitest'
import { aService, aSlice, createCompiler, type Json } from '../support/objects.ts'

const SPEC = {
  type: 'LoadBalancer',
  clusterIPs: ['10.0.0.1', 'fd00::1'],
  externalIPs: ['203.0.113.1'],
  ports: [{ port: 80, nodePort: 30_080 }],
}
const STATUS = { loadBalancer: { ingress: [{ ip: '203.0.113.9' }, { ip: '2001:db8::9' }] } }
const slices = [
  aSlice('web', ['10.1.0.1'], { name: 'web-4' }),
  aSlice('web', ['fd01::1'], { name: 'web-6', addressType: 'IPv6' }),
]

/** Who may come to each address; `closed` where nobody may. */
function permitted(loadBalancerSourceRanges: readonly string[], options: Parameters<typeof createCompiler>[0] = {}) {
  const compiler = createCompiler({ nodeAddresses: ['192.0.2.1'], ...options })
  const { routes } = compiler.compile([aService('web', { ...SPEC, loadBalancerSourceRanges }, {}, { status: STATUS }), ...slices])
  return Object.fromEntries(
    [...routes.values()].map(({ address, endpoints, sourceRanges }) => [
      address.ip,
      endpoints.length === 0 ? 'closed' : sourceRanges.join(' '),
    ]),
  )
}

const OPEN: Json = { '10.0.0.1': '', 'fd00::1': '', '203.0.113.1': '', '192.0.2.1': '', '203.0.113.9': '', '2001:db8::9': '' }

describe('source ranges', () => {
  it('guard load balancer addresses of their family and nothing else, as in Kubernetes', () => {
    expect(permitted([])).toEqual(OPEN)
    expect(permitted(['198.51.100.0/24'])).toEqual({ ...OPEN, '203.0.113.9': '198.51.100.0/24' })
    expect(permitted(['2001:db8:1::/48'])).toEqual({ ...OPEN, '2001:db8::9': '2001:db8:1::/48' })
  })

  it('that permit this node permit it also when it comes from the address it goes to', () => {
    expect(permitted(['192.0.2.0/24', '198.51.100.0/24'])['203.0.113.9']).toBe('192.0.2.0/24 198.51.100.0/24 203.0.113.9/32')
    const dual = { nodeAddresses: ['192.0.2.1', '2001:db8:1::1'] }
    expect(permitted(['2001:db8:1::/64', '198.51.100.0/24'], dual)).toMatchObject({
      '203.0.113.9': '198.51.100.0/24',
      '2001:db8::9': '2001:db8:1::/64 2001:db8::9/128',
    })
  })

  it('follow the addresses of this node', () => {
    const compiler = createCompiler({ nodeAddresses: ['192.0.2.1'] })
    const web = aService('web', { ...SPEC, loadBalancerSourceRanges: ['198.51.100.0/24'] }, {}, { status: STATUS })
    const rangesNow = () => compiler.compile([web, ...slices]).routes.get('TCP/203.0.113.9:80' as never)?.sourceRanges
    expect(rangesNow()).toEqual(['198.51.100.0/24'])
    compiler.moveTo(['198.51.100.7'])
    expect(rangesNow()).toEqual(['198.51.100.0/24', '203.0.113.9/32'])
  })

  it('that are strict guard nodePorts and externalIPs, too, and close the family they do not name', () => {
    const strict = { strictSourceRanges: true }
    expect(permitted([], strict)).toEqual(OPEN)
    expect(permitted(['198.51.100.0/24'], strict)).toEqual({
      ...OPEN,
      '203.0.113.1': '198.51.100.0/24',
      '192.0.2.1': '198.51.100.0/24',
      '203.0.113.9': '198.51.100.0/24',
      '2001:db8::9': 'closed',
    })
    expect(permitted(['::/0'], strict)).toMatchObject({
      'fd00::1': '',
      '203.0.113.9': 'closed',
      '192.0.2.1': 'closed',
      '2001:db8::9': '::/0',
    })
  })
})
