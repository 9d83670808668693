import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readConfiguration } from '../../src/cli/read-configuration.ts'
import { type Problem, showProblem } from '../../src/model/problem.ts'

const HEAD = 'apiVersion: portald.io/v1alpha1\nkind: Configuration\n'
let folder: string
let path: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'portald-config-'))
  path = join(folder, 'portald.yaml')
})
afterAll(() => rmSync(folder, { recursive: true }))

async function read(text: string, flags = {}, variables = {}) {
  writeFileSync(path, text)
  const problems: Problem[] = []
  const given = { command: 'run', flags: { config: [path], ...flags }, variables } as const
  const configuration = await readConfiguration(given, problems)
  return { configuration, lines: problems.map(showProblem).map((line) => line.replace(path, 'portald.yaml')) }
}

describe('configuration file', () => {
  it('gives options in YAML, which flags and variables override', async () => {
    const text = `${HEAD}file: [a.yaml, b.yaml]\nworkers: 3\ndrainTimeout: 5m\nallowLoopbackEndpoints: true\nmetricsBindAddress: ""\n`
    const { configuration, lines } = await read(text, { workers: ['1'] }, { PORTALD_DRAIN_TIMEOUT: '1m' })
    expect(lines).toEqual([])
    expect(configuration).toMatchObject({
      files: ['a.yaml', 'b.yaml'],
      workers: 1,
      drainTimeoutMs: 60_000,
      allowLoopbackEndpoints: true,
      metricsBindAddress: undefined,
    })
  })

  it('may be named by a variable', async () => {
    const { configuration } = await read(`${HEAD}workers: 3\n`, { config: undefined }, { PORTALD_CONFIG: path })
    expect(configuration?.workers).toBe(3)
  })

  it('may be JSON', async () => {
    const text = JSON.stringify({ kind: 'Configuration', apiVersion: 'portald.io/v1alpha1', workers: 3 })
    expect((await read(text)).configuration?.workers).toBe(3)
  })

  it('is told of with the line of each bad value', async () => {
    const text = `${HEAD}# a remark\nnodeIp:\n  - 10.0.0.1\n  - [deep, {er: 1}]\nlogLevel: {a: [b]}\nworkes: 2\n"drainTimeout": no\n`
    expect((await read(text)).lines).toEqual([
      'portald.yaml:8: error: workes: is not an option; the nearest is workers',
      'portald.yaml:4: error: nodeIp: ["deep",{"er":1}]: must be an IP address such as 192.0.2.10 or 2001:db8::10',
      'portald.yaml:7: error: logLevel: {"a":["b"]}: must be one of debug, info, warn, error, silent',
      'portald.yaml:9: error: drainTimeout: "no": must be a duration from 0s to 596h, such as 250ms, 30s or 1h30m; a bare number is seconds',
    ])
  })

  it.each([
    ['', 'portald.yaml: error: must hold one YAML document'],
    ['a: [', 'portald.yaml:1: error: not valid YAML: '],
    ['a: 1\n---\nb: 2\n', 'portald.yaml: error: must hold one YAML document'],
    ['- a\n', 'portald.yaml: error: ["a"]: must be a mapping with kind: Configuration and apiVersion: portald.io/v1alpha1'],
    ['workers: 2\nworkers: 3\n', 'portald.yaml:2: error: not valid YAML: duplicated mapping key'],
  ])('that says %j is one clear line', async (text, message) => {
    const { configuration, lines } = await read(text)
    expect(configuration).toBeUndefined()
    expect(lines).toEqual([expect.stringContaining(message)])
  })

  it('of kube-proxy is told by its kind, with lines of nested fields', async () => {
    const text = [
      'kind: KubeProxyConfiguration',
      'apiVersion: kubeproxy.config.k8s.io/v1alpha1',
      'ipvs:',
      '  excludeCIDRs:',
      '    - 10.0.0.0/8',
      '  udpTimeout: 7s',
      '  strictARP: true',
      'logging: { options: { json: {',
      '  splitStream: true } } }',
    ].join('\n')
    const { configuration, lines } = await read(text)
    expect(configuration?.udpTimeoutMs).toBe(7000)
    expect(lines).toEqual([
      expect.stringContaining('portald.yaml:4: warning: ipvs.excludeCIDRs: ["10.0.0.0/8"]: has no meaning here'),
      expect.stringContaining('portald.yaml:7: warning: ipvs.strictARP: true: has no meaning here'),
      expect.stringContaining('portald.yaml:9: warning: logging.options.json.splitStream: true: has no meaning here'),
    ])
  })

  it('that is not there is one clear line', async () => {
    const problems: Problem[] = []
    await readConfiguration({ command: 'run', flags: { config: ['/nowhere.yaml'] }, variables: {} }, problems)
    expect(problems.map(showProblem)).toEqual([expect.stringMatching(/^\/nowhere\.yaml: error: cannot be read: ENOENT/)])
  })
})
