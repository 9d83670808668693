import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runCommand, startCommand } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { askName, connectNamed, openNamedServer } from '../support/named-servers.ts'
import { listObjects } from '../support/one-service.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const OFF = ['--metrics-bind-address', '', '--healthz-bind-address', '']

describe('run', () => {
  it('serves a file, follows it, and ends with 0 at SIGTERM', async () => {
    using folder = makeTemporaryFolder()
    await using a = await openNamedServer('a')
    await using b = await openNamedServer('b')
    const path = join(folder.path, 'services.json')
    writeFileSync(path, listObjects('127.62.0.1', [a.port]))
    await using command = startCommand(['--file', path, '--allow-loopback-endpoints', ...OFF])
    await command.event('proxy.ready')
    expect(await askName('127.62.0.1', 8080)).toBe('a')
    writeFileSync(`${path}.new`, listObjects('127.62.0.1', [b.port]))
    renameSync(`${path}.new`, path)
    await eventually(async () => expect(await askName('127.62.0.1', 8080)).toBe('b'))
    command.process.kill('SIGTERM')
    expect(await command.exit).toEqual({ code: 0, signal: null })
    expect(command.events('proxy.drained')).toHaveLength(1)
  })

  it('stays up without its file, is not ready, and serves when it comes', async () => {
    using folder = makeTemporaryFolder()
    await using a = await openNamedServer('a')
    const path = join(folder.path, 'services.json')
    const healthz = ['--metrics-bind-address', '', '--healthz-bind-address', '127.62.0.2:10256']
    await using _command = startCommand(['--file', path, '--allow-loopback-endpoints', ...healthz])
    const readyz = async () => (await fetch('http://127.62.0.2:10256/readyz')).status
    await eventually(async () => expect(await readyz()).toBe(503))
    writeFileSync(path, listObjects('127.62.0.2', [a.port]))
    await eventually(async () => expect(await readyz()).toBe(200))
    expect(await askName('127.62.0.2', 8080)).toBe('a')
  })

  it('reads again at SIGHUP', async () => {
    using folder = makeTemporaryFolder()
    const path = join(folder.path, 'services.json')
    writeFileSync(path, listObjects('127.62.0.3', []))
    await using command = startCommand(['--file', path, ...OFF])
    await command.event('proxy.ready')
    command.process.kill('SIGHUP')
    expect(await command.event('signal.received')).toMatchObject({ key: 'SIGHUP' })
    command.process.kill('SIGINT')
    expect((await command.exit).code).toBe(0)
  })

  it('lets a session finish after SIGTERM', async () => {
    using folder = makeTemporaryFolder()
    await using a = await openNamedServer('a')
    const path = join(folder.path, 'services.json')
    writeFileSync(path, listObjects('127.62.0.4', [a.port]))
    await using command = startCommand(['--file', path, '--allow-loopback-endpoints', ...OFF])
    await command.event('proxy.ready')
    const { socket } = await connectNamed('127.62.0.4', 8080)
    command.process.kill('SIGTERM')
    await command.event('proxy.draining')
    socket.write('still here')
    const echo = await new Promise((resolve) => socket.once('data', (bytes) => resolve(bytes.toString())))
    expect(echo).toBe('still here')
    socket.end()
    expect(await command.exit).toEqual({ code: 0, signal: null })
  })

  it('cuts what still runs at the deadline and says how many', async () => {
    using folder = makeTemporaryFolder()
    await using a = await openNamedServer('a')
    const path = join(folder.path, 'services.json')
    writeFileSync(path, listObjects('127.62.0.5', [a.port]))
    await using command = startCommand(['--file', path, '--allow-loopback-endpoints', '--drain-timeout', '100ms', ...OFF])
    await command.event('proxy.ready')
    const { socket } = await connectNamed('127.62.0.5', 8080)
    command.process.kill('SIGTERM')
    expect(await command.exit).toEqual({ code: 0, signal: null })
    expect(command.events('proxy.cut')).toEqual([expect.objectContaining({ cut: 1 })])
    socket.destroy()
  })

  it('ends now with 1 at a second SIGTERM', async () => {
    using folder = makeTemporaryFolder()
    await using a = await openNamedServer('a')
    const path = join(folder.path, 'services.json')
    writeFileSync(path, listObjects('127.62.0.6', [a.port]))
    await using command = startCommand(['--file', path, '--allow-loopback-endpoints', ...OFF])
    await command.event('proxy.ready')
    const { socket } = await connectNamed('127.62.0.6', 8080)
    command.process.kill('SIGTERM')
    await command.event('proxy.draining')
    command.process.kill('SIGTERM')
    expect(await command.exit).toEqual({ code: 1, signal: null })
    expect(command.events('proxy.drained')).toEqual([])
    socket.destroy()
  })

  it('is not ready but still accepts during the shutdown delay', async () => {
    using folder = makeTemporaryFolder()
    await using a = await openNamedServer('a')
    const path = join(folder.path, 'services.json')
    writeFileSync(path, listObjects('127.62.0.7', [a.port]))
    const flags = ['--metrics-bind-address', '', '--healthz-bind-address', '127.62.0.7:10256', '--shutdown-delay', '1s']
    await using command = startCommand(['--file', path, '--allow-loopback-endpoints', ...flags])
    const readyz = async () => (await fetch('http://127.62.0.7:10256/readyz')).status
    await eventually(async () => expect(await readyz()).toBe(200))
    command.process.kill('SIGTERM')
    await command.event('proxy.draining')
    expect(await readyz()).toBe(503)
    expect(await askName('127.62.0.7', 8080)).toBe('a')
    expect((await command.exit).code).toBe(0)
  })

  it('answers metrics and health checks on one address, and health checks on the other', async () => {
    using folder = makeTemporaryFolder()
    const path = join(folder.path, 'services.json')
    writeFileSync(path, listObjects('127.62.0.9', []))
    const flags = ['--metrics-bind-address', '127.62.0.9:10249', '--healthz-bind-address', '127.62.0.9:10256']
    await using command = startCommand(['--file', path, ...flags])
    await command.event('proxy.ready')
    await eventually(() => expect(command.events('probe.opened')).toHaveLength(2))
    const metrics = await (await fetch('http://127.62.0.9:10249/metrics')).text()
    expect(metrics).toMatch(/^portald_build_info\{version="\d[^"]*",engine="(native|node)",workers="\d+"\} 1$/m)
    expect(metrics).toMatch(/^portald_problems\{severity="warning"\} 1$/m)
    expect(metrics).toMatch(/^kubeproxy_sync_proxy_rules_service_changes_total 1$/m)
    for (const port of [10249, 10256]) {
      for (const page of ['healthz', 'livez', 'readyz']) {
        await eventually(async () => expect((await fetch(`http://127.62.0.9:${port}/${page}`)).status).toBe(200))
      }
    }
    expect((await fetch('http://127.62.0.9:10256/metrics')).status).toBe(404)
  })

  it('writes an access line for every session, the last one too', async () => {
    using folder = makeTemporaryFolder()
    await using a = await openNamedServer('a')
    const path = join(folder.path, 'services.json')
    writeFileSync(path, listObjects('127.62.0.8', [a.port]))
    await using command = startCommand(['--file', path, '--allow-loopback-endpoints', '--access-log', '-', ...OFF])
    await command.event('proxy.ready')
    await askName('127.62.0.8', 8080)
    const { socket } = await connectNamed('127.62.0.8', 8080)
    socket.end()
    command.process.kill('SIGTERM')
    await command.exit
    const lines = command.out().trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line).local)).toEqual(['127.62.0.8:8080', '127.62.0.8:8080'])
  })
})

