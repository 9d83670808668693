import { describe, expect, it } from 'vitest'
import { aService, aSlice, createCompiler, inShort, type Json, routesOf, someEndpoints } from '../support/objects.ts'

const READY = { ready: true, serving: true, terminating: false }
const NOT_READY = { ready: false, serving: false, terminating: false }
const STOPPING = { ready: false, serving: true, terminating: true }
const STOPPED = { ready: false, serving: false, terminating: true }

const WEB = 'TCP/10.0.0.1:80'

/** The endpoints that the Service `default/web` uses. */
function usable(objects: readonly Json[], spec: Json = {}): string[] {
  return routesOf(createCompiler().compile([aService('web', spec), ...objects]))[WEB] ?? []
}

/** Slices `web-1`, `web-2`, … of `default/web`. */
function slices(...lists: Parameters<typeof aSlice>[1][]): Json[] {
  return lists.map((endpoints, n) => aSlice('web', endpoints, { name: `web-${n + 1}` }))
}

describe('endpoints of a Service port', () => {
  // Case 116.
  it('are the union of its slices, in key order', () => {
    expect(usable(slices(['10.1.0.5', '10.1.0.1', '10.1.0.3'], ['10.1.0.4', '10.1.0.6', '10.1.0.2']))).toEqual(
      [1, 2, 3, 4, 5, 6].map((n) => `10.1.0.${n}:8080/TCP`),
    )
  })

  // Case 115.
  it('belong to the port of their name and protocol', () => {
    const ports = [
      { name: 'http', port: 80 },
      { name: 'https', port: 443 },
      { name: 'quic', port: 443, protocol: 'UDP' },
    ]
    const slice = aSlice('web', ['10.1.0.1', '10.1.0.2', '10.1.0.3'], {
      ports: [
        { name: 'http', port: 8080 },
        { name: 'https', port: 8443 },
        { name: 'quic', port: 8443 },
      ],
    })
    const routes = routesOf(createCompiler().compile([aService('web', { ports }), slice]))
    expect(routes['TCP/10.0.0.1:80']).toEqual(['10.1.0.1:8080/TCP', '10.1.0.2:8080/TCP', '10.1.0.3:8080/TCP'])
    expect(routes['TCP/10.0.0.1:443']).toEqual(['10.1.0.1:8443/TCP', '10.1.0.2:8443/TCP', '10.1.0.3:8443/TCP'])
    expect(routes['UDP/10.0.0.1:443']).toEqual([])
  })

  // Case 10.
  it('are kept apart by port, subset by subset', () => {
    const ports = [
      { name: 'p', port: 1 },
      { name: 'q', port: 2 },
    ]
    const subset = (ips: string[], p: number, q: number) => ({
      addresses: ips.map((ip) => ({ ip })),
      ports: [
        { name: 'p', port: p },
        { name: 'q', port: q },
      ],
    })
    const endpoints = someEndpoints('web', subset(['10.1.0.1', '10.1.0.2'], 1, 2), subset(['10.1.0.3'], 3, 4))
    expect(routesOf(createCompiler().compile([aService('web', { ports }), endpoints]))).toEqual({
      'TCP/10.0.0.1:1': ['10.1.0.1:1/TCP', '10.1.0.2:1/TCP', '10.1.0.3:3/TCP'],
      'TCP/10.0.0.1:2': ['10.1.0.1:2/TCP', '10.1.0.2:2/TCP', '10.1.0.3:4/TCP'],
    })
  })

  // Case 9.
  it('are all that was listed, each once', () => {
    const ips = Array.from({ length: 50 }, (_, n) => `10.1.0.${n + 1}`)
    expect(usable(slices(ips)).sort()).toEqual(ips.map((ip) => `${ip}:8080/TCP`).sort())
  })

  // Cases 35 and 117.
  it('are there once, however often they are listed', () => {
    expect(usable(slices(['10.1.0.1', '10.1.0.2', '10.1.0.3'], ['10.1.0.2', '10.1.0.3', '10.1.0.4', '10.1.0.1']))).toHaveLength(4)
    const twice = { addresses: [{ ip: '10.1.0.1' }, { ip: '10.1.0.1' }], ports: [{ port: 8080 }] }
    expect(usable([someEndpoints('web', twice, twice)])).toEqual(['10.1.0.1:8080/TCP'])
  })

  // Case 123.
  it('of one address with two ports are two', () => {
    const other = aSlice('web', ['10.1.0.1', '10.1.0.2'], { name: 'web-2', ports: [{ name: '', port: 80 }] })
    expect(usable([...slices(['10.1.0.1', '10.1.0.2']), other])).toHaveLength(4)
  })

  // Case 121.
  it('are not those of another Service or namespace', () => {
    const others = [aSlice('api', ['10.1.0.8']), aSlice('other/web', ['10.1.0.9'])]
    expect(usable([...slices(['10.1.0.1']), ...others])).toEqual(['10.1.0.1:8080/TCP'])
  })

  // Case 122.
  it('need a port number', () => {
    expect(usable([aSlice('web', ['10.1.0.1'], { ports: [{ name: '' }] })])).toEqual([])
  })

  it('come from slices where there are both', () => {
    const old = someEndpoints('web', { addresses: [{ ip: '10.1.0.9' }], ports: [{ port: 8080 }] })
    expect(usable([old, ...slices(['10.1.0.1'])])).toEqual(['10.1.0.1:8080/TCP'])
  })
})

