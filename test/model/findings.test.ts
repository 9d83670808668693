import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Findings, locate, placeFindings, showPath } from '../../src/model/findings.ts'
import { showProblem, showValue } from '../../src/model/problem.ts'

describe('a field’s path', () => {
  it('is written as one would in a program', () => {
    expect(showPath([])).toBe('')
    expect(showPath(['spec', 'ports', 0, 'port'])).toBe('spec.ports[0].port')
    expect(showPath(['metadata', 'annotations', 'portald.io/attempts'])).toBe('metadata.annotations["portald.io/attempts"]')
    expect(showPath([3, 'a b', 0])).toBe('[3]["a b"][0]')
  })
})

describe('a field’s line', () => {
  // Numbers of the parts as they open:  0         1              2            3   4   5            6
  const value = { kind: 'X', metadata: { labels: { a: 'b' } }, ports: [{}, { name: 'x' }], last: [] }
  const origin = { place: 'a.yaml', line: 10, lines: Uint32Array.of(10, 12, 13, 20, 21, 25, 30) }

  it.each([
    [[], 10],
    [['kind'], 10],
    [['missing', 'deeper'], 10],
    [['metadata'], 12],
    [['metadata', 'labels', 'a'], 13],
    [['ports'], 20],
    [['ports', 0, 'port'], 21],
    [['ports', 1, 'name'], 25],
    [['ports', 7], 20],
    [['last', 0], 30],
  ])('is that of the innermost part that has one: %j is line %d', (path, line) => {
    expect(locate(origin, value, path)).toBe(`a.yaml:${line}`)
  })

  it('is that of the object where the lines of its parts are not known', () => {
    expect(locate({ place: 'a.yaml', line: 10, lines: undefined }, value, ['ports', 0])).toBe('a.yaml:10')
    expect(locate({ ...origin, lines: Uint32Array.of(10, 12) }, value, ['ports', 0])).toBe('a.yaml:10')
  })

  it('is that of the part around it where its own is 0', () => {
    expect(locate({ ...origin, lines: Uint32Array.of(10, 12, 13, 20, 0, 25, 30) }, value, ['ports', 0])).toBe('a.yaml:20')
  })

  it('is left out where lines have no meaning', () => {
    expect(locate({ place: 'kube', line: 0, lines: undefined }, value, ['ports', 0])).toBe('kube')
  })

  it('counts a part that is there twice where it stands first', () => {
    const shared = { x: [1] }
    const twice = { first: shared, second: shared, third: {} }
    const lines = { place: 'a.yaml', line: 1, lines: Uint32Array.of(1, 2, 3, 9) }
    expect(locate(lines, twice, ['second', 'x', 0])).toBe('a.yaml:3')
    expect(locate(lines, twice, ['third'])).toBe('a.yaml:9')
  })

  it('does not count what is one scalar in YAML', () => {
    const scalars = { time: new Date(0), bytes: new Uint8Array(2), last: {} }
    expect(locate({ place: 'a.yaml', line: 1, lines: Uint32Array.of(1, 7) }, scalars, ['last'])).toBe('a.yaml:7')
  })

  it('is found in parts that contain themselves or are nested very deeply', () => {
    const self: { part?: unknown } = {}
    self.part = self
    expect(locate({ place: 'a.yaml', line: 4, lines: Uint32Array.of(4) }, self, ['part', 'part', 'other'])).toBe('a.yaml:4')
    let deep: unknown = []
    for (let depth = 0; depth < 100_000; depth++) deep = [deep]
    expect(locate({ place: 'a.yaml', line: 4, lines: Uint32Array.of(4, 5) }, deep, [0])).toBe('a.yaml:5')
  })
})

describe('findings', () => {
  it('say file, line, object, field, value and what would be right', () => {
    const findings = new Findings()
    findings.reject('port-range', ['spec', 'ports', 0, 'port'], 0, 'must be a whole number from 1 to 65535')
    const [problem] = placeFindings(findings.list(), 'Service default/web', { place: 'a.yaml', line: 3, lines: undefined }, {})
    expect(problem && showProblem(problem)).toBe(
      'a.yaml:3: error: Service default/web spec.ports[0].port: 0: must be a whole number from 1 to 65535',
    )
  })

  it('are counted when they are too many to read', () => {
    const findings = new Findings()
    for (let index = 0; index < 250; index++) findings.warn('x', [index], index, 'is wrong')
    expect(findings.list()).toHaveLength(101)
    expect(findings.list().at(-1)?.message).toBe('has 150 more problems, which are not shown')
    expect(findings.rejected).toBe(false)
    findings.reject('x', [], 0, 'is wrong')
    expect(findings.rejected).toBe(true)
  })
})

describe('a value in a problem', () => {
  it('is one line of JSON, cut when long', () => {
    expect(showValue({ a: ['x\ny', 1, null] })).toBe('{"a":["x\\ny",1,null]}')
    expect(showValue('x'.repeat(500))).toBe(`"${'x'.repeat(78)}…`)
    expect(showValue(undefined)).toBe('')
  })

  it('begins as its JSON does, whatever it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const json = JSON.stringify(value)
        expect(showValue(value)).toBe(json.length > 80 ? `${json.slice(0, 79)}…` : json)
      }),
    )
    fc.assert(fc.property(fc.anything({ withNullPrototype: true, withBigInt: true }), (value) => void showValue(value)))
  })

  it('does not unfold what unfolds to gigabytes', () => {
    let bomb: unknown = ['boom']
    for (let level = 0; level < 30; level++) bomb = [bomb, bomb, bomb, bomb]
    expect(showValue(bomb)).toHaveLength(80)
  })
})
