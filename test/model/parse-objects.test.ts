import { describe, expect, it } from 'vitest'
import type { ServiceKey } from '../../src/model/keys.ts'
import { createObjectParser } from '../../src/model/parse-objects.ts'
import { DEFAULT_PARSE_OPTIONS } from '../../src/model/parse-options.ts'
import { showProblem } from '../../src/model/problem.ts'
import { aService, aSlice, at, inShort, type Json, parseAll, placed, someEndpoints } from './sample-objects.ts'

const WEB = 'default/web' as ServiceKey
const named = (name: string, value: Json): Json => ({ ...value, metadata: { ...(value['metadata'] as Json), name } })
const addresses = (set: ReturnType<typeof parseAll>, key = WEB) =>
  (set.endpoints.get(key) ?? []).flatMap(({ value }) =>
    value.endpoints.flatMap(({ ip }) => value.ports.map(({ port }) => `${ip}:${port}`)),
  )
const subset = (ip: string, port = 80) => ({ addresses: [{ ip }], ports: [{ port }] })

describe('parsed objects', () => {
  it('are Services and their endpoints, with where they stand', () => {
    const set = parseAll([aService(), aSlice()])
    expect(set.problems).toEqual([])
    expect(set.notes).toEqual([])
    expect(set.services.get(WEB)).toMatchObject({ value: { key: WEB }, origin: at(1) })
    expect(set.endpoints.get(WEB)).toMatchObject([{ value: { object: 'EndpointSlice default/web-1' }, origin: at(11) }])
  })

  it('come from v1, and slices from v1beta1 too', () => {
    const set = parseAll([aService(), { ...aSlice(), apiVersion: 'discovery.k8s.io/v1beta1' }])
    expect(inShort(set.problems)).toEqual([])
    expect(addresses(set)).toEqual(['10.1.0.1:8080'])
  })

  it('remove themselves when they are broken, and nothing else', () => {
    const set = parseAll([
      named('bad', aService({ ports: [{ port: 0 }] })),
      aService(),
      aSlice(),
      named('bad', aSlice({ addressType: 'IPX' })),
    ])
    expect([...set.services.keys()]).toEqual([WEB])
    expect(addresses(set)).toEqual(['10.1.0.1:8080'])
    expect(set.problems.map(showProblem)).toEqual([
      'a.yaml:1: error: Service default/bad spec.ports[0].port: 0: must be a whole number from 1 to 65535',
      'a.yaml:31: error: EndpointSlice default/bad addressType: "IPX": must be IPv4, IPv6 or FQDN',
    ])
  })

  it('point at the line of the part that is wrong', () => {
    const value = aService({
      ports: [
        { port: 80, name: 'a' },
        { port: -1, name: 'b' },
      ],
    })
    const origin = { place: 'a.yaml', line: 1, lines: Uint32Array.of(1, 3, 5, 6, 7, 9) }
    const { problems } = createObjectParser(DEFAULT_PARSE_OPTIONS).parse([{ value, origin }])
    expect(problems.map(({ place }) => place)).toEqual(['a.yaml:9'])
  })

  it('of slices are joined, in the order of their names', () => {
    const slice = (name: string, ip: string, port = 80) =>
      named(name, aSlice({ endpoints: [{ addresses: [ip] }], ports: [{ port }] }))
    const one = parseAll([aService(), slice('b', '10.1.0.2'), slice('a', '10.1.0.1')])
    const other = parseAll([slice('a', '10.1.0.1'), slice('b', '10.1.0.2'), aService()])
    expect(addresses(one)).toEqual(['10.1.0.1:80', '10.1.0.2:80'])
    expect(addresses(other)).toEqual(addresses(one))
  })

  // Case 123 of the spec.
  it('have four endpoints when two slices list the same addresses with different ports', () => {
    const endpoints = [{ addresses: ['10.1.0.1'] }, { addresses: ['10.1.0.2'] }]
    const set = parseAll([
      aService(),
      named('a', aSlice({ endpoints, ports: [{ port: 80 }] })),
      named('b', aSlice({ endpoints, ports: [{ port: 8080 }] })),
    ])
    expect(addresses(set)).toEqual(['10.1.0.1:80', '10.1.0.2:80', '10.1.0.1:8080', '10.1.0.2:8080'])
  })

  it('keep the subsets of Endpoints in their order', () => {
    expect(addresses(parseAll([aService(), someEndpoints(subset('10.1.0.9'), subset('10.1.0.1'))]))).toEqual([
      '10.1.0.9:80',
      '10.1.0.1:80',
    ])
  })
})