describe('usable endpoints', () => {
  // Case 105.
  it('are the ready ones; what says nothing is ready', () => {
    expect(usable(slices(['10.1.0.1', ['10.1.0.2', READY], ['10.1.0.3', NOT_READY], ['10.1.0.4', STOPPING]]))).toEqual([
      '10.1.0.1:8080/TCP',
      '10.1.0.2:8080/TCP',
    ])
    // Case 120.
    expect(usable(slices([['10.1.0.1', NOT_READY]], [['10.1.0.2', NOT_READY]]))).toEqual([])
  })

  // Case 106.
  it('are those that stop but still serve, where none is ready', () => {
    expect(
      usable(
        slices([
          ['10.1.0.1', STOPPING],
          ['10.1.0.2', STOPPED],
          ['10.1.0.3', NOT_READY],
          ['10.1.0.4', STOPPING],
        ]),
      ),
    ).toEqual(['10.1.0.1:8080/TCP', '10.1.0.4:8080/TCP'])
  })

  it('are decided for each family by itself', () => {
    const dual = { clusterIPs: ['10.0.0.1', 'fd00::1'] }
    const four = aSlice('web', [['10.1.0.1', STOPPING]])
    const six = aSlice('web', [['fd01::1', STOPPING], 'fd01::2'], { name: 'web-6', addressType: 'IPv6' })
    expect(routesOf(createCompiler().compile([aService('web', dual), four, six]))).toEqual({
      'TCP/10.0.0.1:80': ['10.1.0.1:8080/TCP'],
      'TCP/[fd00::1]:80': ['[fd01::2]:8080/TCP'],
    })
  })

  // Case 118.
  it('are ready where any live entry for the address is, in whatever order the slices come', () => {
    for (const lists of [
      [[['10.1.0.1', NOT_READY]], [['10.1.0.1', READY]]],
      [[['10.1.0.1', READY]], [['10.1.0.1', NOT_READY]]],
      [[['10.1.0.1', STOPPED]], [['10.1.0.1', READY]]],
      [[['10.1.0.1', READY]], [['10.1.0.1', STOPPED]]],
    ] as Parameters<typeof slices>[]) {
      expect(usable(slices(...lists))).toEqual(['10.1.0.1:8080/TCP'])
    }
    expect(usable(slices([['10.1.0.1', NOT_READY]], [['10.1.0.1', NOT_READY]]))).toEqual([])
  })

  // Case 119.
  it('are no stopping ones whose address lives again', () => {
    for (const lists of [
      [[['10.1.0.1', STOPPING]], [['10.1.0.1', NOT_READY]]],
      [[['10.1.0.1', NOT_READY]], [['10.1.0.1', STOPPING]]],
    ] as Parameters<typeof slices>[]) {
      expect(usable(slices(...lists))).toEqual([])
    }
  })

  it('are stopping ones that serve in any of their entries', () => {
    for (const lists of [
      [[['10.1.0.1', STOPPING]], [['10.1.0.1', STOPPED]]],
      [[['10.1.0.1', STOPPED]], [['10.1.0.1', STOPPING]]],
    ] as Parameters<typeof slices>[]) {
      expect(usable(slices(...lists))).toEqual(['10.1.0.1:8080/TCP'])
    }
  })

  it('are of the family of the address', () => {
    expect(usable([aSlice('web', ['fd01::1'], { addressType: 'IPv6' })])).toEqual([])
  })
})

