import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'

const PROGRAM = `
  import { trimHeap } from ${JSON.stringify(new URL('../../src/lib/heap.ts', import.meta.url).href)}
  let kept = Array.from({ length: 400_000 }, (_, n) => ({ n, text: 'endpoint ' + n, more: [n, n] }))
  const full = process.memoryUsage().rss
  kept = kept.slice(0, 10)
  trimHeap()
  console.log(JSON.stringify({ full, trimmed: process.memoryUsage().rss, left: kept.length, exposed: typeof gc }))
`

const SMALL = `
  import { getHeapSpaceStatistics } from 'node:v8'
  import { keepYoungHeapSmall } from ${JSON.stringify(new URL('../../src/lib/heap.ts', import.meta.url).href)}
  if (process.argv[1] === 'small') keepYoungHeapSmall()
  const kept = Array.from({ length: 400_000 }, (_, n) => ({ n, text: 'endpoint ' + n, more: [n, n] }))
  console.log(getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').physical_space_size, kept.length)
`

describe('the young heap', () => {
  const grown = (mode: string) =>
    Number.parseInt(execFileSync(process.execPath, ['--input-type=module', '-e', SMALL, mode], { encoding: 'utf8' }), 10)
  it('stays small when it is told to, and grows otherwise', () => {
    expect(grown('small')).toBeLessThan(4e6)
    expect(grown('any')).toBeGreaterThan(8e6)
  })
})

describe('trimming the heap', () => {
  it('gives most of what was thrown away back to the system, and leaves no global behind', () => {
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', PROGRAM], { encoding: 'utf8' })
    const { full, trimmed, left, exposed } = JSON.parse(output)
    expect(full - trimmed).toBeGreaterThan(30e6)
    expect({ left, exposed }).toEqual({ left: 10, exposed: 'undefined' })
  })
})
