import { describe, expect, it } from 'vitest'
import { fileProblem } from '../../src/source/file-problem.ts'
import { mergeStates } from '../../src/source/merge.ts'
import type { SourceState } from '../../src/source/source.ts'

const object = (place: string) => ({ value: { place }, origin: { place, line: 1, lines: undefined } })

const state = (version: string, places: string[], more: Partial<SourceState> = {}): SourceState => {
  return { version, synced: true, objects: places.map(object), problems: [], readAtMs: 1, ...more }
}

describe('merged states', () => {
  it('hold the objects and problems of all sources in the order of the sources', () => {
    const [first, second] = ['a', 'b'].map((place) => fileProblem('error', 'file-missing', place, 'no such file or folder'))
    const a = state('1', ['z', 'a'], { problems: first ? [first] : [], readAtMs: 5 })
    const b = state('2', ['m'], { problems: second ? [second] : [], readAtMs: 3 })
    const merged = mergeStates([a, b])
    expect(merged.objects).toEqual([...a.objects, ...b.objects])
    expect(merged.objects[0]).toBe(a.objects[0])
    expect(merged.problems).toEqual([first, second])
    expect(merged).toMatchObject({ synced: true, readAtMs: 5 })
  })

  it('are synced once every source is', () => {
    expect(mergeStates([]).synced).toBe(true)
    expect(mergeStates([state('1', [])]).synced).toBe(true)
    expect(mergeStates([state('1', []), undefined]).synced).toBe(false)
    expect(mergeStates([state('1', []), state('1', [], { synced: false })]).synced).toBe(false)
  })

  it('change their version with each of them', () => {
    const versions = [
      ['1', '2'],
      ['2', '1'],
      ['1', '3'],
      ['12', ''],
      ['', '12'],
    ].map((pair) => {
      return mergeStates(pair.map((version) => (version ? state(version, []) : undefined))).version
    })
    expect(new Set(versions).size).toBe(5)
    expect(mergeStates([state('7', [])]).version).toBe('7')
  })
})
