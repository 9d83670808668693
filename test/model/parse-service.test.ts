import { describe, expect, it } from 'vitest'
import { DEFAULT_PARSE_OPTIONS } from '../../src/model/parse-options.ts'
import { bad, good, read } from './read-service.ts'
import { aService, type Json } from './sample-objects.ts'

describe('a Service', () => {
  it('is what Kubernetes makes of it when it says next to nothing', () => {
    expect(good({ clusterIP: undefined })).toEqual({
      key: 'default/web',
      namespace: 'default',
      name: 'web',
      createdMs: undefined,
      type: 'ClusterIP',
      notServed: undefined,
      clusterIps: [],
      families: [],
      externalIps: [],
      ingressIps: [],
      wantsNodePorts: false,
      ports: [{ key: 'default/web:/TCP', name: '', protocol: 'TCP', port: 80, nodePort: undefined }],
      affinityTimeoutMs: undefined,
      internalTrafficPolicy: 'Cluster',
      externalTrafficPolicy: 'Cluster',
      trafficDistribution: undefined,
      topologyKeys: [],
      sourceRanges: [],
      healthCheckNodePort: undefined,
      publishNotReadyAddresses: false,
      options: {
        scheduler: 'rr',
        weights: {},
        backups: [],
        slowStartMs: undefined,
        connectMs: [250, 500, 1000, 2000],
        idleMs: 3_600_000,
        halfCloseMs: 60_000,
        udpIdleMs: 60_000,
        udpResponses: undefined,
        sendProxy: undefined,
        acceptProxy: undefined,
        maxConnections: undefined,
        maxPerEndpoint: undefined,
        queueLength: 1024,
        queueMs: 5000,
        holdMs: undefined,
        userTimeoutMs: undefined,
        onEndpointRemoved: { do: 'keep' },
        health: { check: undefined, agent: undefined, ejection: undefined, panicPercent: 0 },
        onEndpointUnready: { do: 'keep' },
        onEndpointDown: { do: 'keep' },
        onServiceRemoved: undefined,
        maxSessionMs: undefined,
        sourceAddress: 'proxy',
        clientPrefix: undefined,
        affinityScope: undefined,
        clientLimits: undefined,
        sourceAddresses: undefined,
      },
    })
  })

  it('makes no difference between null, nothing between the quotes, and nothing', () => {
    const nothing = good()
    for (const blank of [null, '']) {
      expect(
        good(
          {
            type: blank,
            sessionAffinity: blank,
            internalTrafficPolicy: blank,
            externalTrafficPolicy: blank,
            ports: [{ port: 80, protocol: blank, name: blank, targetPort: blank, nodePort: blank || null }],
          },
          { metadata: { name: 'web', namespace: blank } },
        ),
      ).toEqual(nothing)
    }
    const nulls = [
      'externalIPs',
      'clusterIPs',
      'ipFamilies',
      'loadBalancerSourceRanges',
      'sessionAffinityConfig',
      'healthCheckNodePort',
    ]
    expect(good(Object.fromEntries(nulls.map((field) => [field, null])), { status: null })).toEqual(nothing)
  })

  it('may say more than is read', () => {
    const more = { ipFamilyPolicy: 'SingleStack', selector: { app: 'x' }, brandNew: [1] }
    expect(good(more, { metadata: { uid: 'x', managedFields: [{}] }, unheardOf: 1 })).toEqual(good())
  })

  it('keeps when it was created, with or without quotes', () => {
    const ms = Date.UTC(2024, 0, 31, 12)
    expect(good({}, { metadata: { creationTimestamp: '2024-01-31T12:00:00Z' } }).createdMs).toBe(ms)
    expect(good({}, { metadata: { creationTimestamp: new Date(ms) } }).createdMs).toBe(ms)
    expect(good({}, { metadata: { creationTimestamp: null } }).createdMs).toBeUndefined()
    for (const wrong of ['yesterday', '1', 1706702400, '2024-99-99T00:00:00Z', new Date(Number.NaN)]) {
      expect(bad({}, { metadata: { creationTimestamp: wrong } })).toEqual(['time metadata.creationTimestamp'])
    }
  })

  it('is named as in DNS, beginning with a letter', () => {
    expect(good({}, { metadata: { name: 'a', namespace: '0-9' } }).key).toBe('0-9/a')
    expect(good({}, { metadata: { name: 'a'.repeat(63) } }).name).toHaveLength(63)
    for (const name of ['', '1a', 'A', 'a_b', 'a.b', 'a-', '-a', 'a'.repeat(64), 'a\n', 'a/b']) {
      expect(bad({}, { metadata: { name } })).toEqual(['name metadata.name'])
    }
    for (const namespace of ['A', 'a.b', '-', 'a'.repeat(64)]) {
      expect(bad({}, { metadata: { namespace } })).toEqual(['name metadata.namespace'])
    }
    expect(bad({}, { metadata: { name: undefined } })).toEqual(['missing metadata.name'])
    expect(bad({}, { metadata: { name: 5 } })).toEqual(['type metadata.name'])
  })

  it('says everything that is wrong with its fields at once', () => {
    const { service, found } = read(
      aService(
        { type: 'Ingress', ports: [{ port: 0 }, { port: 'x', protocol: 'tcp' }], externalIPs: ['nowhere'] },
        { metadata: { name: 'A', annotations: { 'portald.io/attempts': 'x' } } },
      ),
    )
    expect(service).toBeUndefined()
    expect(found.sort()).toEqual([
      'error address spec.externalIPs.0',
      'error annotation metadata.annotations.portald.io/attempts',
      'error choice spec.ports.1.protocol',
      'error choice spec.type',
      'error name metadata.name',
      'error port-range spec.ports.0.port',
      'error port-range spec.ports.1.port',
    ])
  })

  it('says what would be right when something is of the wrong kind, or missing', () => {
    expect(read(aService({ ports: 80 })).messages).toEqual(['must be a list'])
    expect(read(aService({ ports: [80] })).messages).toEqual(['must be a mapping'])
    expect(read(aService({ publishNotReadyAddresses: 'yes' })).messages).toEqual(['must be true or false'])
    expect(read(aService({ loadBalancerSourceRanges: [5] })).messages).toEqual(['must be text'])
    expect(read({ ...aService(), spec: undefined }).messages).toEqual(['is missing: must be a mapping'])
    expect(read(aService({ ports: [{ name: 'http' }] })).messages).toEqual(['is missing: must be a whole number from 1 to 65535'])
  })

  it('stays served when only an annotation is wrong', () => {
    const { service, found } = read(aService({}, { metadata: { annotations: { 'portald.io/idle-timeout': 'x' } } }))
    expect(service?.options.idleMs).toBe(3_600_000)
    expect(found).toEqual(['error annotation metadata.annotations.portald.io/idle-timeout'])
  })
})

