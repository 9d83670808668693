import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { execute } from '../../src/cli/execute.ts'
import { readConfiguration } from '../../src/cli/read-configuration.ts'
import type { GivenValues } from '../../src/model/config.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { createWrittenOutput } from '../support/written-output.ts'

async function say(argv: readonly string[], variables: Readonly<Record<string, string>> = {}) {
  const output = createWrittenOutput()
  return { code: await execute(argv, { variables, output }), ...output.written }
}

describe('portald config', () => {
  it('prints a file that means the same, and where each option comes from', async () => {
    using folder = makeTemporaryFolder()
    const path = join(folder.path, 'portald.yaml')
    const head = 'apiVersion: portald.io/v1alpha1\nkind: Configuration\n'
    writeFileSync(path, `${head}drainTimeout: 1m\nnodeLabel: ["zone=1", "a=null"]\nserviceProxyName: "007"\n`)
    const variables = { PORTALD_IDLE_TIMEOUT: '5m', PORTALD_DRAIN_TIMEOUT: '2m' }
    const flags: GivenValues = { config: [path], logLevel: ['debug'], nodeIp: ['192.0.2.1', '2001:db8::1'], accessLog: [''] }
    const argv = ['--config', path, '--log-level', 'debug', '--node-ip', '192.0.2.1,2001:db8::1', '--access-log', '']
    const { code, out, err } = await say(['config', ...argv, '--metrics-bind-address', ''], variables)
    expect([code, err]).toEqual([0, ''])
    const commentOf = (key: string) =>
      out
        .split('\n')
        .find((line) => line.startsWith(`${key}:`))
        ?.split(' # ')[1]
    expect([commentOf('logLevel'), commentOf('idleTimeout'), commentOf('drainTimeout'), commentOf('engine')]).toEqual([
      '--log-level',
      'PORTALD_IDLE_TIMEOUT',
      'PORTALD_DRAIN_TIMEOUT',
      'default; --engine',
    ])
    expect(commentOf('serviceProxyName')).toBe(`${path}:5`)
    const again = join(folder.path, 'again.yaml')
    writeFileSync(again, out)
    const [first, second] = [
      await readConfiguration({ command: 'run', flags: { ...flags, metricsBindAddress: [''] }, variables }, []),
      await readConfiguration({ command: 'run', flags: { config: [again] }, variables: {} }, []),
    ]
    expect(second).toEqual(first)
    expect(first?.metricsBindAddress).toBeUndefined()
  })

  it('understands what kube-proxy is told', async () => {
    const { out } = await say(['config', '--proxy-mode', 'ipvs', '--ipvs-scheduler', 'wlc'])
    expect(out).toMatch(/^scheduler: wlc +# --ipvs-scheduler$/m)
  })

  it('says what is wrong instead', async () => {
    expect(await say(['config', '--log-level', 'loud'])).toMatchObject({ code: 2, out: '' })
  })
})

describe('portald completion', () => {
  it('lets bash complete commands, options and what they may be', async () => {
    using folder = makeTemporaryFolder()
    const path = join(folder.path, 'portald.bash')
    writeFileSync(path, (await say(['completion', 'bash'])).out)
    const complete = (...words: string[]) =>
      execFileSync('bash', [
        '-c',
        `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _portald; echo "\${COMPREPLY[@]}"`,
        path,
        'portald',
        ...words,
      ])
        .toString()
        .trim()
        .split(' ')
    expect(complete('ex')).toEqual(['explain', 'export'])
    expect(complete('status', '-')).toEqual(['--admin', '--admin-ca', '--output', '--help'])
    expect(complete('status', '--output', '')).toEqual(['text', 'wide', 'json', 'yaml'])
    expect(complete('run', '--engine', 'n')).toEqual(['native', 'node'])
    expect(complete('--log-level', 'd')).toEqual(['debug'])
    expect(complete('completion', '--h')).toEqual(['--help'])
  })

  it('knows the same in every shell', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { code, out } = await say(['completion', shell])
      expect(code).toBe(0)
      for (const word of ['undrain', 'idle-longer-than', 'kubeconfig', 'wlc', 'Where portald answers']) {
        if (shell !== 'bash' || !word.includes(' ')) expect(out, `${shell} ${word}`).toContain(word)
      }
      // Flags that are not ours are taken, but not shown.
      expect(out).not.toContain('masquerade')
    }
    expect(await say(['completion', 'tcsh'])).toMatchObject({ code: 2, err: expect.stringContaining('bash, zsh, fish') })
  })
})
