import { describe, expect, it } from 'vitest'
import { median, pairedRatio, presentValues, spreadOf } from '../../bench/statistics.ts'

describe('median', () => {
  it('is the middle of an odd number of values, whatever their order', () => {
    expect(median([9, 1, 10])).toBe(9)
  })
  it('is halfway between the middle two of an even number', () => {
    expect(median([4, 1, 3, 2])).toBe(2.5)
  })
  it('is nothing for no values', () => {
    expect(median([])).toBeUndefined()
    expect(spreadOf([])).toBeUndefined()
  })
  it('leaves its input in order', () => {
    const values = [3, 1, 2]
    median(values)
    expect(values).toEqual([3, 1, 2])
  })
})

describe('spread', () => {
  it('has the least, the most and the count', () => {
    expect(spreadOf([12, 10, 11])).toEqual({ median: 11, min: 10, max: 12, count: 3 })
  })
})

describe('paired ratio', () => {
  it('divides within each round, so that a drift falls out', () => {
    expect(pairedRatio([10, 20, 40], [20, 40, 80])).toEqual({ median: 0.5, min: 0.5, max: 0.5, count: 3 })
  })
  it('leaves out rounds where either side failed', () => {
    expect(pairedRatio([10, undefined, 30], [20, 20, undefined])).toEqual({ median: 0.5, min: 0.5, max: 0.5, count: 1 })
  })
  it('is nothing without a common round', () => {
    expect(pairedRatio([1], [])).toBeUndefined()
    expect(pairedRatio([1], [0])).toBeUndefined()
  })
  it('counts present values only', () => {
    expect(presentValues([1, undefined, 3])).toEqual([1, 3])
  })
})
