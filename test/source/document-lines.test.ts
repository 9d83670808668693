import fc from 'fast-check'
import { dump } from 'js-yaml'
import { describe, expect, it } from 'vitest'
import { type FoundObject, parseDocuments } from '../../src/source/documents.ts'

function objectsOf(text: string, place = 'a.yaml'): readonly FoundObject[] {
  const documents = parseDocuments(text, place)
  if ('problem' in documents) throw new Error(`${documents.problem.place}: ${documents.problem.message}`)
  return documents.objects
}

function linesOf(text: string, place = 'a.yaml'): { line: number; lines: number[] | undefined }[] {
  return objectsOf(text, place).map(({ line, lines }) => ({ line, lines: lines && [...lines] }))
}

/** Containers in the order of a walk: what `lines` is numbered by. */
function containersOf(value: unknown): object[] {
  if (typeof value !== 'object' || value === null) return []
  return [value, ...Object.values(value).flatMap(containersOf)]
}

describe('the lines of an object', () => {
  it('are those on which its mappings and sequences open', () => {
    const text = [
      '# a Service', //                        1
      'apiVersion: v1', //                     2  the object
      'kind: Service',
      'metadata:',
      '  name: web', //                        5  metadata
      'spec:',
      '',
      '  clusterIP: 10.0.0.1', //              8  spec
      '  ports:',
      '  # http', //
      '  - name: http', //                     11 ports and ports[0]
      '    port: 80',
      '  -', //
      '    name: https', //                    14 ports[1]
      '    port: 443',
      '  externalIPs: [1.1.1.1,', //           16
      '    2.2.2.2]',
      '  selector: {', //                      18
      '    app: web }',
      '',
    ].join('\n')
    expect(linesOf(text)).toEqual([{ line: 2, lines: [2, 5, 8, 11, 11, 14, 16, 18] }])
  })

  it('are counted from the top of the file in every document', () => {
    const one = 'apiVersion: v1\nkind: X\na:\n- 1\n'
    expect(linesOf(`---\n${one}---\n# words\n---\n\n${one}`)).toEqual([
      { line: 2, lines: [2, 5] },
      { line: 10, lines: [10, 13] },
    ])
    for (const end of ['\r\n', '\r']) {
      expect(linesOf(`${one}---\n${one}`.replaceAll('\n', end)).map((it) => it.lines)).toEqual([
        [1, 4],
        [6, 9],
      ])
    }
    expect(linesOf(`\u{feff}# mark\n${one}`)).toEqual([{ line: 2, lines: [2, 5] }])
  })

  it('stand on the right line after anchors, tags, explicit keys and every kind of scalar', () => {
    const text = [
      'apiVersion: v1', //       1
      'kind: X',
      'literal: |',
      '  - no: sequence',
      '  {',
      'folded: >-',
      '  [',
      'quoted: "a',
      '  {b"',
      'anchored: &a', //
      '  x: 1', //               11
      'tagged: !!map', //
      '  y: [!!str 5]', //       13 twice
      '? explicit', //
      ': z: 1', //              15
      'compact:', //
      '- - a', //               17 twice
      '  - b: c', //            18
      'pair: [k: v]', //        19 twice
      'alias: *a', //           as line 11
      'last: {}', //            21
    ].join('\n')
    expect(linesOf(text)[0]?.lines).toEqual([1, 11, 13, 13, 15, 17, 17, 18, 19, 19, 21])
  })

  it('point to the anchor where a value came by an alias, once', () => {
    const text = 'apiVersion: v1\nkind: X\nbase: &b\n  inner: {}\nsame: *b\nmerged:\n  <<: *b\n  own: {}\n'
    const [object] = objectsOf(text)
    expect(JSON.stringify(object?.value)).toContain('"merged":{"inner":{},"own":{}}')
    expect([...(object?.lines ?? [])]).toEqual([1, 4, 4, 7, 8])
  })

  it('follow the order of the value where JavaScript reorders keys', () => {
    const yaml = 'apiVersion: v1\nkind: X\nports:\n  b: {}\n  10: {}\n  9: {}\n'
    expect(linesOf(yaml)[0]?.lines).toEqual([1, 4, 6, 5, 4])
    const json = '{"apiVersion": "v1",\n"kind": "X",\n"ports": {\n"b": {},\n"10": {},\n"9": {}}}'
    expect(linesOf(json, 'a.json')[0]?.lines).toEqual([1, 3, 6, 5, 4])
  })

  it('belong to each item of a list by itself', () => {
    const text = [
      'kind: List',
      'apiVersion: v1',
      'items:',
      '- kind: X',
      '  apiVersion: v1',
      '  a: {}',
      '- {kind: X, apiVersion: v1,',
      '   a: [{}]}',
    ]
    expect(linesOf(text.join('\n'))).toEqual([
      { line: 4, lines: [4, 6] },
      { line: 7, lines: [7, 8, 8] },
    ])
    const bare = '{"kind":"ServiceList","apiVersion":"v1","items":[\n{"spec":\n{"ports":[\n{}]}},\n{"spec":{}}]}'
    expect(linesOf(bare, 'a.json')).toEqual([
      { line: 2, lines: [2, 3, 3, 4] },
      { line: 5, lines: [5, 5] },
    ])
  })

  it('are not guessed where a tag makes a container out of nothing', () => {
    const [object] = objectsOf('apiVersion: v1\nkind: X\na: !!map\nb: {}\n')
    expect(object).toMatchObject({ value: { a: {}, b: {} }, line: 1, lines: undefined })
  })
})

