import { describe, expect, it } from 'vitest'
import { aService, createCompiler } from '../support/objects.ts'

const ZONE = 'topology.kubernetes.io/zone'
const node = (name: string, labels: object, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels },
  spec,
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
