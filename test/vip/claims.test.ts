import { describe, expect, it } from 'vitest'
import { parseCidr } from '../../src/model/address.ts'
import type { Cidr } from '../../src/model/keys.ts'
import { showProblem } from '../../src/model/problem.ts'
import { VipPlanner, type VipRules } from '../../src/vip/claims.ts'
import { aService, createCompiler } from '../support/objects.ts'

const cidrs = (...texts: string[]) => texts.map((text) => parseCidr(text) as Cidr)
const RULES: VipRules = { clusterIpRanges: cidrs('10.96.0.0/16', 'fd00::/112'), externalIpRanges: cidrs('203.0.113.0/25') }

function claims(service: unknown, rules = RULES) {
  const { wanted, refused } = new VipPlanner(rules).claimsOf(createCompiler().compile([service]))
  return {
    wanted: [...wanted],
    refused: [...refused].flatMap(([, refusals]) => refusals.map(({ absent }) => showProblem(absent))),
  }
}

describe('VIPs that ought to be local', () => {
  it('are clusterIPs and externalIPs inside their ranges, and whatever a load balancer was given', () => {
    const spec = {
      clusterIPs: ['10.96.0.1', 'fd00::1'],
      clusterIP: '10.96.0.1',
      type: 'LoadBalancer',
      externalIPs: ['203.0.113.1'],
    }
    const ingress = [{ ip: '192.0.2.77' }, { ip: '192.0.2.78', ipMode: 'Proxy' }]
    expect(claims(aService('web', spec, {}, { status: { loadBalancer: { ingress } } }))).toEqual({
      wanted: ['10.96.0.1', 'fd00::1', '203.0.113.1', '192.0.2.77'],
      refused: [],
    })
  })

  it('are none of the node, and none of loopback', () => {
    const spec = { clusterIP: '127.0.0.9', type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] }
    expect(claims(aService('web', spec))).toEqual({ wanted: [], refused: [] })
  })

  it('are none outside of their ranges: that is a problem which names the range', () => {
    const spec = { clusterIP: '10.97.0.1', externalIPs: ['8.8.8.8'] }
    expect(claims(aService('web', spec))).toEqual({
      wanted: [],
      refused: [
        'a.yaml:1: error: Service default/web spec.clusterIP: "10.97.0.1": is not an address of this machine and is not made one: ' +
          'it is outside of --service-cluster-ip-range 10.96.0.0/16,fd00::/112',
        'a.yaml:1: error: Service default/web spec.externalIPs: "8.8.8.8": is not an address of this machine and is not made one: ' +
          'it is outside of --external-ip-range 203.0.113.0/25',
      ],
    })
    expect(claims(aService('web', spec), { clusterIpRanges: [], externalIpRanges: [] }).refused).toEqual([
      expect.stringContaining('no --service-cluster-ip-range is given'),
      expect.stringContaining('no --external-ip-range is given'),
    ])
  })

  it('are remembered for Services that did not change', () => {
    const compiler = createCompiler()
    const planner = new VipPlanner(RULES)
    const [web, api] = [aService('web', { clusterIP: '10.96.0.1' }), aService('api', { clusterIP: '10.97.0.2' })]
    const before = planner.claimsOf(compiler.compile([web, api])).refused
    const after = planner.claimsOf(compiler.compile([aService('web', { clusterIP: '10.96.0.3' }), api]))
    expect([...after.wanted]).toEqual(['10.96.0.3'])
    expect([...after.refused.values()][0]?.[0]).toBe([...before.values()][0]?.[0])
  })
})
