import { describe, expect, it } from 'vitest'
import { Findings } from '../../src/model/findings.ts'
import { parseEndpointSlice, parseEndpoints } from '../../src/model/parse-endpoints.ts'
import { DEFAULT_PARSE_OPTIONS, type ParseOptions } from '../../src/model/parse-options.ts'
import { aSlice, type Json, someEndpoints } from './sample-objects.ts'

type Parse = typeof parseEndpoints
function readWith(parse: Parse, value: unknown, options: Partial<ParseOptions> = {}) {
  const findings = new Findings()
  const groups = parse(value, { ...DEFAULT_PARSE_OPTIONS, ...options }, findings)
  const found = findings.list().map(({ severity, code, path }) => `${severity} ${code} ${path.join('.')}`)
  return { groups, found, messages: findings.list().map(({ message }) => message) }
}
const readSlice = (rest: Json = {}, options?: Partial<ParseOptions>) => readWith(parseEndpointSlice, aSlice(rest), options)
const readSubsets = (...subsets: Json[]) => readWith(parseEndpoints, someEndpoints(...subsets))

/** The group of a slice that is right. */
function good(rest: Json = {}, options?: Partial<ParseOptions>) {
  const { groups, found } = readSlice(rest, options)
  expect(found).toEqual([])
  const [group] = groups
  if (!group) throw new Error('no group, and nothing said')
  return group
}

/** What is said of a slice that is removed. */
function bad(rest: Json): string[] {
  const { groups, found } = readSlice(rest)
  expect(groups).toEqual([])
  return found
}

const endpoint = (more: Json = {}) => ({ endpoints: [{ addresses: ['10.1.0.1'], ...more }] })
const address = (...addresses: unknown[]) => ({ endpoints: [{ addresses }] })