describe('a Service that is not served', () => {
  it('is an ExternalName, even with a clusterIP', () => {
    expect(good({ type: 'ExternalName', externalName: 'db.example.com.', ports: undefined }).notServed).toBe('ExternalName')
    for (const externalName of [undefined, '', 'a b', 'A.example.com', '-.com']) {
      expect(bad({ type: 'ExternalName', externalName })).toEqual(['service-type spec.externalName'])
    }
  })

  it('is headless, and then needs no port', () => {
    expect(good({ clusterIP: 'None' })).toMatchObject({ notServed: 'headless', clusterIps: [] })
    expect(good({ clusterIP: 'None', clusterIPs: ['None'], ports: [] }).notServed).toBe('headless')
    expect(bad({ clusterIP: 'None', type: 'NodePort' })).toEqual(['service-type spec.clusterIP'])
    expect(bad({ clusterIP: 'None', type: 'LoadBalancer' })).toEqual(['service-type spec.clusterIP'])
    expect(bad({ clusterIP: 'None', clusterIPs: ['None', '10.0.0.1'] })).toEqual(['cluster-ip spec.clusterIPs'])
  })

  it.each(['service.kubernetes.io/service-proxy-name', 'service.kubernetes.io/headless'])(
    'has the label %s, with any value',
    (label) => {
      for (const value of ['x', '', null])
        expect(good({}, { metadata: { labels: { [label]: value } } }).notServed).toBe(`label ${label}`)
    },
  )

  it('is ours by its service-proxy-name where we were given one, and then by nothing else', () => {
    const options = { ...DEFAULT_PARSE_OPTIONS, serviceProxyName: 'edge' }
    const notServed = (labels: Json) => read(aService({}, { metadata: { labels } }), options).service?.notServed
    const name = 'service.kubernetes.io/service-proxy-name'
    expect(notServed({ [name]: 'edge' })).toBeUndefined()
    for (const labels of [{}, { [name]: 'mesh' }, { [name]: '' }]) expect(notServed(labels)).toBe(`label ${name}`)
    expect(notServed({ [name]: 'edge', 'service.kubernetes.io/headless': '' })).toBe('label service.kubernetes.io/headless')
  })
})

