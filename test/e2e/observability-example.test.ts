import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { METRICS } from '../../src/observe/metric-table.ts'

const FOLDER = fileURLToPath(new URL('../../examples/observability', import.meta.url))
const hasPromtool = spawnSync('promtool', ['--version']).error === undefined
const needs = hasPromtool ? '' : ' (skipped: promtool is not installed)'

/** Metrics that an expression names, without what histograms add to a name. */
function metricsIn(text: string): string[] {
  const names = [...text.matchAll(/\b(?:portald|kubeproxy)_\w+/g)].map(([name]) => name.replace(/_bucket$/, ''))
  return [...new Set(names)]
}

describe('the example of observability', () => {
  it('names metrics that there are', () => {
    for (const file of ['alerts.yaml', 'dashboard.json']) {
      for (const name of metricsIn(readFileSync(`${FOLDER}/${file}`, 'utf8'))) expect(Object.keys(METRICS)).toContain(name)
    }
  })

  it('has a dashboard whose panels do not lie on each other', () => {
    const { panels } = JSON.parse(readFileSync(`${FOLDER}/dashboard.json`, 'utf8')) as {
      panels: { gridPos: { x: number; y: number; w: number; h: number } }[]
    }
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
  })

  it.skipIf(!hasPromtool)(`has alerts that fire when they should, and not before${needs}`, () => {
    const promtool = (...args: string[]) => execFileSync('promtool', args, { cwd: FOLDER, encoding: 'utf8' })
    expect(promtool('check', 'config', 'prometheus.yaml')).toContain('SUCCESS')
    expect(promtool('test', 'rules', 'alerts-test.yaml')).toContain('SUCCESS')
  })
})
