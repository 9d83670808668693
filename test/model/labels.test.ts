import { describe, expect, it } from 'vitest'
import { isLabelKey, labelOf, parseLabel, sameLabels, textLabels } from '../../src/model/labels.ts'

describe('a label', () => {
  it('is a key, with or without a domain, and a value', () => {
    expect(parseLabel('topology.kubernetes.io/zone=zone-a')).toEqual(['topology.kubernetes.io/zone', 'zone-a'])
    expect(parseLabel('rack=')).toEqual(['rack', ''])
    for (const wrong of ['', 'rack', '=a', 'a/b/c=d', '-a=b', 'a=b=c', 'a=b c', 'A.b/c=d', 'a=-b', `${'a'.repeat(64)}=b`]) {
      expect(parseLabel(wrong), wrong).toBeUndefined()
    }
  })

  it('has a key of bounded length', () => {
    expect(isLabelKey(`${'a'.repeat(253)}/${'b'.repeat(63)}`)).toBe(true)
    expect(isLabelKey(`${'a'.repeat(254)}/b`)).toBe(false)
  })
})

describe('labels', () => {
  it('are those with text', () => {
    expect(textLabels({ a: 'x', b: 1, c: null, d: '' })).toEqual({ a: 'x', d: '' })
    expect(textLabels(null)).toEqual({})
  })

  it('say nothing where they are empty, or belong to every object', () => {
    expect(labelOf({ a: 'x', d: '' }, 'a')).toBe('x')
    expect(labelOf({ a: 'x', d: '' }, 'd')).toBeUndefined()
    expect(labelOf({}, 'constructor')).toBeUndefined()
  })

  it('are the same when keys and values are', () => {
    expect(sameLabels({ a: '1', b: '2' }, { b: '2', a: '1' })).toBe(true)
    expect(sameLabels({ a: '1' }, { a: '2' })).toBe(false)
    expect(sameLabels({ a: '1' }, { b: '1' })).toBe(false)
    expect(sameLabels({ a: '1' }, { a: '1', b: '2' })).toBe(false)
  })
})
