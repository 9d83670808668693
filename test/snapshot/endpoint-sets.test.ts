import { describe, expect, it } from 'vitest'
import type { ServicePortKey } from '../../src/model/keys.ts'
import { aService, aSlice, createCompiler, type Json } from '../support/objects.ts'

const ZONE = 'topology.kubernetes.io/zone'
const HOSTNAME = 'kubernetes.io/hostname'
const READY = {}
const NOT_READY = { ready: false, serving: false }
const STOPPING = { ready: false, serving: true, terminating: true }
const STOPPED = { ready: false, serving: false, terminating: true }

/** One endpoint: its conditions, and where it is. */
type Place = { readonly is?: Json; readonly node?: string; readonly zone?: string; readonly for?: Json; readonly topology?: Json }

const zones = (...names: string[]) => ({ forZones: names.map((name) => ({ name })) })
const nodes = (...names: string[]) => ({ forNodes: names.map((name) => ({ name })) })
const hinted = (zone: string, more: Place = {}): Place => ({ for: zones(zone), ...more })
const here = (is: Json = READY): Place => ({ is, node: 'node-1' })
const away = (is: Json = READY): Place => ({ is, node: 'node-2' })

const NODE_PORT = { type: 'NodePort' }
const INTERNAL = { internalTrafficPolicy: 'Local' }
const EXTERNAL = { ...NODE_PORT, externalTrafficPolicy: 'Local' }

/** The sets of `default/web` on node-1, in zone a unless it is told otherwise: numbers of endpoints, from 1 on. */
function sets(spec: Json, places: readonly Place[], { zone = 'a' as string | null, labels = {}, metadata = {} } = {}) {
  const endpoints = places.map(({ is = READY, node, zone: itsZone, for: hints, topology }, n) => {
    return [`10.1.0.${n + 1}`, is, { nodeName: node, zone: itsZone, hints, topology }] as const
  })
  const compiler = createCompiler({ nodeLabels: { ...(zone !== null && { [ZONE]: zone }), ...labels } })
  const { services, problems } = compiler.compile([aService('web', spec, metadata), aSlice('web', endpoints)])
  expect(problems.filter(({ severity }) => severity === 'error')).toEqual([])
  const usable = services.get('default/web' as never)?.ports.get('default/web:/TCP' as ServicePortKey)?.usable[4]
  const numbers = (list: readonly { readonly address: { readonly ip: string } }[] | undefined) =>
    list?.map(({ address }) => Number(address.ip.split('.')[3]))
  return { cluster: numbers(usable?.cluster), local: numbers(usable?.local), hasAny: usable?.hasAny }
}
const cluster = (...rest: Parameters<typeof sets>) => sets(...rest).cluster

describe('zone hints', () => {
  const ABCA = [hinted('a'), hinted('b'), hinted('c'), hinted('a')]

  // Case 92.
  it('keep to the endpoints meant for the zone of this node', () => {
    expect(cluster({}, ABCA)).toEqual([1, 4])
  })

  // Case 93: proxies of old obeyed hints only where this annotation said so, spelled exactly.
  it('count whatever the annotation topology-mode says', () => {
    for (const mode of ['Auto', 'aUto', 'Disabled', '']) {
      const metadata = { annotations: { 'service.kubernetes.io/topology-mode': mode } }
      expect(cluster({}, ABCA, { metadata })).toEqual([1, 4])
    }
  })

  // Case 94.
  it('do not count among the endpoints of this node', () => {
    const places = [hinted('a', here()), hinted('b', here()), hinted('c', away()), hinted('a', away())]
    expect(sets(EXTERNAL, places)).toEqual({ cluster: [1, 4], local: [1, 2], hasAny: true })
    // Case 95.
    expect(sets({ ...NODE_PORT, ...INTERNAL }, places)).toEqual({ cluster: [1, 4], local: [1, 2], hasAny: true })
  })

  // Case 96.
  it('mean nothing to a node without a zone', () => {
    expect(cluster({}, ABCA, { zone: null })).toEqual([1, 2, 3, 4])
    expect(cluster({}, ABCA, { zone: '' })).toEqual([1, 2, 3, 4])
  })

  // Case 97.
  it('mean nothing where none is for this zone', () => {
    expect(cluster({}, [hinted('a'), hinted('a')], { zone: 'b' })).toEqual([1, 2])
  })

  // Case 98.
  it('count among ready endpoints', () => {
    expect(cluster({}, [hinted('a', { is: NOT_READY }), hinted('b'), hinted('c'), hinted('a')])).toEqual([4])
  })

  // Case 99.
  it('mean nothing where all that are for this zone are not ready', () => {
    expect(cluster({}, [hinted('a', { is: NOT_READY }), hinted('b'), hinted('c')])).toEqual([2, 3])
  })

  // Case 100.
  it('mean nothing where a ready endpoint has none', () => {
    expect(cluster({}, [hinted('a'), {}, hinted('b')])).toEqual([1, 2, 3])
    expect(cluster({}, [hinted('a'), { is: NOT_READY }, hinted('b')])).toEqual([1])
  })

  // Case 101.
  it('may name several zones', () => {
    expect(cluster({}, [{ for: zones('a', 'b') }, { for: zones('b', 'c') }, { for: zones('c', 'a') }])).toEqual([1, 3])
  })

  it('do not hold back endpoints that stop where none is ready', () => {
    expect(cluster({}, [hinted('a', { is: STOPPING }), hinted('b', { is: STOPPING })])).toEqual([1, 2])
  })
})

