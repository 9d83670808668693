import { describe, expect, it } from 'vitest'
import { type Column, markdownTable, quantity, ratio, textTable } from '../../bench/table.ts'

const COLUMNS: Column[] = [
  { title: 'subject', align: 'left' },
  { title: 'µs', align: 'right' },
  { title: 'p99', align: 'right' },
]

describe('quantity', () => {
  it.each([
    [0, '0'],
    [0.001234, '0.00123'],
    [0.5, '0.500'],
    [1, '1.00'],
    [9.999, '10.0'],
    [12.64, '12.6'],
    [999.6, '1,000'],
    [123_456, '123,000'],
    [-2.5, '-2.50'],
  ])('shows %d with three significant digits', (value, text) => {
    expect(quantity(value)).toBe(text)
  })
  it('shows a dash for nothing', () => {
    expect([quantity(undefined), quantity(Number.NaN), ratio(undefined)]).toEqual(['–', '–', '–'])
  })
})

describe('text table', () => {
  it('aligns columns and leaves no blanks at the end of a line', () => {
    expect(
      textTable(COLUMNS, [
        ['haproxy', '12.6', '1.00'],
        ['direct', '–', '0.315'],
      ]),
    ).toEqual(['subject    µs    p99', '───────  ────  ─────', 'haproxy  12.6   1.00', 'direct      –  0.315'])
  })
  it('gives a remark the rest of the line, without widening the columns', () => {
    const lines = textTable(COLUMNS, [
      ['haproxy', '12.6', '1.00'],
      { name: 'nginx', remark: 'not installed: nginx (bench/install-peers.sh)' },
    ])
    expect(lines.at(1)).toBe('───────  ────  ────')
    expect(lines.at(-1)).toBe('nginx    not installed: nginx (bench/install-peers.sh)')
  })
})

describe('markdown table', () => {
  it('has as many cells in a remark as in a row', () => {
    const lines = markdownTable(COLUMNS, [['a|b', '1', '2'], { name: 'nginx', remark: 'missing' }])
    expect(lines).toEqual(['| subject | µs | p99 |', '| --- | ---: | ---: |', '| a\\|b | 1 | 2 |', '| nginx | missing |  |'])
  })
})