describe('the addresses of a Service', () => {
  it('are canonical and once each', () => {
    const service = good(
      { type: 'LoadBalancer', clusterIP: '::FFFF:10.0.0.1', externalIPs: ['192.0.2.010', '192.0.2.10', '2001:DB8:0::1'] },
      { status: { loadBalancer: { ingress: [{ ip: '203.0.113.1' }, { ip: '203.0.113.1', ipMode: 'VIP' }] } } },
    )
    expect(service.clusterIps).toEqual(['10.0.0.1'])
    expect(service.externalIps).toEqual(['192.0.2.10', '2001:db8::1'])
    expect(service.ingressIps).toEqual(['203.0.113.1'])
  })

  it('are of both families when it says so', () => {
    const both = ['10.0.0.1', '2001:db8::1']
    expect(good({ clusterIPs: both, ipFamilies: ['IPv4', 'IPv6'] }).clusterIps).toEqual(both)
    expect(good({ clusterIP: undefined, clusterIPs: both }).clusterIps).toEqual(both)
    expect(good({ clusterIP: '2001:DB8::1', clusterIPs: [...both].reverse(), ipFamilies: ['IPv6'] }).clusterIps).toEqual(
      [...both].reverse(),
    )
  })

  it('agree with each other', () => {
    expect(bad({ clusterIPs: ['10.0.0.2'] })).toEqual(['cluster-ip spec.clusterIPs.0'])
    expect(bad({ clusterIPs: ['10.0.0.1', '10.0.0.2'] })).toEqual(['cluster-ip spec.clusterIPs'])
    expect(bad({ clusterIPs: ['10.0.0.1', '::2', '10.0.0.2'] })).toEqual(['cluster-ip spec.clusterIPs'])
    expect(bad({ ipFamilies: ['IPv6'] })).toEqual(['ip-family spec.ipFamilies.0'])
    expect(bad({ clusterIPs: ['10.0.0.1', '::2'], ipFamilies: ['IPv4', 'IPv4'] })).toEqual(['ip-family spec.ipFamilies.1'])
    expect(bad({ ipFamilies: ['IPv5'] })).toEqual(['choice spec.ipFamilies.0'])
    expect(bad({ clusterIP: undefined, ipFamilies: ['IPv6', 'IPv6'] })).toEqual(['ip-family spec.ipFamilies.1'])
  })

  it('may be asked for by family', () => {
    expect(good({ clusterIP: undefined, ipFamilies: ['IPv6', 'IPv4'] }).families).toEqual([6, 4])
  })

  it('may be on loopback, for that is where everyone can try it', () => {
    expect(good({ clusterIP: '127.0.0.9', externalIPs: ['127.0.0.10', '::1'] })).toMatchObject({
      clusterIps: ['127.0.0.9'],
      externalIps: ['127.0.0.10', '::1'],
    })
  })

  it.each(['0.0.0.0', '::', '169.254.1.1', 'fe80::1', '224.0.0.1', 'ff02::1', '255.255.255.255', '::ffff:0.0.0.0'])(
    'are of one machine, which %s is not',
    (ip) => {
      expect(bad({ clusterIP: ip })).toEqual(['address-use spec.clusterIP'])
      expect(bad({ externalIPs: ['192.0.2.1', ip] })).toEqual(['address-use spec.externalIPs.1'])
      expect(bad({}, { status: { loadBalancer: { ingress: [{ ip }] } } })).toEqual([
        'address-use status.loadBalancer.ingress.0.ip',
      ])
    },
  )

  it('are addresses', () => {
    for (const ip of ['web', '10.0.0.1:80', '10.0.0', '10.0.0.1/32', 'none'])
      expect(bad({ clusterIP: ip })).toEqual(['address spec.clusterIP'])
    expect(bad({ externalIPs: [''] })).toEqual(['address spec.externalIPs.0'])
    expect(bad({ externalIPs: [null] })).toEqual(['type spec.externalIPs.0'])
  })

  it('leave out load balancers without an address, and those that want to be reached themselves', () => {
    const ingress = [
      { hostname: 'lb.example.com' },
      { ip: '', hostname: 'x' },
      { ip: '203.0.113.1', ipMode: 'Proxy' },
      { ip: '203.0.113.2' },
    ]
    expect(good({ type: 'LoadBalancer' }, { status: { loadBalancer: { ingress } } }).ingressIps).toEqual(['203.0.113.2'])
    expect(bad({}, { status: { loadBalancer: { ingress: [{ ip: '1.1.1.1', ipMode: 'vip' }] } } })).toEqual([
      'choice status.loadBalancer.ingress.0.ipMode',
    ])
  })

  it('are none of a load balancer that it had under another type, and one line says so', () => {
    for (const type of ['ClusterIP', 'NodePort']) {
      const { service, found } = read(aService({ type }, { status: { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } } }))
      expect(service?.ingressIps).toEqual([])
      expect(found).toEqual(['warning service-type status.loadBalancer.ingress'])
    }
  })
})