describe('run in place of kube-proxy', () => {
  it('takes its file and its flags, says what means nothing here, and answers as its userspace mode', async () => {
    using folder = makeTemporaryFolder()
    await using a = await openNamedServer('a')
    const path = join(folder.path, 'services.json')
    const config = join(folder.path, 'config.conf')
    writeFileSync(path, listObjects('127.62.2.1', [a.port]))
    const head = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n'
    const addresses = 'metricsBindAddress: 127.62.2.1\nhealthzBindAddress: 127.62.2.1:10256\n'
    writeFileSync(config, `${head}${addresses}iptables:\n  masqueradeAll: true\nmode: ""\n`)
    const flags = ['--hostname-override=Node-1', '--proxy-mode', 'userspace', '-v=2', '--cluster_cidr', '10.244.0.0/16']
    await using command = startCommand(['--config', config, '--file', path, '--allow-loopback-endpoints', ...flags])
    await command.event('proxy.ready')
    expect(await askName('127.62.2.1', 8080)).toBe('a')
    expect(command.events('proxy.starting')).toEqual([expect.objectContaining({ nodeName: 'node-1' })])
    expect(command.events('option.problem').map(({ msg }) => msg)).toEqual([
      expect.stringContaining(`${config}:6: warning: iptables.masqueradeAll: true: has no meaning here`),
    ])
    const proxyMode = async () => await (await fetch('http://127.62.2.1:10249/proxyMode')).text()
    await eventually(async () => expect(await proxyMode()).toBe('userspace'))
    expect((await fetch('http://127.62.2.1:10256/livez')).status).toBe(200)
  })

  it('does not start with a file that kube-proxy would refuse', async () => {
    using folder = makeTemporaryFolder()
    const config = join(folder.path, 'config.conf')
    writeFileSync(config, 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: fast\n')
    const { code, err } = await runCommand(['--config', config, '--file', folder.path])
    expect(code).toBe(2)
    expect(err).toMatch(/config\.conf:3: error: mode: "fast": must be one of userspace, iptables, ipvs, nftables, kernelspace\n/)
  })

  it('cleans up, or has nothing to set up, and exits', async () => {
    expect(await runCommand(['--cleanup'])).toMatchObject({ code: 0, err: '' })
    expect(await runCommand(['--init-only=true', '--file', 'x'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('nothing to set up'),
    })
  })
})

describe('forward', () => {
  it('forwards to each endpoint in turn, without a file and on no other address', async () => {
    await using a = await openNamedServer('a')
    await using b = await openNamedServer('b')
    const endpoints = [`127.0.0.1:${a.port}`, `localhost:${b.port}`]
    await using command = startCommand(['forward', 'tcp://127.62.1.1:8080', ...endpoints])
    await command.event('proxy.ready')
    const names = [await askName('127.62.1.1', 8080), await askName('127.62.1.1', 8080), await askName('127.62.1.1', 8080)]
    expect(new Set(names)).toEqual(new Set(['a', 'b']))
    expect(names[2]).toBe(names[0])
    expect(command.events('probe.opened')).toEqual([])
    command.process.kill('SIGTERM')
    expect((await command.exit).code).toBe(0)
  })

  it('keeps a client on its endpoint with --affinity', async () => {
    await using a = await openNamedServer('a')
    await using b = await openNamedServer('b')
    const endpoints = [`127.0.0.1:${a.port}`, `127.0.0.1:${b.port}`]
    await using command = startCommand(['forward', 'tcp://127.62.1.2:8080', ...endpoints, '--affinity', 'client-ip=60'])
    await command.event('proxy.ready')
    const names = new Set<string>()
    for (let n = 0; n < 4; n++) names.add(await askName('127.62.1.2', 8080))
    expect(names.size).toBe(1)
  })

  it('says which name does not resolve and serves the other endpoints', async () => {
    await using a = await openNamedServer('a')
    const endpoints = [`127.0.0.1:${a.port}`, 'no-such-name.invalid:80']
    await using command = startCommand(['forward', 'tcp://127.62.1.3:8080', ...endpoints])
    expect(await command.event('name.failed')).toMatchObject({ key: 'no-such-name.invalid' })
    await command.event('proxy.ready')
    expect(await askName('127.62.1.3', 8080)).toBe('a')
  })
})

describe('engine', () => {
  // Node does not load koffi then, as where its binary does not fit the machine.
  const withoutAddons = { NODE_OPTIONS: '--no-addons' }

  it('that cannot run ends the start with 1 and says why', async () => {
    const { code, err } = await runCommand(
      ['forward', 'tcp://127.62.1.4:8080', '127.0.0.1:1', '--engine', 'native'],
      withoutAddons,
    )
    expect(code).toBe(1)
    expect(err).toMatch(/portald: engine native: koffi does not load: .*; use --engine node/)
  })

  it('falls back to node where native cannot run, and says why', async () => {
    await using a = await openNamedServer('a')
    await using command = startCommand(['forward', 'tcp://127.62.1.5:8080', `127.0.0.1:${a.port}`], withoutAddons)
    expect(await command.event('engine.chosen')).toMatchObject({
      engine: 'node',
      msg: expect.stringContaining('koffi does not load'),
    })
    await command.event('proxy.ready')
    expect(await askName('127.62.1.5', 8080)).toBe('a')
  })
})
