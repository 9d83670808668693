import { describe, expect, it } from 'vitest'
import { showProblem } from '../../src/model/problem.ts'
import { parseAll } from './sample-objects.ts'

const node = (metadata: object, spec?: unknown, status?: unknown) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'node-1', ...metadata },
  spec,
  status,
})

describe('a Node', () => {
  it('says where it is, where its pods are, and whether it leaves', () => {
    const labels = { 'topology.kubernetes.io/zone': 'a', odd: 5 }
    const spec = {
      podCIDR: '10.244.1.0/24',
      podCIDRs: ['10.244.1.0/24', 'fd00:1::/64', 'nonsense'],
      taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }, 'odd', null],
    }
    const addresses = [
      { type: 'Hostname', address: 'node-1' },
      { type: 'ExternalIP', address: '203.0.113.1' },
      { type: 'ExternalIP', address: '2001:db8::1' },
      { type: 'InternalIP', address: '192.0.2.1' },
      { type: 'InternalIP', address: '192.0.2.2' },
      { type: 'InternalIP', address: 'nonsense' },
      null,
    ]
    const set = parseAll([node({ labels, deletionTimestamp: '2024-01-31T12:00:00Z' }, spec, { addresses })])
    expect(set).toMatchObject({ problems: [], notes: [] })
    expect(set.nodes.get('node-1')).toEqual({
      name: 'node-1',
      labels: { 'topology.kubernetes.io/zone': 'a' },
      addresses: ['192.0.2.1', '2001:db8::1'],
      podCidrs: ['10.244.1.0/24', 'fd00:1::/64'],
      taints: ['ToBeDeletedByClusterAutoscaler'],
      deleting: true,
    })
  })

  it('needs nothing but a name', () => {
    for (const spec of [undefined, null, {}]) {
      expect(parseAll([node({}, spec)]).nodes.get('node-1')).toEqual({
        name: 'node-1',
        labels: {},
        addresses: [],
        podCidrs: [],
        taints: [],
        deleting: false,
      })
    }
  })

  it('has no namespace: two of one name are one too many', () => {
    const set = parseAll([node({ labels: { a: '1' } }), node({ namespace: 'other', labels: { a: '2' } })])
    expect(set.nodes.get('node-1')?.labels).toEqual({ a: '1' })
    expect(set.problems.map(showProblem)).toEqual([
      'a.yaml:11: warning: Node node-1: must be there once: this one is ignored, for a.yaml:1 comes first',
    ])
  })

  it('without a name is an error', () => {
    const set = parseAll([node({ name: undefined })])
    expect(set.nodes.size).toBe(0)
    expect(set.problems.map(({ severity, field }) => [severity, field])).toEqual([['error', 'metadata.name']])
  })
})
