import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RiseFall } from '../../src/health/rise-fall.ts'

const RULE = { rise: 2, fall: 3 }

/** What is told after each answer: `+` good, `-` bad. */
function states(answers: string, rule = RULE): string {
  const state = new RiseFall()
  return [...answers]
    .map((answer) => {
      state.note(answer === '+', rule)
      return state.down ? 'd' : 'u'
    })
    .join('')
}

describe('rise and fall', () => {
  it('takes so many answers of one kind in a row', () => {
    expect(states('+---')).toBe('uuud')
    expect(states('+--+--+---')).toBe('uuuuuuuuud')
    expect(states('+---++')).toBe('uuuddu')
    expect(states('+---+-+-++')).toBe('uuuddddddu')
  })

  it('believes the very first answer', () => {
    expect(states('-')).toBe('d')
    expect(states('-++')).toBe('ddu')
  })

  it('is in doubt until something is known, and while the last answer says otherwise', () => {
    const state = new RiseFall()
    expect(state.inDoubt).toBe(true)
    const doubts = [...'+--+---+-++'].map((answer) => {
      state.note(answer === '+', RULE)
      return state.inDoubt ? '?' : '.'
    })
    expect(doubts.join('')).toBe('.??.??.?.?.')
  })

  it('tells of every turn, but not that an endpoint is up that nothing was known of', () => {
    const turns = (answers: string) => {
      const state = new RiseFall()
      return [...answers].map((answer) => (state.note(answer === '+', RULE) ? '!' : '.')).join('')
    }
    expect(turns('+---++')).toBe('...!.!')
    expect(turns('-++')).toBe('!.!')
  })

  it('turns only as the last answers say, whatever they are', () => {
    const answers = fc.array(fc.boolean(), { minLength: 1, maxLength: 40 })
    const some = fc.integer({ min: 1, max: 5 })
    fc.assert(
      fc.property(answers, some, some, (given, rise, fall) => {
        const state = new RiseFall()
        let before = false
        for (const [n, good] of given.entries()) {
          const told = state.note(good, { rise, fall })
          expect(told).toBe(state.down !== before)
          if (told && n > 0) expect(given.slice(Math.max(0, n + 1 - (good ? rise : fall)), n + 1)).not.toContain(!good)
          before = state.down
        }
      }),
    )
  })
})