describe('the lines of any object', () => {
  /** A value in which every container begins with a mark of its own, so that its line can be looked up in the text. */
  const key = fc.stringMatching(/^[a-z]{1,5}$/).filter((name) => name !== 'mark')
  const { value: anyValue } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.oneof(
        fc.constantFrom('a', '- b', '{', '[', 'x: y', '"', "'", '#', 'two\nlines', ' ', '', 'a\\"b'),
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
      ),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(key, tie('value'), { maxKeys: 4 }),
    ),
  }))
  const anyObject = fc.dictionary(key, anyValue, { maxKeys: 5 }).map((object) => {
    let marks = 0
    const markAll = (value: unknown): unknown => {
      if (typeof value !== 'object' || value === null) return value
      const mark = `mark${marks++}.`
      if (Array.isArray(value)) return [mark, ...value.map(markAll)]
      return { mark, ...Object.fromEntries(Object.entries(value).map(([name, child]) => [name, markAll(child)])) }
    }
    return markAll({ apiVersion: 'v1', kind: 'X', ...object }) as object
  })

  const markedLines = (text: string, value: object, above: number): number[] => {
    const rows = text.split('\n')
    return containersOf(value).map((_, index) => 1 - above + rows.findIndex((row) => row.includes(`mark${index}.`)))
  }

  it('are found in YAML', () => {
    fc.assert(
      fc.property(fc.array(anyObject, { minLength: 1, maxLength: 3 }), (values) => {
        let above = 0
        const texts = values.map((value) => dump(value, { noRefs: true, lineWidth: -1 }))
        const expected = texts.map((text, index) => {
          const lines = markedLines(text, values[index] ?? {}, -above)
          above += text.split('\n').length
          return lines
        })
        const found = objectsOf(texts.join('---\n'))
        expect(found.map((object) => object.value)).toEqual(values)
        expect(found.map((object) => [...(object.lines ?? [])])).toEqual(expected)
        expect(found.map((object) => object.line)).toEqual(expected.map(([first]) => first))
      }),
      { numRuns: 300 },
    )
  })

  it('are found in JSON', () => {
    fc.assert(
      fc.property(fc.array(anyObject, { minLength: 1, maxLength: 3 }), (items) => {
        const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, null, 2)
        const found = objectsOf(text, 'a.json')
        expect(found.map((object) => object.value)).toEqual(items)
        const rows = text.split('\n')
        for (const object of found) {
          for (const [index, container] of containersOf(object.value).entries()) {
            const row = rows[(object.lines?.[index] ?? 0) - 1] ?? ''
            expect(row.trim()).toMatch(Array.isArray(container) ? /\[$/ : /\{$/)
          }
          expect(object.lines).toHaveLength(containersOf(object.value).length)
          expect(object.lines).toEqual(object.lines?.toSorted())
          expect(new Set(object.lines)).toHaveLength(object.lines?.length ?? 0)
        }
      }),
      { numRuns: 300 },
    )
  })
})