describe('node hints', () => {
  const both = (node: string, zone: string, is: Json = READY): Place => ({ is, for: { ...nodes(node), ...zones(zone) } })

  // Case 114.
  it('keep to the endpoints meant for this node; when those are gone the zone counts, then nothing', () => {
    const others = [both('node-2', 'a'), both('node-3', 'b')]
    expect(cluster({}, [both('node-1', 'a'), ...others])).toEqual([1])
    expect(cluster({}, [both('node-1', 'a', NOT_READY), ...others])).toEqual([2])
    expect(cluster({}, [both('node-1', 'a', NOT_READY), ...others], { zone: 'c' })).toEqual([2, 3])
  })

  it('mean nothing where a ready endpoint has none', () => {
    expect(cluster({}, [{ for: nodes('node-1') }, { for: nodes('node-2') }, {}])).toEqual([1, 2, 3])
  })

  it('may name several nodes', () => {
    expect(cluster({}, [{ for: nodes('node-2', 'node-1') }, { for: nodes('node-2') }])).toEqual([1])
  })
})

describe('an internal policy of Local', () => {
  // Case 102.
  it('without endpoints leaves none', () => {
    expect(sets(INTERNAL, [])).toEqual({ cluster: undefined, local: [], hasAny: false })
  })

  // Case 103.
  it('does not use what is elsewhere, but knows that it is there', () => {
    expect(sets(INTERNAL, [away(), away()])).toEqual({ cluster: undefined, local: [], hasAny: true })
  })

  // Case 104.
  it('uses exactly what is on this node', () => {
    expect(sets(INTERNAL, [here(), here()]).local).toEqual([1, 2])
    expect(sets(INTERNAL, [here(), away(), here()]).local).toEqual([1, 3])
  })

  // Case 107.
  it('is not that of nodePorts', () => {
    expect(sets({ ...NODE_PORT, ...INTERNAL }, [here(), away()])).toEqual({ cluster: [1, 2], local: [1], hasAny: true })
  })

  // Case 113.
  it('has no use for a cluster-wide set where nobody comes from outside', () => {
    expect(cluster(INTERNAL, [here(), away()])).toBeUndefined()
  })

  it('counts no endpoint that does not say where it is', () => {
    expect(sets(INTERNAL, [{}, away()]).local).toEqual([])
  })
})

describe('policies of Cluster', () => {
  // Case 105.
  it('use what is ready, wherever it is', () => {
    expect(sets({}, [away(NOT_READY), here(NOT_READY)])).toEqual({ cluster: [], local: undefined, hasAny: false })
    expect(cluster({}, [here(NOT_READY), here(), away()])).toEqual([2, 3])
  })

  // Case 106.
  it('use what stops and still serves where nothing is ready', () => {
    expect(sets({}, [here(STOPPING), away(STOPPING)])).toEqual({ cluster: [1, 2], local: undefined, hasAny: true })
  })
})

describe('an external policy of Local', () => {
  // Case 108.
  it('is not that of the clusterIP', () => {
    expect(sets(EXTERNAL, [here(), away()])).toEqual({ cluster: [1, 2], local: [1], hasAny: true })
  })

  // Case 109.
  it('keeps the cluster-wide set for clients on this node, beside an internal one too', () => {
    expect(sets({ ...EXTERNAL, ...INTERNAL }, [away(), away()])).toEqual({ cluster: [1, 2], local: [], hasAny: true })
  })

  // Case 110.
  it('falls back for each set by itself', () => {
    const both = { ...EXTERNAL, ...INTERNAL }
    expect(sets(both, [away(STOPPING), away(STOPPING)])).toEqual({ cluster: [1, 2], local: [], hasAny: true })
    // Case 111.
    const places = [away(), here(STOPPED), here(STOPPING), away(STOPPING)]
    expect(sets(EXTERNAL, places)).toEqual({ cluster: [1], local: [3], hasAny: true })
  })

  // Case 112.
  it('means nothing where nobody comes from outside', () => {
    const proxied = { loadBalancer: { ingress: [{ ip: '203.0.113.1', ipMode: 'Proxy' }] } }
    const spec = { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, externalTrafficPolicy: 'Local' }
    const compiler = createCompiler()
    const slice = aSlice('web', [['10.1.0.1', READY, { nodeName: 'node-2' }]])
    const { services } = compiler.compile([aService('web', spec, {}, { status: proxied }), slice])
    const usable = services.get('default/web' as never)?.ports.get('default/web:/TCP' as ServicePortKey)?.usable[4]
    expect(usable).toMatchObject({ cluster: [{ key: '10.1.0.1:8080/TCP' }], local: undefined, hasAny: true })
  })
})