describe('objects that are not for us', () => {
  it('get one note a kind', () => {
    const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'x' } }
    const set = parseAll([deployment, deployment, { apiVersion: 'v1', kind: 'ConfigMap' }, deployment])
    expect(set).toMatchObject({
      problems: [],
      notes: ['ignored: kind Deployment (3 objects)', 'ignored: kind ConfigMap (1 object)'],
    })
  })

  it('may have the name of a kind of ours', () => {
    const set = parseAll([{ apiVersion: 'serving.knative.dev/v1', kind: 'Service', metadata: { name: 'x' } }])
    expect(set).toMatchObject({ problems: [], notes: ['ignored: kind Service of serving.knative.dev/v1 (1 object)'] })
  })

  it('cannot put lines of their own into a note', () => {
    expect(parseAll([{ apiVersion: 'v1', kind: 'X\nignored: all' }]).notes).toEqual([
      'ignored: kind "X\\nignored: all" (1 object)',
    ])
  })
})

describe('what is no object', () => {
  it.each([
    [null, 'error type'],
    ['text', 'error type'],
    [[], 'error type'],
    [{}, 'error missing apiVersion'],
    [{ kind: 'Service' }, 'error missing apiVersion'],
    [{ apiVersion: 'v1' }, 'error missing kind'],
    [{ apiVersion: 'v1', kind: '' }, 'error missing kind'],
    [{ apiVersion: 1, kind: 'Service' }, 'error type apiVersion'],
    [{ apiVersion: 'v1', kind: ['Service'] }, 'error type kind'],
  ])('is an error: %j', (value, finding) => {
    expect(inShort(parseAll([value]).problems)).toContain(finding)
  })

  it('is an error when its version is none that is read', () => {
    expect(inShort(parseAll([{ ...aService(), apiVersion: 'v2' }]).problems)).toEqual(['error api-version apiVersion'])
    expect(inShort(parseAll([{ ...aSlice(), apiVersion: 'v1' }]).problems)).toEqual(['error api-version apiVersion'])
    const [problem] = parseAll([{ ...aSlice(), apiVersion: 'discovery.k8s.io/v1alpha1' }]).problems
    expect(problem?.message).toBe('must be discovery.k8s.io/v1 or discovery.k8s.io/v1beta1 for kind EndpointSlice')
  })

  it('is shown in today’s form when it is written as before metadata, and nothing else is said of it', () => {
    const old = [
      { kind: 'Endpoints', apiVersion: 'v1beta1', id: 'myapp', endpoints: ['173.194.112.206:80'] },
      { kind: 'Endpoints', apiVersion: 'v1beta1', id: 'myapp', endpoints: [1, 2, 3, 4].map((n) => `[fd00::${n}]:80`) },
      { kind: 'Endpoints', apiVersion: 'v1beta2', id: 'myapp', endpoints: [{}, 'nowhere', null] },
      { kind: 'Service', apiVersion: 'v1beta1', id: 'myapp', port: 80, containerPort: 8080, selector: { app: 'x' } },
      { kind: 'Service', apiVersion: 'v1', id: 'myapp', namespace: 'prod', port: 53, protocol: 'UDP', portalIP: '10.0.0.9' },
      { kind: 'Service', apiVersion: 'v1', metadata: { name: 'myapp' }, port: 80, publicIPs: ['192.0.2.1', {}] },
    ]
    const { problems } = parseAll(old)
    expect(inShort(problems)).toEqual([...Array(5).fill('error old-form id'), 'error old-form port'])
    const modern = problems.map(({ message }) => JSON.parse(message.slice(message.indexOf('{'))))
    expect(modern.map(({ spec, subsets }) => spec ?? subsets)).toEqual([
      [{ addresses: [{ ip: '173.194.112.206' }], ports: [{ port: 80 }] }],
      [1, 2, 3].map((n) => ({ addresses: [{ ip: `fd00::${n}` }], ports: [{ port: 80 }] })),
      [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }],
      { ports: [{ port: 80, targetPort: 8080 }] },
      { clusterIP: '10.0.0.9', ports: [{ port: 53, protocol: 'UDP' }] },
      { externalIPs: ['192.0.2.1'], ports: [{ port: 80 }] },
    ])
    for (const [n, object] of modern.entries()) {
      expect(parseAll([object]).problems.filter(({ severity }) => severity === 'error')).toEqual([])
      expect(object).toMatchObject({ metadata: { name: 'myapp', ...(n === 4 && { namespace: 'prod' }) } })
    }
    expect(problems.map(showProblem).slice(0, 2)).toEqual([
      'a.yaml:1: error: Endpoints default/myapp id: "myapp": must be written ' +
        '{"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"myapp"},' +
        '"subsets":[{"addresses":[{"ip":"173.194.112.206"}],"ports":[{"port":80}]}]}',
      expect.stringContaining('must be written, here with 3 of its 4 endpoints, {'),
    ])
  })

  it('takes nothing of any size from an old form into its line', () => {
    const huge = 'x'.repeat(1e6)
    const wide = { id: huge, namespace: huge, port: { huge }, protocol: huge, publicIPs: [huge, [huge]], portalIP: [huge] }
    const [problem] = parseAll([{ kind: 'Service', apiVersion: 'v1beta1', ...wide }]).problems
    expect(problem?.message).toBe(
      'must be written {"apiVersion":"v1","kind":"Service","metadata":{"name":"NAME"},"spec":{"ports":[{"port":80}]}}',
    )
  })
})

