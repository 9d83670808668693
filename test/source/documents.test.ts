import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Problem } from '../../src/model/problem.ts'
import { type FoundObject, parseDocuments } from '../../src/source/documents.ts'

function objectsOf(text: string, place = 'a.yaml'): readonly FoundObject[] {
  const documents = parseDocuments(text, place)
  if ('problem' in documents) throw new Error(`${documents.problem.place}: ${documents.problem.message}`)
  return documents.objects
}

function valuesOf(text: string, place = 'a.yaml'): unknown[] {
  return objectsOf(text, place).map((object) => object.value)
}

function problemOf(text: string, place = 'a.yaml'): Problem {
  const documents = parseDocuments(text, place)
  if ('objects' in documents) throw new Error(`no problem: ${JSON.stringify(documents.objects)}`)
  return documents.problem
}

const WEB = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' } }
const API = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'api' } }
const WEB_YAML = 'apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n'
const API_YAML = WEB_YAML.replace('web', 'api')

describe('the documents of a file', () => {
  it('are read from YAML, one or several', () => {
    expect(valuesOf(WEB_YAML)).toEqual([WEB])
    expect(valuesOf(`${WEB_YAML}---\n${API_YAML}`)).toEqual([WEB, API])
    expect(valuesOf(`%YAML 1.2\n---\n${WEB_YAML}...\n---\n${API_YAML}`)).toEqual([WEB, API])
  })

  it('are read from JSON, by name or by how the text begins', () => {
    const json = JSON.stringify(WEB, null, 2)
    expect(valuesOf(json, 'a.json')).toEqual([WEB])
    expect(valuesOf(`\n  ${json}`, 'a.yaml')).toEqual([WEB])
    expect(valuesOf(json.replaceAll('  ', '\t'), 'a.yml')).toEqual([WEB])
  })

  it('may be YAML that only begins like JSON', () => {
    expect(valuesOf('{apiVersion: v1, kind: Service, metadata: {name: web}}')).toEqual([WEB])
    expect(valuesOf(`${JSON.stringify(WEB)}\n---\n${JSON.stringify(API)}\n`)).toEqual([WEB, API])
  })

  it('are nothing where there is nothing between the separators', () => {
    for (const text of ['', '\n', '# only words\n', '---\n', '---\n---\n# words\n---\n', 'null\n', '~', '\u{feff}']) {
      expect(valuesOf(text)).toEqual([])
    }
    expect(valuesOf(`---\n---\n${WEB_YAML}---\n`)).toEqual([WEB])
  })

  it('may begin with a byte order mark and end their lines in any way', () => {
    expect(valuesOf(`\u{feff}${WEB_YAML}`)).toEqual([WEB])
    expect(valuesOf(`\u{feff}${JSON.stringify(WEB)}`, 'a.json')).toEqual([WEB])
    expect(valuesOf(`${WEB_YAML}---\n${API_YAML}`.replaceAll('\n', '\r\n'))).toEqual([WEB, API])
  })

  it('follow YAML 1.2: on, yes and 010 are not what they were in 1.1', () => {
    const [value] = valuesOf('apiVersion: v1\nkind: X\na: [on, yes, n, 0o10, 1_000, true, ~, 2020-01-01, 1e3]\n')
    expect(value).toMatchObject({ a: ['on', 'yes', 'n', 8, '1_000', true, null, '2020-01-01', 1000] })
  })

  it('may use anchors, aliases and merge keys', () => {
    const [value] = valuesOf('apiVersion: v1\nkind: X\nbase: &b {port: 80, name: a}\nsame: *b\nmerged:\n  <<: *b\n  name: c\n')
    expect(value).toMatchObject({ same: { port: 80, name: 'a' }, merged: { port: 80, name: 'c' } })
  })

  it('keep a key named __proto__ as a key', () => {
    for (const text of [
      '{"apiVersion":"v1","kind":"X","__proto__":{"polluted":1}}',
      'apiVersion: v1\nkind: X\n__proto__: {polluted: 1}\n',
    ]) {
      const [value] = valuesOf(text)
      expect(Object.keys(value as object)).toContain('__proto__')
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
      expect({}).not.toHaveProperty('polluted')
    }
  })
})