describe('trafficDistribution without hints', () => {
  const zoned = [{ zone: 'a' }, { zone: 'b' }, { zone: 'a' }]

  it('prefers the zone of this node, under its old name too', () => {
    expect(cluster({ trafficDistribution: 'PreferSameZone' }, zoned)).toEqual([1, 3])
    expect(cluster({ trafficDistribution: 'PreferClose' }, zoned)).toEqual([1, 3])
    expect(cluster({}, zoned)).toEqual([1, 2, 3])
  })

  it('means nothing where a ready endpoint has no zone, or none is in ours', () => {
    expect(cluster({ trafficDistribution: 'PreferClose' }, [...zoned, {}])).toEqual([1, 2, 3, 4])
    expect(cluster({ trafficDistribution: 'PreferClose' }, [...zoned, { is: NOT_READY }])).toEqual([1, 3])
    expect(cluster({ trafficDistribution: 'PreferClose' }, zoned, { zone: 'c' })).toEqual([1, 2, 3])
    expect(cluster({ trafficDistribution: 'PreferClose' }, zoned, { zone: null })).toEqual([1, 2, 3])
  })

  it('prefers this node, else its zone', () => {
    const spec = { trafficDistribution: 'PreferSameNode' }
    const places = [
      { node: 'node-1', zone: 'a' },
      { node: 'node-2', zone: 'a' },
      { node: 'node-3', zone: 'b' },
    ]
    expect(cluster(spec, places)).toEqual([1])
    expect(cluster({ trafficDistribution: 'PreferSameZone' }, places)).toEqual([1, 2])
    expect(cluster(spec, places.slice(1))).toEqual([1])
    expect(cluster(spec, places.slice(2))).toEqual([1])
  })

  it('leaves it to hints where there are any', () => {
    expect(cluster({ trafficDistribution: 'PreferClose' }, [hinted('b', { zone: 'a' }), hinted('a', { zone: 'b' })])).toEqual([2])
    expect(cluster({ trafficDistribution: 'PreferClose' }, [hinted('a', { zone: 'a' }), { zone: 'b' }])).toEqual([1, 2])
  })

  it('means nothing to Local policies and to endpoints that stop', () => {
    const places = [
      { node: 'node-1', zone: 'b' },
      { node: 'node-2', zone: 'a' },
    ]
    const spec = { ...EXTERNAL, trafficDistribution: 'PreferClose' }
    expect(sets(spec, places)).toEqual({ cluster: [2], local: [1], hasAny: true })
    expect(
      cluster(spec, [
        { zone: 'a', is: STOPPING },
        { zone: 'b', is: STOPPING },
      ]),
    ).toEqual([1, 2])
  })
})

describe('topologyKeys', () => {
  const places = [
    { node: 'node-1', zone: 'a', topology: { rack: '7' } },
    { node: 'node-2', zone: 'a', topology: { rack: '8' } },
    { node: 'node-3', zone: 'b', topology: { rack: '7' } },
  ]

  it('are tried in order until one matches', () => {
    expect(cluster({ topologyKeys: [HOSTNAME, ZONE] }, places)).toEqual([1])
    expect(cluster({ topologyKeys: [HOSTNAME, ZONE] }, places.slice(1))).toEqual([1])
    expect(cluster({ topologyKeys: [ZONE, HOSTNAME] }, places)).toEqual([1, 2])
    expect(cluster({ topologyKeys: ['rack'] }, places, { labels: { rack: '7' } })).toEqual([1, 3])
  })

  it('leave nothing where nothing matches, unless the last one is any', () => {
    expect(sets({ topologyKeys: [HOSTNAME] }, places.slice(1))).toEqual({ cluster: [], local: undefined, hasAny: true })
    expect(cluster({ topologyKeys: [HOSTNAME, '*'] }, places.slice(1))).toEqual([1, 2])
    expect(cluster({ topologyKeys: [] }, places)).toEqual([1, 2, 3])
  })

  it('match nothing that is missing on either side', () => {
    expect(cluster({ topologyKeys: ['rack'] }, places)).toEqual([])
    expect(cluster({ topologyKeys: ['rack'] }, [{}, {}], { labels: { rack: '7' } })).toEqual([])
  })

  it('go before hints, and hold for endpoints that stop', () => {
    expect(cluster({ topologyKeys: ['*'] }, [hinted('a'), hinted('b')])).toEqual([1, 2])
    const stopping = places.map((place) => ({ ...place, is: STOPPING }))
    expect(cluster({ topologyKeys: [ZONE] }, stopping)).toEqual([1, 2])
  })

  it('mean nothing to an internal policy of Local', () => {
    expect(sets({ ...INTERNAL, ...NODE_PORT, topologyKeys: ['rack'] }, places)).toMatchObject({ cluster: [], local: [1] })
  })
})