describe('an EndpointSlice', () => {
  it('belongs to the Service that its label names, and is ready unless it says otherwise', () => {
    expect(good()).toEqual({
      service: 'default/web',
      object: 'EndpointSlice default/web-1',
      family: 4,
      weight: undefined,
      backup: false,
      ports: [{ name: '', protocol: 'TCP', port: 8080 }],
      endpoints: [
        {
          ip: '10.1.0.1',
          ready: true,
          serving: true,
          terminating: false,
          nodeName: undefined,
          zone: undefined,
          zoneHints: [],
          nodeHints: [],
          topology: {},
        },
      ],
    })
    expect(good({ metadata: { namespace: 'prod' } }).service).toBe('prod/web')
  })

  it('says the weight of its endpoints, and whether they are backups, by its labels', () => {
    const labelled = (labels: Json) => ({ metadata: { labels: { 'kubernetes.io/service-name': 'web', ...labels } } })
    expect(good(labelled({ 'portald.io/weight': '0' }))).toMatchObject({ weight: 0, backup: false })
    expect(good(labelled({ 'portald.io/weight': '65535', 'portald.io/backup': 'true' }))).toMatchObject({
      weight: 65_535,
      backup: true,
    })
    expect(good(labelled({ 'portald.io/backup': 'false' }))).toMatchObject({ weight: undefined, backup: false })
    for (const value of ['65536', '-1', '1.5', '', 'many', 3, null]) {
      const { groups, found, messages } = readSlice(labelled({ 'portald.io/weight': value }))
      expect(groups).toMatchObject([{ weight: undefined }])
      expect(found).toEqual(['error label metadata.labels.portald.io/weight'])
      expect(messages).toEqual(['must be a whole number from 0 to 65535, in quotes'])
    }
    for (const value of ['yes', '', true]) {
      const { groups, found } = readSlice(labelled({ 'portald.io/backup': value }))
      expect(groups).toMatchObject([{ backup: false }])
      expect(found).toEqual(['error label metadata.labels.portald.io/backup'])
    }
    const { groups, found, messages } = readSlice(labelled({ 'portald.io/wieght': '3' }))
    expect(groups).toMatchObject([{ weight: undefined }])
    expect(found).toEqual(['warning label-unknown metadata.labels.portald.io/wieght'])
    expect(messages).toEqual(['is not known; the nearest is portald.io/weight'])
  })

  it('says nothing of conditions by null', () => {
    const conditions = { ready: null, serving: null, terminating: null }
    expect(good(endpoint({ conditions })).endpoints).toEqual(good().endpoints)
    expect(good(endpoint({ conditions: null })).endpoints).toEqual(good().endpoints)
  })

  it('keeps conditions, node, zone and hints', () => {
    const group = good(
      endpoint({
        conditions: { ready: false, serving: true, terminating: true },
        nodeName: 'node-1',
        zone: 'a',
        hints: { forZones: [{ name: 'a' }, { name: 'b' }], forNodes: [{ name: 'node-1' }] },
      }),
    )
    expect(group.endpoints).toEqual([
      {
        ip: '10.1.0.1',
        ready: false,
        serving: true,
        terminating: true,
        nodeName: 'node-1',
        zone: 'a',
        zoneHints: ['a', 'b'],
        nodeHints: ['node-1'],
        topology: {},
      },
    ])
  })

  it('takes serving for true when only ready is false', () => {
    expect(good(endpoint({ conditions: { ready: false } })).endpoints[0]).toMatchObject({
      ready: false,
      serving: true,
      terminating: false,
    })
  })

  it('says node and zone as topology in v1beta1', () => {
    const topology = { 'kubernetes.io/hostname': 'node-2', 'topology.kubernetes.io/zone': 'b', other: 1 }
    expect(good(endpoint({ topology })).endpoints[0]).toMatchObject({ nodeName: 'node-2', zone: 'b' })
    expect(good(endpoint({ topology, nodeName: 'node-1', zone: 'a' })).endpoints[0]).toMatchObject({
      nodeName: 'node-1',
      zone: 'a',
    })
    const kept = { 'topology.kubernetes.io/region': 'r', rack: '7' }
    expect(good(endpoint({ topology: kept })).endpoints[0]?.topology).toEqual(kept)
    expect(good(endpoint({ deprecatedTopology: kept })).endpoints[0]?.topology).toEqual(kept)
    expect(good(endpoint({ topology: { 'kubernetes.io/hostname': 5 } })).endpoints[0]?.nodeName).toBeUndefined()
  })

  it('is used by the first address of each endpoint', () => {
    expect(good(address('10.1.0.1', '10.1.0.2', 'whatever')).endpoints.map(({ ip }) => ip)).toEqual(['10.1.0.1'])
  })

  it('has canonical addresses', () => {
    expect(good({ addressType: 'IPv6', ...address('2001:DB8:0::1') })).toMatchObject({
      family: 6,
      endpoints: [{ ip: '2001:db8::1' }],
    })
    expect(good(address('010.1.0.1')).endpoints[0]?.ip).toBe('10.1.0.1')
  })

  it('may have no endpoints', () => {
    for (const endpoints of [[], null, undefined]) expect(good({ endpoints }).endpoints).toEqual([])
  })

  // Case 122 of the spec.
  it('loses a port without a number, loudly, and keeps the others', () => {
    for (const port of [undefined, null, 0]) {
      const { groups, found } = readSlice({
        ports: [
          { name: 'a', port },
          { name: 'b', port: 81 },
        ],
      })
      expect(groups[0]?.ports).toEqual([{ name: 'b', protocol: 'TCP', port: 81 }])
      expect(found).toEqual(['warning port-none ports.0.port'])
    }
  })

  it('has an unnamed port when the name is left out', () => {
    expect(good({ ports: [{ port: 80 }] }).ports).toEqual([{ name: '', protocol: 'TCP', port: 80 }])
    expect(good({ ports: [{ port: 80, name: null, protocol: null }] }).ports).toEqual([{ name: '', protocol: 'TCP', port: 80 }])
  })

  it('has ports with numbers and names that could be, each name once', () => {
    expect(bad({ ports: [{ port: 65_536 }] })).toEqual(['error port-range ports.0.port'])
    expect(bad({ ports: [{ port: '80' }] })).toEqual(['error port-range ports.0.port'])
    expect(bad({ ports: [{ port: 80, protocol: 'udp' }] })).toEqual(['error choice ports.0.protocol'])
    expect(bad({ ports: [{ port: 80, name: 'A' }] })).toEqual(['error name ports.0.name'])
    expect(bad({ ports: [{ port: 80 }, { port: 81 }] })).toEqual(['error port-name ports.1.name'])
  })

  it('without a Service is ignored with a warning', () => {
    for (const labels of [undefined, {}, { 'kubernetes.io/service-name': '' }, { 'kubernetes.io/service-name': null }]) {
      expect(bad({ metadata: { labels } })).toEqual(['warning slice-without-service metadata.labels.kubernetes.io/service-name'])
    }
    expect(bad({ metadata: { labels: { 'kubernetes.io/service-name': 5 } } })).toEqual([
      'error type metadata.labels.kubernetes.io/service-name',
    ])
  })

  it('of names is ignored with a warning', () => {
    expect(bad({ addressType: 'FQDN', ...address('web.example.com') })).toEqual(['warning address-type addressType'])
    expect(bad({ addressType: 'IP' })).toEqual(['error choice addressType'])
    expect(bad({ addressType: undefined })).toEqual(['error missing addressType'])
  })

  it.each(['service.kubernetes.io/service-proxy-name', 'service.kubernetes.io/headless'])(
    'with the label %s is another’s',
    (label) => {
      expect(bad({ metadata: { labels: { 'kubernetes.io/service-name': 'web', [label]: '' } } })).toEqual([])
    },
  )

  it('names the endpoint whose address is of the other family', () => {
    const endpoints = [{ addresses: ['10.1.0.1'] }, { addresses: ['::2'] }]
    expect(bad({ endpoints })).toEqual(['error address-family endpoints.1.addresses.0'])
    expect(bad({ addressType: 'IPv6', endpoints })).toEqual(['error address-family endpoints.0.addresses.0'])
    expect(bad({ addressType: 'IPv6', ...address('::ffff:10.0.0.1') })).toEqual(['error address-family endpoints.0.addresses.0'])
  })

  it.each(['0.0.0.0', '169.254.0.1', '224.0.0.1', '255.255.255.255', '::ffff:0.0.0.0'])('never leads to %s', (ip) => {
    expect(bad(address(ip))).toEqual(['error address-use endpoints.0.addresses.0'])
  })

  it.each(['::', 'fe80::1', 'ff02::1'])('never leads to %s', (ip) => {
    expect(bad({ addressType: 'IPv6', ...address(ip) })).toEqual(['error address-use endpoints.0.addresses.0'])
  })

  it('leads to loopback only by a flag, which the message names', () => {
    for (const ip of ['127.0.0.1', '127.9.9.9', '::ffff:127.0.0.1']) {
      const { groups, found, messages } = readSlice(address(ip))
      expect(groups).toEqual([])
      expect(found).toEqual(['error address-loopback endpoints.0.addresses.0'])
      expect(messages).toEqual(['must not be on loopback, unless --allow-loopback-endpoints is given'])
      expect(good(address(ip), { allowLoopbackEndpoints: true }).endpoints).toHaveLength(1)
    }
    expect(readSlice(address('0.0.0.0'), { allowLoopbackEndpoints: true }).found).toHaveLength(1)
  })

  it('has an address for each endpoint', () => {
    expect(bad(address())).toEqual(['error missing endpoints.0.addresses.0'])
    expect(bad({ endpoints: [{}] })).toEqual(['error missing endpoints.0.addresses'])
    expect(bad(address(5))).toEqual(['error address endpoints.0.addresses.0'])
    expect(bad(address('web'))).toEqual(['error address endpoints.0.addresses.0'])
    expect(bad({ endpoints: [null] })).toEqual(['error type endpoints.0'])
  })

  it('says of every endpoint what is wrong with it', () => {
    expect(bad({ endpoints: [{ addresses: ['x'] }, { addresses: ['10.0.0.1'] }, { addresses: ['127.0.0.1'] }] })).toEqual([
      'error address endpoints.0.addresses.0',
      'error address-loopback endpoints.2.addresses.0',
    ])
  })

  it('that is wrong in more places than can be listed is one error', () => {
    const hints = { forZones: Array(300_000).fill(null) }
    expect(bad(endpoint({ hints }))).toEqual(['error hopeless '])
  })
})

