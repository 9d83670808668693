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

describe('trimming the heap', () => {
  it('gives most of what was thrown away back to the system, and leaves no global behind', () => {
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', PROGRAM], { encoding: 'utf8' })
    const { full, trimmed, left, exposed } = JSON.parse(output)
    expect(full - trimmed).toBeGreaterThan(30e6)
    expect({ left, exposed }).toEqual({ left: 10, exposed: 'undefined' })
  })
})
