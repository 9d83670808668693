import { describe, expect, it } from 'vitest'
import { DEFAULT_PARSE_OPTIONS } from '../../src/model/parse-options.ts'
import { bad, good, read } from './read-service.ts'
import { aService, type Json } from './sample-objects.ts'

describe('the ports of a Service', () => {
  it('are at least one', () => {
    for (const ports of [undefined, null, []]) expect(bad({ ports })).toEqual(['ports spec.ports'])
  })

  it('are kept in order under their names and protocols', () => {
    const ports = [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53, protocol: 'TCP' },
      { name: 'sig', port: 53, protocol: 'SCTP' },
    ]
    expect(good({ ports }).ports.map(({ key }) => key)).toEqual([
      'default/web:dns/UDP',
      'default/web:dns-tcp/TCP',
      'default/web:sig/SCTP',
    ])
  })

  it.each([0, -1, 65_536, 80.5, '80', null, true, Number.NaN])('have a number from 1 to 65535, which %j is not', (port) => {
    expect(bad({ ports: [{ port }] })).toEqual(['port-range spec.ports.0.port'])
  })

  it('have names, different ones, as soon as they are several', () => {
    expect(good({ ports: [{ port: 80 }] }).ports[0]?.name).toBe('')
    expect(bad({ ports: [{ port: 80, name: 'a' }, { port: 81 }] })).toEqual(['port-name spec.ports.1.name'])
    expect(
      bad({
        ports: [
          { port: 80, name: 'a' },
          { port: 81, name: 'a' },
        ],
      }),
    ).toEqual(['port-name spec.ports.1.name'])
    for (const name of ['A', 'a_b', '-a', 'a.b', 'a'.repeat(64)])
      expect(bad({ ports: [{ port: 80, name }] })).toEqual(['name spec.ports.0.name'])
    expect(good({ ports: [{ port: 80, name: '8080' }] }).ports[0]?.name).toBe('8080')
  })

  it('have a number of their own for each protocol', () => {
    expect(
      bad({
        ports: [
          { port: 80, name: 'a' },
          { port: 80, name: 'b' },
        ],
      }),
    ).toEqual(['port-taken spec.ports.1.port'])
    expect(
      good({
        ports: [
          { port: 80, name: 'a' },
          { port: 80, name: 'b', protocol: 'UDP' },
        ],
      }).ports,
    ).toHaveLength(2)
  })

  it('speak TCP, UDP or SCTP, in capitals', () => {
    for (const protocol of ['tcp', 'ICMP', 6])
      expect(bad({ ports: [{ port: 80, protocol }] })).toEqual(['choice spec.ports.0.protocol'])
  })

  it('lead to a port’s number or name', () => {
    for (const targetPort of [1, 65_535, 'http', 'a-1', '0a', undefined, null, 0, '']) good({ ports: [{ port: 80, targetPort }] })
    for (const targetPort of [-1, 65_536, 1.5, '80', 'HTTP', 'a--b', '-a', 'a-', 'a'.repeat(16), 'a_b', [], true]) {
      expect(bad({ ports: [{ port: 80, targetPort }] })).toEqual(['target-port spec.ports.0.targetPort'])
    }
  })

  it('do not include the kubelet’s on a load balancer', () => {
    expect(bad({ type: 'LoadBalancer', ports: [{ port: 10_250 }] })).toEqual(['port-kubelet spec.ports.0.port'])
    good({ ports: [{ port: 10_250 }] })
  })
})

describe('nodePorts', () => {
  const port = (nodePort: unknown, more: Json = {}) => ({ ports: [{ port: 80, nodePort }], type: 'NodePort', ...more })

  it('are wanted by NodePort and LoadBalancer, unless that declines', () => {
    expect(good({ type: 'NodePort' }).wantsNodePorts).toBe(true)
    expect(good({ type: 'LoadBalancer' }).wantsNodePorts).toBe(true)
    expect(good({ type: 'LoadBalancer', allocateLoadBalancerNodePorts: false }).wantsNodePorts).toBe(false)
    expect(good().wantsNodePorts).toBe(false)
  })

  it('are given, or none: 0', () => {
    expect(good(port(30_080)).ports[0]?.nodePort).toBe(30_080)
    expect(good(port(0)).ports[0]?.nodePort).toBeUndefined()
    expect(bad(port(-1))).toEqual(['port-range spec.ports.0.nodePort'])
    expect(bad(port('30080'))).toEqual(['port-range spec.ports.0.nodePort'])
  })

  it('outside the range get a warning that names range and flag, no more', () => {
    const { service, found, messages } = read(aService(port(80)))
    expect(service?.ports[0]?.nodePort).toBe(80)
    expect(found).toEqual(['warning node-port-range spec.ports.0.nodePort'])
    expect(messages).toEqual(['should be from 30000 to 32767 (--service-node-port-range)'])
    for (const end of [30_000, 32_767]) good(port(end))
    const options = { ...DEFAULT_PARSE_OPTIONS, nodePortRange: [80, 90] } as const
    expect(read(aService(port(80)), options).found).toEqual([])
    expect(read(aService(port(91)), options).found).toHaveLength(1)
  })

  it('are not for type ClusterIP', () => {
    expect(bad(port(30_080, { type: 'ClusterIP' }))).toEqual(['node-port-type spec.ports.0.nodePort'])
  })

  it('are different ones for each protocol', () => {
    const two = (protocol: string) => [
      { name: 'a', port: 80, nodePort: 30_080 },
      { name: 'b', port: 81, nodePort: 30_080, protocol },
    ]
    expect(bad({ type: 'NodePort', ports: two('TCP') })).toEqual(['port-taken spec.ports.1.nodePort'])
    expect(good({ type: 'NodePort', ports: two('UDP') }).ports).toHaveLength(2)
  })
})
