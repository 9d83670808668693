import { describe, expect, it } from 'vitest'
import { parseArguments } from '../../src/cli/args.ts'
import { configOption, flagOf, OPTION_KEYS } from '../../src/model/config-table.ts'
import { KUBE_PROXY_FLAGS } from '../../src/model/kube-proxy-config.ts'

function said(...argv: string[]) {
  const invocation = parseArguments(argv)
  if (invocation.command !== 'say') throw new Error(`says nothing, but runs ${invocation.command}`)
  return invocation
}

describe('command line', () => {
  it('means run when flags come without a command, or nothing comes at all', () => {
    expect(parseArguments(['--file', 'a.yaml'])).toEqual({ command: 'run', flags: { file: ['a.yaml'] }, kubeProxyFlags: {} })
    expect(parseArguments(['run', '--file', 'a.yaml'])).toEqual({
      command: 'run',
      flags: { file: ['a.yaml'] },
      kubeProxyFlags: {},
    })
    expect(parseArguments([])).toEqual({ command: 'run', flags: {}, kubeProxyFlags: {} })
  })

  it('piles up repeated flags as they were written', () => {
    const argv = ['--file=a', '--file', 'b,c', '--node-ip', '10.0.0.1', '--workers', '1', '--workers', '2']
    expect(parseArguments(argv)).toMatchObject({ flags: { file: ['a', 'b,c'], nodeIp: ['10.0.0.1'], workers: ['1', '2'] } })
  })

  it('keeps an empty value, which switches something off', () => {
    expect(parseArguments(['--metrics-bind-address', '', '--healthz-bind-address='])).toMatchObject({
      flags: { metricsBindAddress: [''], healthzBindAddress: [''] },
    })
  })

  it('takes switches both ways, and not the word behind them', () => {
    expect(parseArguments(['check', '--allow-loopback-endpoints', 'a.yaml'])).toEqual({
      command: 'check',
      paths: ['a.yaml'],
      format: 'text',
      flags: { allowLoopbackEndpoints: ['true'] },
    })
    expect(parseArguments(['run', '--no-allow-loopback-endpoints'])).toMatchObject({
      flags: { allowLoopbackEndpoints: ['false'] },
    })
  })

  it('reads forward with its endpoints', () => {
    expect(parseArguments(['forward', 'tcp://127.0.0.1:80', 'a:1', 'b:2', '--affinity', 'client-ip=60'])).toEqual({
      command: 'forward',
      listen: 'tcp://127.0.0.1:80',
      endpoints: ['a:1', 'b:2'],
      affinity: 'client-ip=60',
      flags: {},
    })
  })

  it('reads check with its format', () => {
    expect(parseArguments(['check', 'a', 'b', '-o', 'json'])).toEqual({
      command: 'check',
      paths: ['a', 'b'],
      format: 'json',
      flags: {},
    })
  })

  it('reads version however it is asked for', () => {
    for (const word of ['version', '--version', '-V']) expect(parseArguments([word])).toEqual({ command: 'version' })
  })

  it('reads doctor with its switches', () => {
    expect(parseArguments(['doctor'])).toEqual({ command: 'doctor', json: false, ipvs: false, flags: {}, kubeProxyFlags: {} })
    expect(parseArguments(['doctor', '--ipvs', '--json', '--file', 'a'])).toEqual({
      command: 'doctor',
      json: true,
      ipvs: true,
      flags: { file: ['a'] },
      kubeProxyFlags: {},
    })
  })

  it('takes a command line of run for doctor as it is', () => {
    const argv = ['--file', 'a', '--strict-source-ranges', '--drain-timeout=5s', '--only-without-ipvs', '--ipvs-scheduler', 'rr']
    const { flags, kubeProxyFlags } = parseArguments(['run', ...argv]) as { flags: unknown; kubeProxyFlags: unknown }
    expect(parseArguments(['doctor', ...argv])).toEqual({ command: 'doctor', json: false, ipvs: false, flags, kubeProxyFlags })
  })

  it('takes the flags of kube-proxy as Go does', () => {
    const argv = ['--masquerade-all', '--profiling=false', '--kube-api-burst', '5', '--log_dir=/a_b', '-v=4', '--v', '5', '-v6']
    expect(parseArguments([...argv, '--metrics_bind_address=', '--kubeconfig='])).toEqual({
      command: 'run',
      flags: { metricsBindAddress: [''], kubeconfig: [''] },
      kubeProxyFlags: {
        'masquerade-all': ['true'],
        profiling: ['false'],
        'kube-api-burst': ['5'],
        'log-dir': ['/a_b'],
        v: ['4', '5', '6'],
      },
    })
  })

  it('takes every flag of kube-proxy’s, without showing those that are not ours', () => {
    const help = said('run', '--help').out
    for (const { flag, rule } of KUBE_PROXY_FLAGS) {
      const value = rule?.kind === 'boolean' ? 'false' : 'x'
      expect(parseArguments([`--${flag}=${value}`]), flag).toMatchObject({ kubeProxyFlags: { [flag]: [value] } })
      expect(help).not.toContain(`--${flag} `)
    }
    expect(said('forward', 'a', 'b', '--masquerade-all').err).toContain("unknown option '--masquerade-all'")
  })

  it('knows what cleanup and init-only ask for', () => {
    expect(parseArguments(['--cleanup'])).toEqual({ command: 'cleanup' })
    expect(parseArguments(['--cleanup=false', '--init-only=false'])).toMatchObject({ command: 'run' })
    expect(said('--init-only')).toMatchObject({ exitCode: 0, out: expect.stringContaining('nothing to set up') })
  })

  it('offers exactly the flags that the table gives each command', () => {
    for (const command of ['run', 'forward', 'check', 'doctor'] as const) {
      const help = said(command, '--help').out
      for (const key of OPTION_KEYS) {
        const offered = new RegExp(`^ +--${flagOf(key)}(?: |$)`, 'm').test(help)
        expect(offered, `${command} --${flagOf(key)}`).toBe(configOption(key).commands.includes(command))
      }
    }
  })

  it('explains itself with examples on standard output', () => {
    for (const argv of [
      ['--help'],
      ['help', 'run'],
      ['run', '-h'],
      ['forward', '--help'],
      ['check', '--help'],
      ['doctor', '--help'],
      ['version', '--help'],
      ...['status', 'sessions', 'kill', 'drain', 'undrain', 'explain', 'log-level', 'top', 'trace', 'config', 'completion'].map(
        (name) => [name, '--help'],
      ),
    ]) {
      const { out, err, exitCode } = said(...argv)
      expect({ err, exitCode }, argv.join(' ')).toEqual({ err: '', exitCode: 0 })
      expect(out).toMatch(/Examples?:\n {2}portald/)
    }
  })

  it('does not show for forward what is off there by default', () => {
    expect(said('run', '--help').out).toContain('10249')
    expect(said('forward', '--help').out).not.toContain('10249')
  })

  it.each([
    [['--fiel', 'a'], "error: unknown option '--fiel'\n(Did you mean --file?)"],
    [['chekc', 'a'], "error: unknown command 'chekc'\n(Did you mean check?)"],
    [['services.yaml'], "error: unknown command 'services.yaml'"],
    [['run', 'services.yaml'], "error: too many arguments for 'run'"],
    [['run', '--file'], "error: option '--file <PATH>' argument missing"],
    [['forward', 'tcp://127.0.0.1:80'], "error: missing required argument 'ENDPOINT'"],
    [['forward'], "error: missing required argument 'LISTEN'"],
    [['forward', 'a', 'b', '--node-ip', '10.0.0.1'], "error: unknown option '--node-ip'"],
    [['check', '-o', 'xml', 'a'], 'Allowed choices are text, json'],
  ])('refuses %j on standard error', (argv, message) => {
    const { out, err, exitCode } = said(...argv)
    expect(err).toContain(message)
    expect({ out, exitCode }).toEqual({ out: '', exitCode: 2 })
  })
})