describe('session affinity', () => {
  const config = (timeoutSeconds: unknown) => ({
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds } },
  })

  it('lasts three hours unless it says', () => {
    expect(good({ sessionAffinity: 'ClientIP' }).affinityTimeoutMs).toBe(10_800_000)
    expect(good({ sessionAffinity: 'ClientIP', sessionAffinityConfig: {} }).affinityTimeoutMs).toBe(10_800_000)
    expect(good(config(undefined)).affinityTimeoutMs).toBe(10_800_000)
    expect(good({ sessionAffinity: 'None' }).affinityTimeoutMs).toBeUndefined()
  })

  it('lasts from a second to a day', () => {
    expect(good(config(1)).affinityTimeoutMs).toBe(1000)
    expect(good(config(86_400)).affinityTimeoutMs).toBe(86_400_000)
    for (const seconds of [0, -1, 86_401, 1.5, '10']) {
      expect(bad(config(seconds))).toEqual(['affinity-timeout spec.sessionAffinityConfig.clientIP.timeoutSeconds'])
    }
  })

  it('has no timeout where there is none', () => {
    expect(bad({ ...config(10), sessionAffinity: 'None' })).toEqual(['affinity-config spec.sessionAffinityConfig'])
    expect(bad({ sessionAffinityConfig: {} })).toEqual(['affinity-config spec.sessionAffinityConfig'])
    expect(bad({ sessionAffinity: 'clientip' })).toEqual(['choice spec.sessionAffinity'])
  })
})

