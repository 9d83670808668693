import { describe, expect, it } from 'vitest'
import { countNoLocalEndpoints } from '../../src/snapshot/no-local-endpoints.ts'
import { aService, aSlice, createCompiler, inShort, inWords, type Json } from '../support/objects.ts'

const PORT = 31_000
const LOCAL = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: PORT }
const web = (spec: Json = {}, metadata: Json = {}) => aService('web', { ...LOCAL, ...spec }, metadata)
const HERE = { nodeName: 'node-1' }
const AWAY = { nodeName: 'node-2' }
const STOPPING = { ready: false, serving: true, terminating: true }

/** Local endpoints by address that is asked. */
function checks(objects: readonly unknown[], options: Parameters<typeof createCompiler>[0] = {}) {
  const { healthChecks } = createCompiler(options).compile(objects)
  return Object.fromEntries([...healthChecks.values()].map(({ key, localEndpoints }) => [key, localEndpoints]))
}

describe('a healthCheckNodePort', () => {
  it('is asked on every address that nodePorts answer on, of the families of its Service', () => {
    const nodeAddresses = ['192.0.2.1', '192.0.2.2', '2001:db8::1']
    expect(checks([web()], { nodeAddresses })).toEqual({ 'TCP/192.0.2.1:31000': 0, 'TCP/192.0.2.2:31000': 0 })
    const dual = web({ clusterIPs: ['10.0.0.1', 'fd00::1'] })
    expect(Object.keys(checks([dual], { nodeAddresses })).at(-1)).toBe('TCP/[2001:db8::1]:31000')
  })

  it('counts addresses on this node that are ready, each once whatever its ports, and no other', () => {
    const ports = [
      { name: 'a', port: 80 },
      { name: 'b', port: 81 },
    ]
    const places = [
      ['10.1.0.1', {}, HERE],
      ['10.1.0.2', {}, HERE],
      ['10.1.0.3', {}, AWAY],
      ['10.1.0.4', {}, {}],
      ['10.1.0.5', { ready: false }, HERE],
      ['10.1.0.6', STOPPING, HERE],
    ] as const
    const both = ['a', 'b'].map((name) => aSlice('web', places, { name: `web-${name}`, ports: [{ name, port: 8080 }] }))
    const onlyB = aSlice('web', [['10.1.0.7', {}, HERE]], { name: 'web-c', ports: [{ name: 'b', port: 9 }] })
    expect(checks([web({ ports }), ...both, onlyB])).toEqual({ 'TCP/192.0.2.1:31000': 3 })
  })

  it('counts the endpoints of the family that is asked', () => {
    const dual = web({ clusterIPs: ['10.0.0.1', 'fd00::1'] })
    const v4 = aSlice('web', [['10.1.0.1', {}, HERE]], { name: 'web-4' })
    const v6 = aSlice(
      'web',
      [1, 2].map((n) => [`fd01::${n}`, {}, HERE] as const),
      { name: 'web-6', addressType: 'IPv6' },
    )
    expect(checks([dual, v4, v6], { nodeAddresses: ['192.0.2.1', '2001:db8::1'] })).toEqual({
      'TCP/192.0.2.1:31000': 1,
      'TCP/[2001:db8::1]:31000': 2,
    })
  })

  it('answers 0 where everything on this node terminates, though that goes on serving', () => {
    const slice = aSlice('web', [['10.1.0.1', STOPPING, HERE]])
    const compiler = createCompiler()
    const snapshot = compiler.compile([web(), slice])
    expect([...snapshot.healthChecks.values()].map(({ localEndpoints }) => localEndpoints)).toEqual([0])
    expect([...snapshot.routes.values()].at(-1)?.endpoints).toHaveLength(1)
  })

  it('is there only as long as its Service is served', () => {
    const mesh = { labels: { 'service.kubernetes.io/service-proxy-name': 'mesh' } }
    expect(checks([web({}, mesh)])).toEqual({})
    expect(checks([web({ healthCheckNodePort: 0 })])).toEqual({})
  })

  it('is one for a load balancer with an external policy of Local', () => {
    const wrong = (spec: Json) => inShort(createCompiler().compile([web(spec)]).problems).filter((line) => /^error/.test(line))
    const error = ['error service-type Service default/web spec.healthCheckNodePort']
    expect(wrong({ externalTrafficPolicy: 'Cluster' })).toEqual(error)
    expect(wrong({ type: 'NodePort' })).toEqual(error)
    expect(wrong({ healthCheckNodePort: 70_000 })).toEqual(['error port-range Service default/web spec.healthCheckNodePort'])
    expect(wrong({ ports: [{ port: 80, nodePort: PORT }] })).toEqual([
      'error port-taken Service default/web spec.healthCheckNodePort',
    ])
    const problems = inShort(createCompiler().compile([web({ healthCheckNodePort: 9999 })]).problems)
    expect(problems).toContain('warning node-port-range Service default/web spec.healthCheckNodePort')
  })

  it('has one owner, nodePorts among those who may be; the other one has a problem that names it, and heals', () => {
    const other = aService('other', { type: 'NodePort', clusterIP: '10.0.0.2', ports: [{ port: 80, nodePort: PORT }] })
    const old = { creationTimestamp: '2020-01-01T00:00:00Z' }
    const compiler = createCompiler()
    const said = () => inWords(compiler.compile([web(), other]).problems).filter((line) => line.includes('is held by'))
    // Of two of one age, who held it.
    compiler.compile([web()])
    expect(said()).toEqual([
      'a.yaml:11: error: Service default/other spec.ports.nodePort: "TCP 192.0.2.1:31000": is held by Service default/web (a.yaml:1)',
    ])
    const older = compiler.compile([web(), { ...other, metadata: { name: 'other', ...old } }])
    expect(inWords(older.problems)).toContain(
      'a.yaml:1: error: Service default/web spec.healthCheckNodePort: "TCP 192.0.2.1:31000": is held by Service default/other (a.yaml:11)',
    )
    expect(older.healthChecks.size).toBe(0)
    expect(compiler.compile([web()]).healthChecks.size).toBe(1)
  })

  it('is never given to a nodePort that has no number', () => {
    const nameless = aService('other', { type: 'NodePort', clusterIP: '10.0.0.2' })
    const { problems, routes } = createCompiler({ nodePortRange: [PORT, PORT + 1] }).compile([
      web({ allocateLoadBalancerNodePorts: false }),
      nameless,
    ])
    expect(routes.has('TCP/192.0.2.1:31001' as never)).toBe(true)
    expect(problems.filter(({ code }) => code === 'address-conflict')).toEqual([])
  })
})

describe('Service ports that have no endpoint here', () => {
  const counted = (spec: Json, ...endpoints: Parameters<typeof aSlice>[1][number][]) => {
    const given = aService('web', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }], ...spec })
    return countNoLocalEndpoints(createCompiler().compile([given, aSlice('web', endpoints)]))
  }
  const none = { internal: { IPv4: 0, IPv6: 0 }, external: { IPv4: 0, IPv6: 0 } }
  const both = { internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local' }

  it('are counted by the policy that leaves them none, where there is one elsewhere', () => {
    const away = ['10.1.0.1', {}, AWAY] as const
    expect(counted(both, away)).toEqual({ ...none, internal: { IPv4: 1, IPv6: 0 }, external: { IPv4: 1, IPv6: 0 } })
    expect(counted({ internalTrafficPolicy: 'Local' }, away)).toEqual({ ...none, internal: { IPv4: 1, IPv6: 0 } })
    expect(counted({}, away)).toEqual(none)
    expect(counted(both, away, ['10.1.0.2', {}, HERE])).toEqual(none)
    expect(counted(both)).toEqual(none)
    expect(countNoLocalEndpoints(undefined)).toEqual(none)
  })
})
