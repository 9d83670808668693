import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseAgentAnswer } from '../../src/health/agent-answer.ts'

describe('the answer of an agent', () => {
  it.each([
    ['75%\n', { percent: 75 }],
    ['0%', { percent: 0 }],
    ['100%\r\n', { percent: 100 }],
    ['up\n', { down: false }],
    ['UP\n', { down: false }],
    ['ready\n', { down: false, percent: 100 }],
    ['drain\n', { percent: 0 }],
    ['down\n', { down: true }],
    ['maint\n', { down: true }],
    ['stopped', { down: true }],
    ['failed#disk full\n', { down: true, reason: 'disk full' }],
    ['fail # disk # full \nmore', { down: true, reason: 'disk # full' }],
    ['up 30%\n', { down: false, percent: 30 }],
    ['ready,20%', { down: false, percent: 20 }],
    ['down#\x1b[31mred\x07', { down: true, reason: '[31mred' }],
    [`down#${'x'.repeat(200)}`, { down: true, reason: 'x'.repeat(80) }],
  ])('%j is understood', (text, answer) => {
    expect(parseAgentAnswer(text)).toEqual(answer)
  })

  it.each(['', '\n', '#why', '101%', '-1%', '5', '50 %', '1e1%', 'upp', 'up sideways', 'maxconn:5', 'HTTP/1.1 400 Bad Request'])(
    '%j makes no sense, and none of it counts',
    (text) => {
      expect(parseAgentAnswer(text)).toBeUndefined()
    },
  )

  it('is safe to read, whatever it is', () => {
    const words = fc.constantFrom('up', 'down', 'drain', 'ready', '5%', '100%', '%', '#', ' ', ',', '\n', '\0')
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.array(words, { maxLength: 12 }).map((all) => all.join('')),
    )
    fc.assert(
      fc.property(texts, (text) => {
        const answer = parseAgentAnswer(text)
        if (answer?.percent !== undefined) expect(answer.percent >= 0 && answer.percent <= 100).toBe(true)
        expect(answer?.reason ?? '').toMatch(/^[\x20-\x7e]{0,80}$/)
        if (answer) expect(answer.percent !== undefined || answer.down !== undefined).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })
})
