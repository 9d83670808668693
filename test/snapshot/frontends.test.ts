import { describe, expect, it } from 'vitest'
import { aService, createCompiler, inShort, type Json, routesOf } from '../support/objects.ts'

/** Where a Service listens: `TCP/10.0.0.1:80 clusterIP`. */
function listeners(spec: Json, options: Parameters<typeof createCompiler>[0] = {}, rest: Json = {}, metadata: Json = {}) {
  const snapshot = createCompiler(options).compile([aService('web', spec, metadata, rest)])
  return [...snapshot.routes.values()].map(({ key, kind }) => `${key} ${kind}`)
}

describe('frontends', () => {
  it('are the clusterIP, externalIPs, load balancer addresses and the nodePort on every node address', () => {
    expect(
      listeners(
        {
          type: 'LoadBalancer',
          externalIPs: ['203.0.113.1', '203.0.113.2'],
          ports: [{ port: 80, nodePort: 30_080 }],
        },
        { nodeAddresses: ['192.0.2.1', '127.0.0.1'] },
        { status: { loadBalancer: { ingress: [{ ip: '198.51.100.1' }] } } },
      ),
    ).toEqual([
      'TCP/10.0.0.1:80 clusterIP',
      'TCP/203.0.113.1:80 externalIP',
      'TCP/203.0.113.2:80 externalIP',
      'TCP/198.51.100.1:80 loadBalancer',
      'TCP/192.0.2.1:30080 nodePort',
      'TCP/127.0.0.1:30080 nodePort',
    ])
  })

  it('are of the load balancer where they are externalIPs, too, for that is the kind that source ranges guard', () => {
    const status = { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } }
    const spec = { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, externalIPs: ['203.0.113.1', '203.0.113.2'] }
    expect(listeners(spec, {}, { status })).toEqual([
      'TCP/10.0.0.1:80 clusterIP',
      'TCP/203.0.113.2:80 externalIP',
      'TCP/203.0.113.1:80 loadBalancer',
    ])
  })

  it('are as many as there are ports, the protocol being part of the address', () => {
    const ports = [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53 },
    ]
    expect(listeners({ ports })).toEqual(['UDP/10.0.0.1:53 clusterIP', 'TCP/10.0.0.1:53 clusterIP'])
  })

  it('leave out load balancers that are a proxy of their own, or only a name', () => {
    const ingress = [
      { ip: '198.51.100.1', ipMode: 'Proxy' },
      { ip: '198.51.100.2', ipMode: 'VIP' },
      { hostname: 'lb.example.com' },
    ]
    const type = { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false }
    expect(listeners(type, {}, { status: { loadBalancer: { ingress } } })).toEqual([
      'TCP/10.0.0.1:80 clusterIP',
      'TCP/198.51.100.2:80 loadBalancer',
    ])
  })

  it('have no nodePort where a load balancer wants none', () => {
    const type = { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false }
    expect(listeners(type)).toEqual(['TCP/10.0.0.1:80 clusterIP'])
    const withNumber = { ...type, ports: [{ port: 80, nodePort: 30_080 }] }
    expect(listeners(withNumber)).toEqual(['TCP/10.0.0.1:80 clusterIP', 'TCP/192.0.2.1:30080 nodePort'])
  })

  it('answer on node addresses of the Service’s families', () => {
    const nodeAddresses = ['192.0.2.1', '2001:db8::1']
    const spec = (clusterIPs: string[]) => ({
      type: 'NodePort',
      clusterIP: clusterIPs[0],
      clusterIPs,
      ports: [{ port: 80, nodePort: 30_080 }],
    })
    expect(listeners(spec(['10.0.0.1']), { nodeAddresses })).toEqual([
      'TCP/10.0.0.1:80 clusterIP',
      'TCP/192.0.2.1:30080 nodePort',
    ])
    expect(listeners(spec(['fd00::1', '10.0.0.1']), { nodeAddresses })).toEqual([
      'TCP/[fd00::1]:80 clusterIP',
      'TCP/10.0.0.1:80 clusterIP',
      'TCP/192.0.2.1:30080 nodePort',
      'TCP/[2001:db8::1]:30080 nodePort',
    ])
  })

  it('follow the addresses of the machine', () => {
    const compiler = createCompiler()
    const web = aService('web', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] })
    compiler.compile([web])
    compiler.moveTo(['192.0.2.2'])
    expect([...compiler.compile([web]).routes.keys()]).toEqual(['TCP/10.0.0.1:80', 'TCP/192.0.2.2:30080'])
  })

  it('name an address once where it is listed twice', () => {
    const spec = { externalIPs: ['10.0.0.1', '203.0.113.1', '203.0.113.1'] }
    expect(listeners(spec)).toEqual(['TCP/10.0.0.1:80 clusterIP', 'TCP/203.0.113.1:80 externalIP'])
  })

  it('are none for a Service that is not served', () => {
    expect(listeners({ clusterIP: 'None' })).toEqual([])
    expect(listeners({ type: 'ExternalName', externalName: 'db.example.com' })).toEqual([])
    expect(listeners({}, {}, {}, { labels: { 'service.kubernetes.io/service-proxy-name': 'other' } })).toEqual([])
    expect(listeners({}, {}, {}, { labels: { 'service.kubernetes.io/headless': '' } })).toEqual([])
  })

  // Case 91.
  it('leave out an SCTP port where it is not served, say so, and serve the others', () => {
    const ports = [
      { name: 'sigtran', port: 2905, protocol: 'SCTP' },
      { name: 'http', port: 80 },
    ]
    const snapshot = createCompiler({ sctpRefusal: 'it needs CAP_NET_RAW' }).compile([aService('web', { ports })])
    expect(Object.keys(routesOf(snapshot))).toEqual(['TCP/10.0.0.1:80'])
    expect(inShort(snapshot.problems)).toContain('warning sctp Service default/web spec.ports[0].protocol')
    expect(snapshot.problems.map(({ message }) => message)).toContain('is not served: it needs CAP_NET_RAW; see docs/sctp.md')
    const served = createCompiler().compile([aService('web', { ports })])
    expect(Object.keys(routesOf(served))).toEqual(['SCTP/10.0.0.1:2905', 'TCP/10.0.0.1:80'])
    expect(inShort(served.problems)).not.toContain('warning sctp Service default/web spec.ports[0].protocol')
  })

  // Cases 53, 54 and 55.
  it('come and go with the clusterIP', () => {
    const compiler = createCompiler()
    const keys = (clusterIP: string) => [...compiler.compile([aService('web', { clusterIP })]).routes.keys()]
    expect(keys('10.0.0.1')).toEqual(['TCP/10.0.0.1:80'])
    expect(keys('')).toEqual([])
    expect(keys('None')).toEqual([])
    expect(keys('10.0.0.1')).toEqual(['TCP/10.0.0.1:80'])
  })

  // Cases 42 and 43.
  it('are there for a Service without endpoints, and only for its own ports', () => {
    const ports = [
      { name: 'p', port: 80 },
      { name: 'q', port: 81, protocol: 'UDP' },
    ]
    const snapshot = createCompiler().compile([aService('web', { ports })])
    expect(routesOf(snapshot)).toEqual({ 'TCP/10.0.0.1:80': [], 'UDP/10.0.0.1:81': [] })
  })
})