describe('publishNotReadyAddresses', () => {
  const publish = { publishNotReadyAddresses: true }
  const subset = { addresses: [{ ip: '10.1.0.1' }], notReadyAddresses: [{ ip: '10.1.0.2' }], ports: [{ port: 8080 }] }

  it('makes the not ready addresses of v1 Endpoints usable', () => {
    expect(usable([someEndpoints('web', subset)])).toEqual(['10.1.0.1:8080/TCP'])
    expect(usable([someEndpoints('web', subset)], publish)).toEqual(['10.1.0.1:8080/TCP', '10.1.0.2:8080/TCP'])
  })

  it('leaves slices as they are: they carry it in ready, for stopping endpoints too', () => {
    const lists: Parameters<typeof slices>[0] = [
      ['10.1.0.1', { ...STOPPING, ready: true }],
      ['10.1.0.2', NOT_READY],
    ]
    expect(usable(slices(lists), publish)).toEqual(['10.1.0.1:8080/TCP'])
  })

  it('takes effect on a live Service', () => {
    const compiler = createCompiler()
    const endpoints = someEndpoints('web', subset)
    const before = compiler.compile([aService('web'), endpoints])
    const after = compiler.compile([aService('web', publish), endpoints])
    expect(routesOf(before)[WEB]).toHaveLength(1)
    expect(routesOf(after)[WEB]).toHaveLength(2)
  })
})

describe('endpoints that are our own addresses', () => {
  it('are left out, said, and come back when the address is no longer ours', () => {
    const compiler = createCompiler()
    const web = [aService('web'), aSlice('web', ['10.0.0.2', '10.1.0.1'], { ports: [{ name: '', port: 80 }] })]
    const api = aService('api', { clusterIP: '10.0.0.2' })
    const with2 = compiler.compile([...web, api])
    expect(routesOf(with2)[WEB]).toEqual(['10.1.0.1:80/TCP'])
    expect(inShort(with2.problems)).toContain('error endpoint-loop Service default/web endpoint 10.0.0.2:80/TCP')
    const without = compiler.compile(web)
    expect(routesOf(without)[WEB]).toEqual(['10.0.0.2:80/TCP', '10.1.0.1:80/TCP'])
    expect(inShort(without.problems)).toEqual([])
    expect(routesOf(compiler.compile([...web, api]))[WEB]).toEqual(['10.1.0.1:80/TCP'])
  })

  it('are any port of a clusterIP, that of the Service itself too', () => {
    const objects = slices(['10.0.0.1', '10.1.0.1'])
    expect(usable(objects)).toEqual(['10.1.0.1:8080/TCP'])
  })

  it('are externalIPs and nodePorts on the ports that we listen on, and no other', () => {
    const spec = {
      type: 'NodePort',
      externalIPs: ['203.0.113.1'],
      ports: [{ name: 'a', port: 80, nodePort: 30_080 }],
    }
    const slice = (port: number) =>
      aSlice('web', ['203.0.113.1', '192.0.2.1', '10.1.0.1'], { name: `web-${port}`, ports: [{ name: 'a', port }] })
    expect(usable([slice(80)], spec)).toEqual(['10.1.0.1:80/TCP', '192.0.2.1:80/TCP'])
    expect(usable([slice(30_080)], spec)).toEqual(['10.1.0.1:30080/TCP', '203.0.113.1:30080/TCP'])
    expect(usable([slice(8080)], spec)).toHaveLength(3)
  })

  it('are a matter of the protocol as well', () => {
    const dns = aService('dns', { clusterIP: '10.0.0.2', externalIPs: ['203.0.113.1'], ports: [{ port: 53, protocol: 'UDP' }] })
    const web = aSlice('web', ['203.0.113.1'], { ports: [{ name: '', port: 53 }] })
    expect(usable([dns, web])).toEqual(['203.0.113.1:53/TCP'])
  })

  it('on loopback are only the ports that we listen on', () => {
    const compiler = createCompiler({ parse: { allowLoopbackEndpoints: true } })
    const web = aService('web', { clusterIP: '127.0.0.9' })
    const endpoints = aSlice('web', ['127.0.0.9'], { ports: [{ name: '', port: 9001 }] })
    const loop = aSlice('web', ['127.0.0.9'], { ports: [{ name: '', port: 80 }] })
    expect(routesOf(compiler.compile([web, endpoints]))).toEqual({ 'TCP/127.0.0.9:80': ['127.0.0.9:9001/TCP'] })
    expect(routesOf(compiler.compile([web, loop]))).toEqual({ 'TCP/127.0.0.9:80': [] })
  })

  it('do not take the neighbours of a bad one along', () => {
    const api = aService('api', { clusterIP: '10.0.0.2' })
    const more = aSlice('api', ['10.1.0.7'])
    const routes = routesOf(createCompiler().compile([aService('web'), aSlice('web', ['10.0.0.2', '10.1.0.1']), api, more]))
    expect(routes).toEqual({ 'TCP/10.0.0.1:80': ['10.1.0.1:8080/TCP'], 'TCP/10.0.0.2:80': ['10.1.0.7:8080/TCP'] })
  })
})
