import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createObjectParser } from '../../src/model/parse-objects.ts'
import { DEFAULT_PARSE_OPTIONS } from '../../src/model/parse-options.ts'
import type { NodeContext, Snapshot } from '../../src/model/snapshot.ts'
import type { SourceObject } from '../../src/model/source-object.ts'
import { compile } from '../../src/snapshot/compile.ts'
import { aNode, aService, aSlice, someEndpoints } from '../support/objects.ts'

const NODE: NodeContext = aNode(['192.0.2.1'])
const OPTIONS = { clusterIpRange: undefined, nodePortRange: [30_000, 32_767] as const, transparentSource: false }

/** Everything that can stand at one place of a list: right, wrong, of another Service, and twice. */
const VALUES: readonly object[] = [
  aService('web'),
  aService('web', { internalTrafficPolicy: 'Local' }),
  aService('api', { clusterIP: '10.0.0.2' }),
  aService('api', { clusterIP: '10.0.0.1' }),
  aService('bad', { ports: [{ port: 0 }] }),
  aSlice('web', ['10.1.0.1', '10.1.0.2']),
  aSlice('web', ['10.1.0.1']),
  aSlice('web', []),
  aSlice('web', ['nonsense']),
  aSlice('web', ['10.1.0.9'], { ports: [{ name: 'other', port: 1 }] }),
  aSlice('web', ['10.0.0.1'], { ports: [{ name: '', port: 80 }] }),
  aSlice('web', [['10.1.0.3', {}, { nodeName: 'node-1' }]], { name: 'web-2' }),
  aSlice('api', ['10.2.0.1']),
  aSlice('api', ['10.2.0.2']),
  aSlice('api', ['10.2.0.3'], { name: 'web-1' }),
  aSlice('none', ['10.3.0.1']),
  someEndpoints('api', { addresses: [{ ip: '10.4.0.1' }], ports: [{ port: 80 }] }),
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' } },
]

interface Change {
  readonly at: number
  readonly object: SourceObject
  readonly how: 'replace' | 'add' | 'remove' | 'same'
}

const object = fc
  .record({ value: fc.constantFrom(...VALUES), line: fc.integer({ min: 1, max: 3 }) })
  .map(({ value, line }): SourceObject => ({ value, origin: { place: 'a.yaml', line, lines: undefined } }))
const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(),
  object,
  how: fc.constantFrom('replace', 'replace', 'replace', 'add', 'remove', 'same'),
})

function changed(objects: readonly SourceObject[], { at, object: other, how }: Change): SourceObject[] {
  const index = objects.length === 0 ? 0 : at % objects.length
  if (how === 'same') return [...objects]
  return objects.toSpliced(index, how === 'add' ? 0 : 1, ...(how === 'remove' ? [] : [other]))
}

/** What is in force, without what only says how it came to be. */
function inForce({ services, routes, claims, problems }: Snapshot) {
  const compiled = [...services].map(([key, { routes: own, problems: said, ports }]) => [key, own.length, said, [...ports]])
  return {
    compiled: compiled.sort(),
    routes: [...routes].sort(),
    owners: [...claims.owners].sort(),
    problems: problems.toSorted(),
  }
}

describe('any sequence of changes', () => {
  it('is read and compiled as if there had been nothing before', () => {
    fc.assert(
      fc.property(fc.array(object, { maxLength: 8 }), fc.array(change, { maxLength: 12 }), (first, changes) => {
        const parser = createObjectParser(DEFAULT_PARSE_OPTIONS)
        let objects = first
        let snapshot: Snapshot | undefined
        for (const next of [undefined, ...changes]) {
          if (next) objects = changed(objects, next)
          const set = parser.parse(objects)
          const fresh = createObjectParser(DEFAULT_PARSE_OPTIONS).parse(objects)
          const inOrder = (one: typeof set) => ({
            ...one,
            services: [...one.services].sort(),
            endpoints: [...one.endpoints].sort(),
          })
          expect({ ...inOrder(set), problems: new Set(set.problems) }).toEqual({
            ...inOrder(fresh),
            problems: new Set(fresh.problems),
          })
          const before = snapshot
          snapshot = compile(set, NODE, OPTIONS, before)
          // Another Map of the same Services: the long way.
          const long = compile({ ...set, services: new Map(set.services) }, NODE, OPTIONS, before)
          expect(inForce(snapshot)).toEqual(inForce(long))
        }
      }),
      { numRuns: 500 },
    )
  })

  it('to other endpoints of one Service leaves everything else the same reference', () => {
    const at = (value: object): SourceObject => ({ value, origin: { place: 'a.yaml', line: 1, lines: undefined } })
    const others = [aService('web'), aService('api', { clusterIP: '10.0.0.2' }), aSlice('api', ['10.2.0.1'])].map(at)
    const parser = createObjectParser(DEFAULT_PARSE_OPTIONS)
    const before = parser.parse([...others, at(aSlice('web', ['10.1.0.1']))])
    const first = compile(before, NODE, OPTIONS, undefined)
    const after = parser.parse([...others, at(aSlice('web', ['10.1.0.2']))])
    const second = compile(after, NODE, OPTIONS, first)
    expect(after.services).toBe(before.services)
    expect(second.claims).toBe(first.claims)
    const routes = (snapshot: Snapshot) => new Map([...snapshot.routes].map(([key, route]) => [`${key}`, route]))
    expect(routes(second).get('TCP/10.0.0.2:80')).toBe(routes(first).get('TCP/10.0.0.2:80'))
    expect(
      routes(second)
        .get('TCP/10.0.0.1:80')
        ?.endpoints.map(({ key }) => key),
    ).toEqual(['10.1.0.2:8080/TCP'])
  })
})