describe('traffic policies', () => {
  it('are Cluster or Local', () => {
    expect(good({ type: 'NodePort', internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local' })).toMatchObject({
      internalTrafficPolicy: 'Local',
      externalTrafficPolicy: 'Local',
    })
    expect(bad({ internalTrafficPolicy: 'local' })).toEqual(['choice spec.internalTrafficPolicy'])
  })

  it('speak of external traffic only where there can be any', () => {
    for (const spec of [{ type: 'NodePort' }, { type: 'LoadBalancer' }, { externalIPs: ['192.0.2.1'] }]) {
      expect(good({ ...spec, externalTrafficPolicy: 'Local' }).externalTrafficPolicy).toBe('Local')
    }
    expect(bad({ externalTrafficPolicy: 'Local' })).toEqual(['service-type spec.externalTrafficPolicy'])
  })

  it('have a port for health checks only where load balancers ask for local endpoints', () => {
    const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 31_000 }
    good(spec)
    good({ healthCheckNodePort: 0 })
    expect(bad({ ...spec, externalTrafficPolicy: 'Cluster' })).toEqual(['service-type spec.healthCheckNodePort'])
    expect(bad({ ...spec, type: 'NodePort' })).toEqual(['service-type spec.healthCheckNodePort'])
    expect(bad({ ...spec, healthCheckNodePort: -1 })).toEqual(['port-range spec.healthCheckNodePort'])
  })
})

describe('source ranges', () => {
  const ranges = (...loadBalancerSourceRanges: unknown[]) => ({ type: 'LoadBalancer', loadBalancerSourceRanges })

  it('are canonical, once each, whatever blanks are around them', () => {
    expect(good(ranges(' 10.1.2.3/8\t', '10.0.0.0/8', '2001:DB8::/32')).sourceRanges).toEqual(['10.0.0.0/8', '2001:db8::/32'])
    expect(good(ranges()).sourceRanges).toEqual([])
  })

  it('are left out where they make no sense', () => {
    const { service, found } = read(aService(ranges('10.0.0.0/8', '10.0.0.1', 'x')))
    expect(service?.sourceRanges).toEqual(['10.0.0.0/8'])
    expect(found).toEqual(['error range spec.loadBalancerSourceRanges.1', 'error range spec.loadBalancerSourceRanges.2'])
  })

  it('never open a Service to everyone because all of them are wrong', () => {
    expect(bad(ranges('10.0.0.1'))).toEqual(['range spec.loadBalancerSourceRanges.0'])
  })

  it('are for load balancers', () => {
    expect(bad({ loadBalancerSourceRanges: ['10.0.0.0/8'] })).toEqual(['service-type spec.loadBalancerSourceRanges'])
  })
})

describe('where a Service wants to be served', () => {
  it('is a preference for a zone, under either name, or for a node', () => {
    const of = (trafficDistribution: unknown) => good({ trafficDistribution }).trafficDistribution
    expect(['PreferClose', 'PreferSameZone', 'PreferSameNode'].map(of)).toEqual(['same-zone', 'same-zone', 'same-node'])
    expect([undefined, null, ''].map(of)).toEqual([undefined, undefined, undefined])
  })

  it('takes nothing away when nobody knows what it means', () => {
    for (const trafficDistribution of ['PreferFar', 'constructor', 5]) {
      const { service, found } = read(aService({ trafficDistribution }))
      expect(service?.trafficDistribution).toBeUndefined()
      expect(found).toEqual(['warning choice spec.trafficDistribution'])
    }
  })

  it('may be labels of nodes, as it was before Kubernetes 1.22', () => {
    const topologyKeys = ['kubernetes.io/hostname', 'topology.kubernetes.io/zone', '*']
    expect(good({ topologyKeys }).topologyKeys).toEqual(topologyKeys)
    expect(good({ topologyKeys: [] }).topologyKeys).toEqual([])
    expect(bad({ topologyKeys: ['*', 'a'] })).toEqual(['topology-key spec.topologyKeys.0'])
    expect(bad({ topologyKeys: ['a', '-', 'a', ''] })).toEqual([
      'topology-key spec.topologyKeys.1',
      'topology-key spec.topologyKeys.2',
      'topology-key spec.topologyKeys.3',
    ])
    expect(bad({ topologyKeys: Array.from({ length: 17 }, (_, n) => `k${n}`) })).toEqual(['topology-key spec.topologyKeys'])
    expect(bad({ topologyKeys: ['*'], type: 'NodePort', externalTrafficPolicy: 'Local' })).toEqual([
      'topology-key spec.topologyKeys',
    ])
  })
})