describe('two objects with one name', () => {
  it('are the first one, and a warning that names its line', () => {
    const set = parseAll([aService(), aSlice(), aService({ clusterIP: '10.0.0.2' })])
    expect(set.services.get(WEB)?.value.clusterIps).toEqual(['10.0.0.1'])
    expect(set.problems.map(showProblem)).toEqual([
      'a.yaml:21: warning: Service default/web: must be there once: this one is ignored, for a.yaml:1 comes first',
    ])
  })

  it('are two objects when their kinds or namespaces differ', () => {
    const slice = named('web', aSlice())
    const elsewhere = aService({}, { metadata: { namespace: 'prod' } })
    expect(inShort(parseAll([aService(), slice, elsewhere]).problems)).toEqual(['warning no-endpoints'])
  })

  it('are one object in the default namespace, said or not', () => {
    expect(inShort(parseAll([aService(), aSlice(), aService({}, { metadata: { namespace: 'default' } })]).problems)).toEqual([
      'warning duplicate',
    ])
  })

  it('are one slice in whatever version', () => {
    expect(inShort(parseAll([aService(), aSlice(), { ...aSlice(), apiVersion: 'discovery.k8s.io/v1beta1' }]).problems)).toEqual([
      'warning duplicate',
    ])
  })

  it('are the second one while the first is broken', () => {
    const set = parseAll([aService({ type: 'x' }), aService({ clusterIP: '10.0.0.2' }), aSlice()])
    expect(set.services.get(WEB)?.value.clusterIps).toEqual(['10.0.0.2'])
    expect(inShort(set.problems)).toEqual(['error choice spec.type'])
  })
})

describe('slices and Endpoints of one Service', () => {
  it('are the slices, and one note', () => {
    const set = parseAll([aService(), someEndpoints(subset('10.1.0.9')), aSlice()])
    expect(addresses(set)).toEqual(['10.1.0.1:8080'])
    expect(set).toMatchObject({ problems: [], notes: ['ignored: Endpoints of Services that have EndpointSlices (default/web)'] })
  })

  it('are the slices even when those are empty', () => {
    const set = parseAll([aService(), someEndpoints(subset('10.1.0.9')), aSlice({ endpoints: [] })])
    expect(addresses(set)).toEqual([])
  })

  it('are the Endpoints when the slice is broken', () => {
    const set = parseAll([aService(), someEndpoints(subset('10.1.0.9')), aSlice({ endpoints: [{ addresses: ['x'] }] })])
    expect(addresses(set)).toEqual(['10.1.0.9:80'])
    expect(set.notes).toEqual([])
  })

  it('of many Services are still one note', () => {
    const keys = ['a', 'b', 'c', 'd', 'e']
    const set = parseAll(
      keys.flatMap((key) => [
        named(key, aService()),
        named(key, someEndpoints(subset('10.1.0.9'))),
        aSlice({ metadata: { name: key, labels: { 'kubernetes.io/service-name': key } } }),
      ]),
    )
    expect(set.notes).toEqual([
      'ignored: Endpoints of Services that have EndpointSlices (default/a, default/b, default/c and 2 more)',
    ])
  })
})

