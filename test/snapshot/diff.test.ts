import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Snapshot } from '../../src/model/snapshot.ts'
import { diff } from '../../src/snapshot/diff.ts'
import { aService, aSlice, createCompiler, type Json } from '../support/objects.ts'

/** What has to happen to sockets, by key. */
function changes(previous: Snapshot | undefined, next: Snapshot) {
  const { open, swap, close } = diff(previous, next)
  return { open: open.map(({ key }) => key), swap: swap.map(({ key }) => key), close: [...close] }
}

const NOTHING = { open: [], swap: [], close: [] }

const web = aService('web')
const webSlice = aSlice('web', ['10.1.0.1', '10.1.0.2'])
const api = aService('api', {
  clusterIP: '10.0.0.2',
  ports: [
    { name: 'http', port: 80 },
    { name: 'admin', port: 90 },
  ],
})
const apiHttp = aSlice('api', ['10.1.1.1'], { name: 'api-http', ports: [{ name: 'http', port: 8080 }] })
const apiAdmin = aSlice('api', ['10.1.1.1'], { name: 'api-admin', ports: [{ name: 'admin', port: 9090 }] })
const ALL = [web, webSlice, api, apiHttp, apiAdmin]

describe('changes between snapshots', () => {
  it('are to open everything at first', () => {
    const snapshot = createCompiler().compile(ALL)
    expect(changes(undefined, snapshot)).toEqual({
      open: ['TCP/10.0.0.1:80', 'TCP/10.0.0.2:80', 'TCP/10.0.0.2:90'],
      swap: [],
      close: [],
    })
  })

  it('are none when nothing changed, whatever the order of objects', () => {
    const compiler = createCompiler()
    const before = compiler.compile(ALL)
    const after = compiler.compile([...ALL].reverse())
    expect(changes(before, after)).toEqual(NOTHING)
    expect(after.revision).toBe(before.revision + 1)
    for (const [key, compiled] of before.services) expect(after.services.get(key)).toBe(compiled)
    expect(after.claims).toBe(before.claims)
  })

  it('are none when objects moved to other lines, even where something about them is wrong', () => {
    const compiler = createCompiler()
    const local = aService('local', { type: 'NodePort', clusterIP: '10.0.0.3', externalTrafficPolicy: 'Local' })
    const objects = [...ALL, local, aService('rival', { clusterIP: '10.0.0.3' })]
    const before = compiler.compile(objects)
    const after = compiler.compile(objects, 500)
    expect(changes(before, after)).toEqual(NOTHING)
    expect(after.problems).toHaveLength(before.problems.length)
    expect(after.problems.every(({ place }) => Number(place.split(':')[1]) > 500)).toBe(true)
  })

  it('of one Service leave the routes of others alone', () => {
    const compiler = createCompiler()
    const before = compiler.compile(ALL)
    const after = compiler.compile([web, aSlice('web', ['10.1.0.1', '10.1.0.3']), api, apiHttp, apiAdmin])
    expect(changes(before, after)).toEqual({ ...NOTHING, swap: ['TCP/10.0.0.1:80'] })
    for (const [key, route] of before.routes) if (key !== 'TCP/10.0.0.1:80') expect(after.routes.get(key)).toBe(route)
  })

  it('of one slice swap only the routes of its ports', () => {
    const compiler = createCompiler()
    const before = compiler.compile(ALL)
    const after = compiler.compile([
      web,
      webSlice,
      api,
      apiHttp,
      aSlice('api', ['10.1.1.2'], { name: 'api-admin', ports: [{ name: 'admin', port: 9090 }] }),
    ])
    expect(changes(before, after)).toEqual({ ...NOTHING, swap: ['TCP/10.0.0.2:90'] })
  })

  // Case 25.
  it('are none when the same endpoints come in another order, or from another slice', () => {
    const compiler = createCompiler()
    const before = compiler.compile(ALL)
    const reordered = compiler.compile([web, aSlice('web', ['10.1.0.2', '10.1.0.1']), api, apiHttp, apiAdmin])
    expect(changes(before, reordered)).toEqual(NOTHING)
    const split = [aSlice('web', ['10.1.0.2'], { name: 'web-x' }), aSlice('web', ['10.1.0.1'], { name: 'web-y' })]
    expect(changes(reordered, compiler.compile([web, ...split, api, apiHttp, apiAdmin]))).toEqual(NOTHING)
  })

  // Case 125.
  it('are none when an endpoint moves from one slice to another', () => {
    const compiler = createCompiler()
    const two = (a: string[], b: string[]) => [web, aSlice('web', a, { name: 'web-a' }), aSlice('web', b, { name: 'web-b' })]
    const before = compiler.compile(two(['10.1.0.1', '10.1.0.2'], ['10.1.0.3']))
    const after = compiler.compile(two(['10.1.0.1'], ['10.1.0.2', '10.1.0.3']))
    expect(changes(before, after)).toEqual(NOTHING)
  })

  // Case 124.
  it('are none when a slice without a Service comes and goes, or comes twice', () => {
    const compiler = createCompiler()
    const before = compiler.compile(ALL)
    const stray = aSlice('nobody', ['10.1.0.9'])
    const after = compiler.compile([...ALL, stray, stray])
    expect(changes(before, after)).toEqual(NOTHING)
    expect(changes(after, compiler.compile(ALL))).toEqual(NOTHING)
  })

  it('of endpoints that are not usable are none', () => {
    const compiler = createCompiler()
    const before = compiler.compile([web, aSlice('web', ['10.1.0.1'])])
    const after = compiler.compile([web, aSlice('web', ['10.1.0.1', ['10.1.0.2', { ready: false }]])])
    expect(changes(before, after)).toEqual(NOTHING)
  })

  it('of what a Service says swap all its routes', () => {
    const compiler = createCompiler()
    const before = compiler.compile(ALL)
    const sticky = aService('api', { ...(api['spec'] as Json), sessionAffinity: 'ClientIP' })
    const after = compiler.compile([web, webSlice, sticky, apiHttp, apiAdmin])
    expect(changes(before, after)).toEqual({ ...NOTHING, swap: ['TCP/10.0.0.2:80', 'TCP/10.0.0.2:90'] })
  })

  // Cases 50, 51 and 88.
  it('of a port number close the old address and open the new one', () => {
    const compiler = createCompiler()
    const nodePort = (number: number) => aService('web', { type: 'NodePort', ports: [{ port: 80, nodePort: number }] })
    const before = compiler.compile([nodePort(30_001), webSlice])
    const after = compiler.compile([nodePort(30_002), webSlice])
    expect(changes(before, after)).toEqual({
      open: ['TCP/192.0.2.1:30002'],
      swap: ['TCP/10.0.0.1:80'],
      close: ['TCP/192.0.2.1:30001'],
    })
  })

  // Case 52.
  it('of an externalIP that comes open it, and keep the sockets there are', () => {
    const compiler = createCompiler()
    const before = compiler.compile([web, webSlice])
    const after = compiler.compile([aService('web', { externalIPs: ['203.0.113.1'] }), webSlice])
    expect(changes(before, after)).toEqual({ open: ['TCP/203.0.113.1:80'], swap: ['TCP/10.0.0.1:80'], close: [] })
  })

  it('of node addresses leave the other sockets alone', () => {
    const compiler = createCompiler({ nodeAddresses: ['192.0.2.1', '192.0.2.2'] })
    const service = aService('web', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] })
    const before = compiler.compile([service, webSlice])
    compiler.moveTo(['192.0.2.2', '192.0.2.3'])
    expect(changes(before, compiler.compile([service, webSlice]))).toEqual({
      open: ['TCP/192.0.2.3:30080'],
      swap: [],
      close: ['TCP/192.0.2.1:30080'],
    })
  })

  it('of who is on this node swap only the routes that tell them apart', () => {
    const compiler = createCompiler({ nodeAddresses: ['192.0.2.1', '192.0.2.2'] })
    const ports = [{ port: 80, nodePort: 30_080 }]
    const service = aService('web', { type: 'NodePort', externalTrafficPolicy: 'Local', ports })
    const onNode = aSlice('web', [['10.1.0.1', {}, { nodeName: 'node-1' }]])
    const before = compiler.compile([service, onNode])
    compiler.moveTo(['192.0.2.1', '192.0.2.3'])
    expect(changes(before, compiler.compile([service, onNode]))).toEqual({
      open: ['TCP/192.0.2.3:30080'],
      swap: ['TCP/192.0.2.1:30080'],
      close: ['TCP/192.0.2.2:30080'],
    })
  })

  it('of the labels of this node swap the routes whose endpoints they change', () => {
    const compiler = createCompiler()
    const node = (zone: string) => ({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/zone': zone } },
    })
    const near = aService('web', {
      trafficDistribution: 'PreferClose',
      externalIPs: ['203.0.113.1'],
      externalTrafficPolicy: 'Local',
    })
    const zoned = aSlice('web', [
      ['10.1.0.1', {}, { zone: 'a', nodeName: 'node-1' }],
      ['10.1.0.2', {}, { zone: 'b' }],
    ])
    const before = compiler.compile([near, zoned, api, apiHttp, node('a')])
    const after = compiler.compile([near, zoned, api, apiHttp, node('c')])
    expect(changes(before, after)).toEqual({ ...NOTHING, swap: ['TCP/10.0.0.1:80', 'TCP/203.0.113.1:80'] })
    expect(changes(after, compiler.compile([near, zoned, api, apiHttp, node('d')]))).toEqual(NOTHING)
  })

  it('of the node of an endpoint swap only the routes that care where it is', () => {
    const compiler = createCompiler()
    const service = aService('web', { type: 'NodePort', internalTrafficPolicy: 'Local', ports: [{ port: 80, nodePort: 30_080 }] })
    const on = (nodeName: string) => aSlice('web', [['10.1.0.1', {}, { nodeName }]])
    const before = compiler.compile([service, on('node-1')])
    expect(changes(before, compiler.compile([service, on('node-2')]))).toEqual({ ...NOTHING, swap: ['TCP/10.0.0.1:80'] })
  })

  it('of an address that goes over to another Service are one swap', () => {
    const compiler = createCompiler()
    const rival = aService('rival')
    const before = compiler.compile([web, webSlice])
    expect(changes(before, compiler.compile([rival, webSlice]))).toEqual({ ...NOTHING, swap: ['TCP/10.0.0.1:80'] })
  })

  it('are to close what is gone', () => {
    const compiler = createCompiler()
    const before = compiler.compile(ALL)
    expect(changes(before, compiler.compile([web, webSlice]))).toEqual({
      ...NOTHING,
      close: ['TCP/10.0.0.2:80', 'TCP/10.0.0.2:90'],
    })
    expect(changes(before, compiler.compile([]))).toEqual({ ...NOTHING, close: [...before.routes.keys()] })
  })

  it('lead from any snapshot to any other, and none at all from one to itself', () => {
    const objects = Array.from({ length: 6 }, (_, n) => [
      aService(`s${n}`, { clusterIP: `10.0.0.${1 + (n % 4)}`, ports: [{ port: 80 + (n % 2) }] }),
      aService(`s${n}`, { clusterIP: `10.0.0.${1 + (n % 3)}`, externalIPs: ['203.0.113.1'] }),
      aSlice(`s${n}`, ['10.1.0.1']),
      aSlice(`s${n}`, ['10.1.0.1', '10.0.0.1'], { ports: [{ name: '', port: 80 }] }),
    ]).flat()
    const some = fc.subarray(objects)
    fc.assert(
      fc.property(fc.array(some, { minLength: 1, maxLength: 5 }), (steps) => {
        const compiler = createCompiler()
        let snapshot: Snapshot | undefined
        const sockets = new Map<string, unknown>()
        for (const step of steps) {
          const next = compiler.compile(step)
          const { open, swap, close } = diff(snapshot, next)
          for (const key of close) expect(sockets.delete(key)).toBe(true)
          for (const route of swap) expect(sockets.has(route.key)).toBe(true)
          for (const route of open) expect(sockets.has(route.key)).toBe(false)
          for (const route of [...open, ...swap]) sockets.set(route.key, route)
          expect(new Map(sockets)).toEqual(new Map(next.routes))

          const again = compiler.compile(step)
          expect(changes(next, again)).toEqual(NOTHING)
          // A history never changes what comes out, but for who holds an address among Services of one age.
          const fresh = createCompiler().compile(step)
          expect([...fresh.routes.keys()].sort()).toEqual([...next.routes.keys()].sort())
          snapshot = again
        }
      }),
      { numRuns: 60 },
    )
  })
})
