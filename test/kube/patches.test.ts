import { describe, expect, it } from 'vitest'
import { applyJsonPatch } from '../../src/admin/kube/json-patch.ts'
import { storedKind } from '../../src/admin/kube/kinds.ts'
import { applyMergePatch } from '../../src/admin/kube/merge-patch.ts'
import { Refusal } from '../../src/admin/kube/refusal.ts'
import { applyStrategicMerge } from '../../src/admin/kube/strategic-merge.ts'

const { schema } = storedKind('services')
const strategic = (document: object, patch: object) => applyStrategicMerge({ ...document }, patch, schema)
const ports = (...list: object[]) => ({ spec: { ports: list } })
const [A, B, C] = [
  { name: 'a', port: 1 },
  { name: 'b', port: 2 },
  { name: 'c', port: 3 },
]

describe('a JSON patch', () => {
  // RFC 6902, appendix A.
  it.each([
    [{ foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux' }], { baz: 'qux', foo: 'bar' }],
    [{ foo: ['bar', 'baz'] }, [{ op: 'add', path: '/foo/1', value: 'qux' }], { foo: ['bar', 'qux', 'baz'] }],
    [{ baz: 'qux', foo: 'bar' }, [{ op: 'remove', path: '/baz' }], { foo: 'bar' }],
    [{ foo: ['bar', 'qux', 'baz'] }, [{ op: 'remove', path: '/foo/1' }], { foo: ['bar', 'baz'] }],
    [{ baz: 'qux', foo: 'bar' }, [{ op: 'replace', path: '/baz', value: 'boo' }], { baz: 'boo', foo: 'bar' }],
    [
      { foo: { bar: 'baz', waldo: 'fred' }, qux: { corge: 'grault' } },
      [{ op: 'move', from: '/foo/waldo', path: '/qux/thud' }],
      { foo: { bar: 'baz' }, qux: { corge: 'grault', thud: 'fred' } },
    ],
    [
      { foo: ['all', 'grass', 'cows', 'eat'] },
      [{ op: 'move', from: '/foo/1', path: '/foo/3' }],
      { foo: ['all', 'cows', 'eat', 'grass'] },
    ],
    [
      { baz: 'qux', foo: ['a', 2, 'c'] },
      [
        { op: 'test', path: '/baz', value: 'qux' },
        { op: 'test', path: '/foo/1', value: 2 },
      ],
      { baz: 'qux', foo: ['a', 2, 'c'] },
    ],
    [{ foo: 'bar' }, [{ op: 'add', path: '/child', value: { grandchild: {} } }], { foo: 'bar', child: { grandchild: {} } }],
    [{ foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux', xyz: 123 }], { foo: 'bar', baz: 'qux' }],
    [{ '/': 9, '~1': 10 }, [{ op: 'test', path: '/~01', value: 10 }], { '/': 9, '~1': 10 }],
    [{ foo: ['bar'] }, [{ op: 'add', path: '/foo/-', value: ['abc', 'def'] }], { foo: ['bar', ['abc', 'def']] }],
    [{ a: 1 }, [{ op: 'copy', from: '/a', path: '/b' }], { a: 1, b: 1 }],
    [{ a: 1 }, [{ op: 'replace', path: '', value: { b: 2 } }], { b: 2 }],
  ])('turns %j by %j into %j', (document, patch, result) => {
    expect(applyJsonPatch(document, patch)).toEqual({ value: result })
  })

  it.each([
    [{ baz: 'qux' }, [{ op: 'test', path: '/baz', value: 'bar' }]],
    [{ foo: 'bar' }, [{ op: 'add', path: '/baz/bat', value: 'qux' }]],
    [{ '/': 9 }, [{ op: 'test', path: '/~01', value: '10' }]],
    [{ foo: [] }, [{ op: 'add', path: '/foo/1', value: 1 }]],
    [{ foo: [1] }, [{ op: 'replace', path: '/foo/-', value: 1 }]],
    [{ foo: [1] }, [{ op: 'remove', path: '/foo/01' }]],
    [{ foo: {} }, [{ op: 'move', from: '/foo', path: '/foo/bar' }]],
    [{ foo: 1 }, [{ op: 'spam', path: '/foo' }]],
    [{ foo: 1 }, [{ op: 'add', path: '/foo' }]],
    [{}, [{ op: 'remove', path: '/constructor' }]],
  ])('does not change %j by %j', (document, patch) => {
    expect(applyJsonPatch(document, patch)).toBeInstanceOf(Refusal)
  })

  it('takes no key for another one', () => {
    const patched = applyJsonPatch({}, [{ op: 'add', path: '/__proto__', value: { polluted: true } }]) as { value: object }
    expect(Object.getPrototypeOf(patched.value)).toBe(Object.prototype)
    expect(JSON.stringify(patched.value)).toBe('{"__proto__":{"polluted":true}}')
  })
})

describe('a merge patch', () => {
  // RFC 7386, appendix A.
  it.each([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('turns %j by %j into %j', (document, patch, result) => {
    expect(applyMergePatch(document, patch)).toEqual(result)
  })
})

describe('a strategic merge patch', () => {
  it('merges ports by their number', () => {
    expect(strategic(ports(A, B), ports({ port: 2, name: 'x' }, C))).toEqual(ports(A, { name: 'x', port: 2 }, C))
  })

  it('deletes a port', () => {
    expect(strategic(ports(A, B), ports({ port: 1, $patch: 'delete' }))).toEqual(ports(B))
  })

  it('replaces all ports', () => {
    expect(strategic(ports(A, B), ports({ $patch: 'replace' }, C))).toEqual(ports(C))
  })

  it('orders ports as kubectl apply says', () => {
    const order = { '$setElementOrder/ports': [{ port: 3 }, { port: 1 }] }
    expect(strategic(ports(A), { spec: { ...order, ports: [C] } })).toEqual(ports(C, A))
    expect(strategic(ports(A, B), { spec: { ...order, ports: [C] } })).toEqual(ports(C, A, B))
    expect(strategic(ports(A, C), { spec: order })).toEqual(ports(C, A))
  })

  it('keeps only the keys that are to stay', () => {
    const before = { spec: { type: 'NodePort', clusterIP: '10.0.0.1' } }
    expect(strategic(before, { spec: { $retainKeys: ['type'], type: 'ClusterIP' } })).toEqual({ spec: { type: 'ClusterIP' } })
  })

  it('replaces lists that have no key, and mappings that ask for it', () => {
    expect(strategic({ spec: { externalIPs: ['a', 'b'] } }, { spec: { externalIPs: ['c'] } })).toEqual({
      spec: { externalIPs: ['c'] },
    })
    expect(strategic({ spec: { selector: { a: 'b' } } }, { spec: { selector: { $patch: 'replace', c: 'd' } } })).toEqual({
      spec: { selector: { c: 'd' } },
    })
  })

  it('adds finalizers and takes them out', () => {
    const before = { metadata: { finalizers: ['a', 'b'] } }
    expect(strategic(before, { metadata: { finalizers: ['b', 'c'] } })).toEqual({ metadata: { finalizers: ['a', 'b', 'c'] } })
    expect(strategic(before, { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'] } })).toEqual({
      metadata: { finalizers: ['b'] },
    })
  })

  it('removes what is null, and labels one by one', () => {
    const before = { metadata: { labels: { a: '1', b: '2' } }, spec: { type: 'ClusterIP' } }
    expect(strategic(before, { metadata: { labels: { a: null, c: '3' } }, spec: { type: null } })).toEqual({
      metadata: { labels: { b: '2', c: '3' } },
      spec: {},
    })
  })

  it('refuses an item without its key and a directive that there is not', () => {
    expect(strategic(ports(A), ports({ name: 'x' }))).toBeInstanceOf(Refusal)
    expect(strategic(ports(A), { spec: { $patch: 'spam' } })).toBeInstanceOf(Refusal)
  })
})