describe('what is missing between objects', () => {
  it('is a warning for a Service without endpoints', () => {
    for (const rest of [[], [aSlice({ endpoints: [] })], [aSlice({ ports: [] })], [someEndpoints()]]) {
      const { problems, services } = parseAll([aService(), ...rest])
      expect(services.size).toBe(1)
      expect(problems.map(showProblem)).toEqual([
        'a.yaml:1: warning: Service default/web: has no endpoints: needs an EndpointSlice labelled kubernetes.io/service-name=web, or Endpoints of its name',
      ])
    }
  })

  it('is nothing for a Service that is not served', () => {
    expect(parseAll([aService({ clusterIP: 'None' })]).problems).toEqual([])
  })

  it('is a warning for a port that no endpoint port is named after', () => {
    const ports = [
      { name: 'http', port: 80 },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ]
    const slice = aSlice({ ports: [{ name: 'http', port: 8080 }] })
    const { problems } = parseAll([aService({ ports }), slice])
    expect(problems.map(showProblem)).toEqual([
      'a.yaml:1: warning: Service default/web spec.ports[1].name: "dns": must be the name of an endpoint port for UDP; there is "http" for TCP',
    ])
  })

  it('is a warning for a port whose name the endpoints have for another protocol', () => {
    const { problems } = parseAll([aService({ ports: [{ port: 53, protocol: 'UDP' }] }), aSlice()])
    expect(inShort(problems)).toEqual(['warning no-endpoints spec.ports[0].name'])
  })

  it('is a warning for endpoints without a Service', () => {
    expect(parseAll([aSlice()]).problems.map(showProblem)).toEqual([
      'a.yaml:1: warning: EndpointSlice default/web-1 metadata.labels["kubernetes.io/service-name"]: "web": must belong to a Service: there is no Service default/web',
    ])
    expect(parseAll([someEndpoints(subset('10.1.0.1'))]).problems.map(showProblem)).toEqual([
      'a.yaml:1: warning: Endpoints default/web: must belong to a Service: there is no Service default/web',
    ])
  })

  it('is one warning for all slices of a Service that is not there', () => {
    expect(parseAll([aSlice(), named('web-2', aSlice())]).problems).toHaveLength(1)
  })

  it('is said of the namespace it is missing in', () => {
    expect(inShort(parseAll([aService({}, { metadata: { namespace: 'prod' } }), aSlice()]).problems)).toEqual([
      'warning no-endpoints',
      'warning no-service metadata.labels["kubernetes.io/service-name"]',
    ])
  })

  it('is not blamed on endpoints whose Service is broken', () => {
    expect(inShort(parseAll([aService({ type: 'x' }), aSlice()]).problems)).toEqual(['error choice spec.type'])
  })
})

describe('parsing again', () => {
  const objects = placed(aService(), aSlice(), named('web-2', aSlice()))

  it('gives the same references for what is the same', () => {
    const parser = createObjectParser(DEFAULT_PARSE_OPTIONS)
    const first = parser.parse(objects)
    const again = parser.parse(objects.map(({ value, origin }) => ({ value, origin: { ...origin } })))
    expect(again.services.get(WEB)).toBe(first.services.get(WEB))
    expect(again.endpoints.get(WEB)).toBe(first.endpoints.get(WEB))
  })

  it('gives the same values for what moved, and tells its problems where it is now', () => {
    const parser = createObjectParser(DEFAULT_PARSE_OPTIONS)
    const wrong = aService({ type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] })
    const first = parser.parse([{ value: wrong, origin: at(1) }])
    const moved = parser.parse([{ value: wrong, origin: at(500, 'b.yaml') }])
    expect(moved.services.get(WEB)?.value).toBe(first.services.get(WEB)?.value)
    expect(moved.services.get(WEB)?.origin).toEqual(at(500, 'b.yaml'))
    expect(first.problems.map(({ place }) => place)).toEqual(['a.yaml:1', 'a.yaml:1'])
    expect(moved.problems.map(({ place }) => place)).toEqual(['b.yaml:500', 'b.yaml:500'])
  })

  it('gives a new list of endpoints when one of them is new', () => {
    const parser = createObjectParser(DEFAULT_PARSE_OPTIONS)
    const before = parser.parse(objects).endpoints.get(WEB)
    const fewer = parser.parse(objects.slice(0, 2)).endpoints.get(WEB)
    expect(fewer).toHaveLength(1)
    expect(fewer?.[0]).toBe(before?.[0])
    expect(parser.parse(objects).endpoints.get(WEB)).toHaveLength(2)
  })

  it('forgets what is gone', () => {
    const parser = createObjectParser(DEFAULT_PARSE_OPTIONS)
    parser.parse(objects)
    expect(parser.parse([])).toMatchObject({ problems: [], notes: [] })
    expect(parser.parse([]).services.size + parser.parse([]).endpoints.size).toBe(0)
  })

  it('takes one value that stands in two places for two objects', () => {
    const value = aService()
    const { problems } = createObjectParser(DEFAULT_PARSE_OPTIONS).parse([
      { value, origin: at(1) },
      { value, origin: at(9) },
      ...placed(aSlice()),
    ])
    expect(problems.map(({ place, code }) => `${place} ${code}`)).toEqual(['a.yaml:9 duplicate'])
  })
})

describe('a policy of Local', () => {
  const local = aService({ internalTrafficPolicy: 'Local' })
  const found = (...objects: unknown[]) => parseAll(objects).problems.map(({ severity, code, field }) => [severity, code, field])

  it('wants endpoints that say where they are', () => {
    expect(found(local, aSlice())).toEqual([['warning', 'no-node-names', 'spec.internalTrafficPolicy']])
    expect(found(local, aSlice({ endpoints: [{ addresses: ['10.1.0.1'], nodeName: 'elsewhere' }] }))).toEqual([])
    expect(found(aService(), aSlice())).toEqual([])
  })
})
