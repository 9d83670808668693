import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDuration, showDuration } from '../../src/lib/duration.ts'

describe('duration', () => {
  it.each([
    ['250ms', 250],
    ['1h30m', 5_400_000],
    ['1.5s', 1500],
    ['2.3s', 2300],
    ['.5s', 500],
    ['1h0m0s', 3_600_000],
    ['30m1h', 5_400_000],
    ['500us', 0.5],
    ['500µs', 0.5],
    ['500μs', 0.5],
    ['1ns', 0.000001],
  ])('reads Go’s %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each([
    ['30', 30_000],
    ['1.5', 1500],
    ['0', 0],
    ['0s', 0],
  ])('reads the bare number %s as seconds', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each([
    '',
    ' ',
    'h',
    '1d',
    '-1s',
    '+1s',
    '1 s',
    '1s ',
    '1h30',
    'ms',
    '1..5s',
    '1e3',
    '0x10',
    '.',
    '.s',
    'Infinity',
    '9999999h',
  ])('refuses %j', (text) => {
    expect(parseDuration(text)).toBeUndefined()
  })

  it.each([
    [0, '0s'],
    [-5, '0s'],
    [250, '250ms'],
    [0.5, '0.5ms'],
    [1000, '1s'],
    [1500, '1.5s'],
    [60_000, '1m'],
    [90_000, '1m30s'],
    [5_400_000, '1h30m'],
    [3_600_001, '1h0.001s'],
  ])('shows %d ms as %s', (ms, text) => {
    expect(showDuration(ms)).toBe(text)
  })

  it('reads back what it shows', () => {
    const whole = fc.integer({ min: 0, max: 2 ** 40 })
    fc.assert(fc.property(whole, (ms) => parseDuration(showDuration(ms)) === ms))
    fc.assert(fc.property(fc.integer({ min: 0, max: 10_000_000 }), (us) => parseDuration(showDuration(us / 1000)) === us / 1000))
  })

  it('never fails on any text', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseDuration(text)))
  })
})
