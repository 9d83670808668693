import { describe, expect, it } from 'vitest'
import { aService, createCompiler, routesOf } from '../support/objects.ts'

const ZONE = 'topology.kubernetes.io/zone'
const node = (name: string, labels: object, spec: object = {}, more: object = {}, status: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels, ...more },
  spec,
  status,
})

describe('the Node object of our name', () => {
  it('says where we are before what we were told, and leaves the rest', () => {
    const compiler = createCompiler({ nodeLabels: { [ZONE]: 'told', rack: '7' } })
    const { labels } = compiler.compile([node('node-1', { [ZONE]: 'a' }), node('node-2', { [ZONE]: 'b' })]).node
    expect(labels).toEqual({ [ZONE]: 'a', rack: '7' })
    expect(compiler.compile([node('node-2', { [ZONE]: 'b' })]).node.labels).toEqual({ [ZONE]: 'told', rack: '7' })
  })

  it('says where our pods are', () => {
    const { clients } = createCompiler().compile([node('node-1', {}, { podCIDRs: ['10.244.1.0/24'] })]).node
    expect(clients).toEqual(['127.0.0.0/8', '::1/128', '192.0.2.1/32', '10.244.1.0/24'])
  })

  it('knows our own addresses better than we do where those are a guess, and where it has any', () => {
    const here = node('node-1', {}, {}, {}, { addresses: [{ type: 'InternalIP', address: '192.0.2.9' }] })
    const nodePort = aService('web', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] })
    const routes = (followsNodeObject: boolean, ...objects: object[]) => {
      const compiler = createCompiler({ followsNodeObject })
      compiler.compile([nodePort])
      return Object.keys(routesOf(compiler.compile([nodePort, ...objects])))
    }
    expect(routes(true, here)).toEqual(['TCP/10.0.0.1:80', 'TCP/192.0.2.9:30080'])
    expect(routes(true, node('node-1', {}))).toEqual(['TCP/10.0.0.1:80', 'TCP/192.0.2.1:30080'])
    expect(routes(false, here)).toEqual(['TCP/10.0.0.1:80', 'TCP/192.0.2.1:30080'])
  })

  it('says whether the node stays: it leaves when it is being deleted, tainted so, or gone after it was there', () => {
    const compiler = createCompiler()
    const state = (...objects: object[]) => compiler.compile(objects).nodeState
    const taint = (key: string) => node('node-1', {}, { taints: [{ key, effect: 'NoSchedule' }] })
    expect(state()).toBe('unknown')
    expect(state(node('node-2', {}))).toBe('unknown')
    expect(state(node('node-1', {}))).toBe('staying')
    expect(state(taint('ToBeDeletedByClusterAutoscaler'))).toBe('leaving')
    expect(state(taint('node.kubernetes.io/unschedulable'))).toBe('staying')
    expect(state(node('node-1', {}, {}, { deletionTimestamp: '2024-01-31T12:00:00Z' }))).toBe('leaving')
    expect(state(node('node-1', {}, { unschedulable: true }))).toBe('staying')
    expect(state(node('node-2', {}))).toBe('leaving')
    expect(state()).toBe('leaving')
    expect(state(node('node-1', {}))).toBe('staying')
  })

  it('is no news when it says the same in another object', () => {
    const compiler = createCompiler()
    const web = aService('web')
    const before = compiler.compile([web, node('node-1', { [ZONE]: 'a' })])
    const after = compiler.compile([web, node('node-1', { [ZONE]: 'a' }, { taints: [] })])
    expect(after.node).toBe(before.node)
    expect([...after.services.keys()].map((key) => after.services.get(key) === before.services.get(key))).toEqual([true])
    expect(compiler.compile([web, node('node-1', { [ZONE]: 'b' })]).node).not.toBe(after.node)
  })
})
