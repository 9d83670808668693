import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startNode } from '../support/command.ts'

const ROOT = join(import.meta.dirname, '../..')
const built = existsSync(join(ROOT, 'dist/main.js'))

describe('demo', () => {
  it.skipIf(!built)('shows round robin, affinity and a live reload, and ends with 0 (needs "npm run build")', async () => {
    await using demo = startNode([join(ROOT, 'examples/quickstart/demo.js'), '--once'])
    const { code } = await demo.exit
    expect(`${demo.out()}\n${demo.err()}`).toContain('✓')
    expect(code).toBe(0)
  })
})
