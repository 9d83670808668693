import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseArguments } from '../src/cli/args.ts'
import { parseConfiguration } from '../src/model/config.ts'
import type { Problem } from '../src/model/problem.ts'
import { parseYaml } from '../src/source/yaml-text.ts'

const read = (path: string) => readFileSync(join(import.meta.dirname, '../examples', path), 'utf8')

/** What the program makes of a command line; fails where it refuses one. */
function configurationOf(argv: readonly string[]) {
  const invocation = parseArguments(argv)
  if (invocation.command !== 'run') throw new Error(`does not run: ${JSON.stringify(invocation)}`)
  const problems: Problem[] = []
  const config = parseConfiguration(invocation, problems)
  expect(problems).toEqual([])
  return config
}

/** The command line of a unit, without the words that name the program. */
function unitArguments(path: string): readonly string[] {
  const [, line = ''] = /^ExecStart=\S+ \S+portald\.js (.+)$/m.exec(read(path)) ?? []
  return line.split(' ')
}

interface DaemonSet {
  readonly spec: {
    readonly template: { readonly spec: { readonly containers: readonly [{ readonly args: readonly string[] }] } }
  }
}

describe('examples', () => {
  it('run under systemd with options that exist', () => {
    expect(configurationOf(unitArguments('systemd/portald.service'))).toMatchObject({ files: ['/etc/portald'] })
  })

  it('serve beside kube-proxy only without IPVS, and on other ports', () => {
    const parsed = parseYaml(read('kube-proxy/daemonset.yaml'))
    if ('code' in parsed) throw new Error(parsed.message)
    const { args } = (parsed.roots.map(({ value }) => value) as [DaemonSet])[0].spec.template.spec.containers[0]
    const beside = {
      onlyWithoutIpvs: true,
      files: ['/etc/portald'],
      healthzBindAddress: { ip: '0.0.0.0', port: 10356 },
      metricsBindAddress: { ip: '127.0.0.1', port: 10349 },
    }
    expect(configurationOf(args)).toMatchObject(beside)
    expect(configurationOf(unitArguments('kube-proxy/only-without-ipvs.conf'))).toMatchObject(beside)
  })
})
