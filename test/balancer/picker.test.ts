import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pickAgain } from '../../src/balancer/picker.ts'
import type { Tried } from '../../src/model/session.ts'
import { someEndpoints } from '../support/picker-world.ts'

const endpoints = someEndpoints(3)

/** Attempts in short: `0r 1t` is position 0 refused, then position 1 timed out. */
function tried(attempts: string): Tried[] {
  return attempts
    .split(' ')
    .filter((attempt) => attempt !== '')
    .map((attempt) => ({
      lease: endpoints[Number(attempt[0])]?.slot ?? -1,
      end: attempt[1] === 'r' ? 'connect-refused' : 'connect-timeout',
    }))
}

/** The positions tried when every attempt ends as `ends` says for its endpoint, until nothing is left or `most` attempts. */
function play(ends: string, most: number): string {
  const attempts: string[] = []
  for (let n = 0; n < ends.length; n++) attempts.push(`${n}${ends[n]}`)
  while (attempts.length < most) {
    const position = pickAgain(endpoints.slice(0, ends.length), tried(attempts.join(' ')))
    if (position < 0) break
    attempts.push(`${position}${ends[position]}`)
  }
  return attempts.join(' ')
}

describe('trying again, when every endpoint was tried', () => {
  it('gives a single endpoint that times out every attempt there is', () => {
    expect(play('t', 4)).toBe('0t 0t 0t 0t')
  })

  it('gives a single endpoint that refuses one more attempt', () => {
    expect(play('r', 4)).toBe('0r 0r')
  })

  it('goes through those that timed out in the order they were tried in', () => {
    expect(play('ttt', 8)).toBe('0t 1t 2t 0t 1t 2t 0t 1t')
    expect(pickAgain(endpoints, tried('2t 0t 1t'))).toBe(2)
  })

  it('goes through those that refused once more each, in order', () => {
    expect(play('rrr', 10)).toBe('0r 1r 2r 0r 1r 2r')
  })

  it('prefers those that timed out to those that refused', () => {
    expect(pickAgain(endpoints, tried('0r 1t 2r'))).toBe(1)
    expect(pickAgain(endpoints, tried('0t 1r 2t'))).toBe(0)
  })

  it('goes by what happened last to an endpoint', () => {
    expect(pickAgain(endpoints.slice(0, 2), tried('0t 1t 0r'))).toBe(1)
    expect(pickAgain(endpoints.slice(0, 2), tried('0r 1r 0t'))).toBe(1)
    expect(pickAgain(endpoints.slice(0, 2), tried('0r 1r 0t 1t'))).toBe(0)
  })

  it('gives one that refused its second attempt before another has a third', () => {
    expect(play('tr', 6)).toBe('0t 1r 0t 1r 0t 0t')
  })

  it('passes over endpoints that left meanwhile', () => {
    expect(pickAgain(endpoints.slice(1), tried('0t 1r 2r'))).toBe(0)
    expect(pickAgain([], tried('0t'))).toBe(-1)
  })

  it('never tries an endpoint that refused twice', () => {
    const attempt = fc.tuple(fc.constantFrom('0', '1', '2'), fc.constantFrom('r', 't')).map((parts) => parts.join(''))
    fc.assert(
      fc.property(fc.array(attempt, { maxLength: 8 }), (attempts) => {
        const position = pickAgain(endpoints, tried(attempts.join(' ')))
        expect(attempts.filter((one) => one === `${position}r`).length).toBeLessThan(2)
      }),
    )
  })
})