describe('lists', () => {
  it('are taken apart, lists in lists too', () => {
    const list = { apiVersion: 'v1', kind: 'List', items: [WEB, { apiVersion: 'v1', kind: 'List', items: [API] }] }
    expect(valuesOf(JSON.stringify(list))).toEqual([WEB, API])
  })

  it('of one kind lend it to items that do not say theirs', () => {
    const bare = { metadata: { name: 'x' } }
    const listed = (apiVersion: string, kind: string) => valuesOf(JSON.stringify({ apiVersion, kind, items: [bare] }))
    expect(listed('v1', 'ServiceList')).toEqual([{ apiVersion: 'v1', kind: 'Service', ...bare }])
    expect(listed('v1', 'EndpointsList')).toEqual([{ apiVersion: 'v1', kind: 'Endpoints', ...bare }])
    const slice = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', ...bare }
    expect(listed('discovery.k8s.io/v1', 'EndpointSliceList')).toEqual([slice])
  })

  it('without items mean nothing', () => {
    for (const items of ['', 'items:\n', 'items: []\n']) expect(valuesOf(`apiVersion: v1\nkind: List\n${items}`)).toEqual([])
  })

  it('of other kinds are left as they are', () => {
    const pods = { apiVersion: 'v1', kind: 'PodList', items: [{}] }
    expect(valuesOf(JSON.stringify(pods))).toEqual([pods])
  })

  it('must hold objects in a sequence', () => {
    expect(problemOf('apiVersion: v1\nkind: List\nitems: {}\n')).toMatchObject({ code: 'not-a-list', place: 'a.yaml:1' })
    expect(problemOf('apiVersion: v1\nkind: List\nitems:\n- text\n')).toMatchObject({ code: 'not-an-object', place: 'a.yaml:4' })
    expect(problemOf('apiVersion: v1\nkind: List\nitems:\n- {}\n- {}\n')).toMatchObject({ code: 'no-kind', place: 'a.yaml:4' })
  })
})

