import { describe, expect, it } from 'vitest'
import { parseOptions, selectNamed, UsageError } from '../../bench/options.ts'

const ALL = ['keep-alive', 'keep-alive-2-workers', 'bulk-1', 'bulk-8'].map((name) => ({ name }))
const select = (...wanted: string[]) => selectNamed('scenario', ALL, wanted).map(({ name }) => name)

describe('options', () => {
  it('have defaults of five rounds of five seconds over everything', () => {
    expect(parseOptions([])).toMatchObject({
      rounds: 5,
      seconds: 5,
      warmupSeconds: 4,
      scenarios: [],
      subjects: [],
      rate: undefined,
    })
  })
  it('take lists by repetition, by commas and as arguments', () => {
    const options = parseOptions(['--scenario', 'a,b', '--scenario', 'c', '--subject', 'x,y', 'd'])
    expect(options.scenarios).toEqual(['a', 'b', 'c', 'd'])
    expect(options.subjects).toEqual(['x', 'y'])
  })
  it.each([['--rounds', '0'], ['--seconds', 'abc'], ['--rate', '-1'], ['--nonsense']])('refuse %s %s', (...argv) => {
    expect(() => parseOptions(argv)).toThrow(UsageError)
  })
})

describe('selection by name', () => {
  it('is everything when nothing is asked for', () => {
    expect(select()).toHaveLength(ALL.length)
  })
  it('takes an exact name alone, even where others begin with it', () => {
    expect(select('keep-alive')).toEqual(['keep-alive'])
  })
  it('takes all of a kind by its first part, in their own order', () => {
    expect(select('bulk', 'keep-alive')).toEqual(['keep-alive', 'bulk-1', 'bulk-8'])
  })
  it('names what there is when a name is unknown', () => {
    expect(() => select('bulk', 'sctp')).toThrow('no scenario "sctp"; there are keep-alive, keep-alive-2-workers, bulk-1, bulk-8')
  })
})
