import { describe, expect, it } from 'vitest'
import { nearest } from '../../src/lib/nearest.ts'

describe('nearest', () => {
  it('finds the word that takes the fewest edits', () => {
    expect(nearest('idle-timeut', ['attempts', 'idle-timeout', 'udp-timeout'])).toBe('idle-timeout')
    expect(nearest('upd-timeout', ['attempts', 'idle-timeout', 'udp-timeout'])).toBe('udp-timeout')
    expect(nearest('', ['long', 'a'])).toBe('a')
  })

  it('takes the first of equals', () => {
    expect(nearest('b', ['a', 'c'])).toBe('a')
  })

  it('finds nothing among nothing', () => {
    expect(nearest('a', [])).toBeUndefined()
  })

  it('does not dwell on a huge word', () => {
    expect(nearest('a'.repeat(10_000_000), ['b', 'a'])).toBe('a')
  })
})