describe('a file that cannot be used', () => {
  it('names the line and column of a YAML error', () => {
    expect(problemOf(`${WEB_YAML}spec: {ports: [\n`)).toMatchObject({
      severity: 'error',
      code: 'yaml-syntax',
      place: 'a.yaml:6:1',
    })
    const tab = problemOf('apiVersion: v1\nkind: Service\nmetadata:\n\tname: web\n')
    expect(tab.place).toMatch(/^a\.yaml:4:/)
    expect(tab.message).toMatch(/^not valid YAML: .*tab/)
  })

  it('says where JSON breaks off, in each way that V8 words it', () => {
    expect(problemOf('{\n "a": 1,\n}', 'a.json')).toMatchObject({ code: 'json-syntax', place: 'a.json:3:1' })
    expect(problemOf('{\n "a": [1,\n', 'a.json')).toMatchObject({ code: 'json-syntax', place: 'a.json:3' })
    expect(problemOf('{"a":1}\n{"b":2}', 'a.json')).toMatchObject({ code: 'json-syntax', place: 'a.json:2:1' })
    expect(problemOf('{"a":\n @}', 'a.json')).toMatchObject({ code: 'json-syntax', place: 'a.json:2:2' })
    expect(problemOf('', 'a.json')).toMatchObject({ code: 'json-syntax' })
    expect(problemOf('{"a":\ntru}', 'a.json').message).not.toContain('\n')
  })

  it('has a key twice', () => {
    expect(problemOf(`${WEB_YAML}kind: Service\n`)).toMatchObject({ code: 'yaml-syntax', place: 'a.yaml:5:1' })
    const json = '{"apiVersion":"v1","kind":"X",\n"spec":{"a":1},\n"spec":{}}'
    for (const place of ['a.json', 'a.yaml']) expect(problemOf(json, place).place).toMatch(/^a\.(json|yaml):3:/)
  })

  it('holds a document that does not say what it is', () => {
    expect(problemOf(`${WEB_YAML}---\n# words\nmetadata: {name: x}\n`)).toMatchObject({ code: 'no-kind', place: 'a.yaml:7' })
    expect(problemOf('kind: Service\n')).toMatchObject({ code: 'no-kind', place: 'a.yaml:1' })
    expect(problemOf('apiVersion: v1\nkind: 5\n')).toMatchObject({ code: 'no-kind' })
    expect(problemOf('[]', 'a.json')).toMatchObject({ code: 'not-an-object', place: 'a.json:1' })
    expect(problemOf('\n\nwords\n')).toMatchObject({ code: 'not-an-object', place: 'a.yaml:3' })
    expect(problemOf('3', 'a.json')).toMatchObject({ code: 'not-an-object', place: 'a.json' })
  })

  it('is binary', () => {
    expect(problemOf('\u{7f}ELF\0\0')).toMatchObject({ code: 'file-binary', place: 'a.yaml' })
    expect(problemOf('\u{7f}ELF\u{1}\u{2}')).toMatchObject({ code: 'yaml-syntax' })
  })

  it('unfolds to more than anyone can hold', () => {
    const levels = Array.from(
      { length: 9 },
      (_, level) => `l${level + 1}: &l${level + 1} [${Array(9).fill(`*l${level}`).join()}]`,
    )
    const bomb = `apiVersion: v1\nkind: X\nl0: &l0 [lol]\n${levels.join('\n')}\n`
    const problem = problemOf(bomb)
    expect(problem.code).toBe('alias-bomb')
    expect(problem.place).toMatch(/^a\.yaml:\d+:\d+$/)
    const keys = Array.from({ length: 30 }, (_, level) => `m${level + 1}: &m${level + 1} {a: *m${level}, b: *m${level}}`)
    expect(problemOf(`apiVersion: v1\nkind: X\nm0: &m0 {x: 1}\n${keys.join('\n')}\n`).code).toBe('alias-bomb')
    const text = `apiVersion: v1\nkind: X\na: &a ${'x'.repeat(100_000)}\nb: [${Array(1_000).fill('*a').join()}]\n`
    expect(problemOf(text).code).toBe('alias-bomb')
  })

  it('contains itself', () => {
    expect(problemOf('apiVersion: v1\nkind: X\na: &a [*a]\n')).toMatchObject({ code: 'alias-loop', place: 'a.yaml:3:9' })
    expect(problemOf('&root\napiVersion: v1\nkind: X\na: *root\n')).toMatchObject({ code: 'alias-loop' })
  })

  it('is nested too deep, aliases counted', () => {
    const deep = (levels: number) => `{"apiVersion":"v1","kind":"X","a":${'['.repeat(levels)}${']'.repeat(levels)}}`
    expect(valuesOf(deep(99))).toHaveLength(1)
    expect(problemOf(deep(100))).toMatchObject({ code: 'too-deep', place: 'a.yaml:1' })
    expect(problemOf(deep(1_000_000)).severity).toBe('error')
    expect(problemOf(`a: ${'['.repeat(1_000_000)}`)).toMatchObject({ code: 'yaml-syntax' })
    const half = `${'['.repeat(60)}x${']'.repeat(60)}`
    const both = `apiVersion: v1\nkind: X\na: &a ${half}\nb: ${half.replace('x', '*a')}\n`
    expect(problemOf(both)).toMatchObject({ code: 'too-deep', place: 'a.yaml:4:65' })
  })

  it('names an alias that nothing is anchored to', () => {
    expect(problemOf('apiVersion: v1\nkind: X\na: *b\n')).toMatchObject({ code: 'yaml-syntax', place: 'a.yaml:3:5' })
  })
})

describe('any text', () => {
  it('gives objects or a problem, never an exception', () => {
    const piece = fc.constantFrom(
      ...'{}[]:,-#&*!|>\'"%@`?~<=\\ \n\r\t\0',
      'a',
      '<<',
      'kind',
      '---',
      '...',
      'apiVersion: v1\nkind: X\n',
      '&a',
      '*a',
      '!!map',
      '"\\u',
      '\u{feff}',
      '\ud800',
      '1',
    )
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.array(piece, { maxLength: 40 }).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(text, fc.constantFrom('a.yaml', 'a.json'), (input, place) => {
        const documents = parseDocuments(input, place)
        if ('objects' in documents) return documents.objects.every((object) => object.line >= 0)
        expect(documents.problem.message).toMatch(/^[^\n]+$/)
        return true
      }),
      { numRuns: 3_000 },
    )
  })
})