describe('v1 Endpoints', () => {
  it('are a group for every subset and family', () => {
    const { groups, found } = readSubsets(
      { addresses: [{ ip: '10.1.0.1' }, { ip: '2001:DB8::1' }, { ip: '10.1.0.2' }], ports: [{ name: 'http', port: 80 }] },
      { addresses: [{ ip: '10.1.0.3' }], ports: [{ port: 53, protocol: 'UDP' }] },
      { ports: [{ port: 1 }] },
    )
    expect(found).toEqual([])
    expect(groups.map(({ family, ports, endpoints }) => [family, ports[0]?.port, endpoints.map(({ ip }) => ip)])).toEqual([
      [4, 80, ['10.1.0.1', '10.1.0.2']],
      [6, 80, ['2001:db8::1']],
      [4, 53, ['10.1.0.3']],
    ])
    expect(groups[0]).toMatchObject({ service: 'default/web', object: 'Endpoints default/web' })
  })

  it('keep addresses that are not ready, as such', () => {
    const { groups } = readSubsets({
      addresses: [{ ip: '10.1.0.1', nodeName: 'n' }],
      notReadyAddresses: [{ ip: '10.1.0.2' }],
      ports: [{ port: 80 }],
    })
    expect(groups[0]?.endpoints).toMatchObject([
      { ip: '10.1.0.1', ready: true, serving: true, terminating: false, nodeName: 'n' },
      { ip: '10.1.0.2', ready: false, serving: false, terminating: false, nodeName: undefined },
    ])
  })

  it('may be empty', () => {
    for (const subsets of [undefined, null, []]) {
      expect(readWith(parseEndpoints, { ...someEndpoints(), subsets })).toMatchObject({ groups: [], found: [] })
    }
  })

  // Case 8 of the spec stands on it.
  it('may have several numbers under one port name', () => {
    const ports = [1, 2, 3].map((port) => ({ name: 'p', port }))
    expect(readSubsets({ addresses: [{ ip: '10.1.0.1' }], ports }).groups[0]?.ports.map(({ port }) => port)).toEqual([1, 2, 3])
  })

  // Cases 1 to 3 of the spec: what has no host or no port is no endpoint. Here it is also said, at the field.
  it('without a host are removed', () => {
    for (const ip of ['', undefined, null]) {
      const { groups, found } = readSubsets({ addresses: [{ ip }], ports: [{ port: 0 }] })
      expect(groups).toEqual([])
      expect(found).toContainEqual(expect.stringMatching(/^error (missing|address) subsets\.0\.addresses\.0\.ip$/))
    }
  })

  it('have no endpoint at port 0, or without a port', () => {
    for (const port of [0, undefined, null]) {
      const { groups, found } = readSubsets({ addresses: [{ ip: '10.1.0.1' }], ports: [{ port }] })
      expect(groups[0]?.ports).toEqual([])
      expect(found).toEqual(['warning port-none subsets.0.ports.0.port'])
    }
  })

  it('are removed for a port below 1 or above 65535', () => {
    for (const port of [-1, 65_536]) {
      const { groups, found } = readSubsets({ addresses: [{ ip: '10.1.0.1' }], ports: [{ port }] })
      expect(groups).toEqual([])
      expect(found).toEqual(['error port-range subsets.0.ports.0.port'])
    }
  })

  // Case 4 of the spec.
  it('have an endpoint where there is a host and a port', () => {
    const { groups } = readSubsets({ addresses: [{ ip: '10.1.0.1' }], ports: [{ port: 8080 }] })
    expect(groups[0]).toMatchObject({ endpoints: [{ ip: '10.1.0.1' }], ports: [{ port: 8080 }] })
  })

  // Case 5 of the spec, with "no number" for its negative ones, which are errors here.
  it('keep the ports that have a number, in their order', () => {
    const ports = [1, 2, 0, 3, undefined].map((port, index) => ({ name: `p${index}`, port }))
    const { groups } = readSubsets({ addresses: [{ ip: '10.1.0.1' }], ports })
    expect(groups[0]?.ports.map(({ port }) => port)).toEqual([1, 2, 3])
  })

  it('never lead to loopback or to no machine', () => {
    const at = (ip: string) => readSubsets({ addresses: [{ ip }], ports: [{ port: 80 }] }).found
    expect(at('127.0.0.1')).toEqual(['error address-loopback subsets.0.addresses.0.ip'])
    expect(at('::1')).toEqual(['error address-loopback subsets.0.addresses.0.ip'])
    expect(at('0.0.0.0')).toEqual(['error address-use subsets.0.addresses.0.ip'])
    expect(readSubsets({ notReadyAddresses: [{ ip: 'x' }] }).found).toEqual(['error address subsets.0.notReadyAddresses.0.ip'])
  })
})
