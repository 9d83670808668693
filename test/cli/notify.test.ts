import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type RunningCommand, startCommand } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { connectNamed, openNamedServer } from '../support/named-servers.ts'
import { libc, WITHOUT_NATIVE } from '../support/native-engine.ts'
import { openNotifyReceiver } from '../support/notify-receiver.ts'
import { listObjects } from '../support/one-service.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const OFF = ['--metrics-bind-address', '', '--healthz-bind-address', '', '--allow-loopback-endpoints']

/** Puts the services of the test into a folder and runs them, told of a service manager. */
function start(folder: string, address: string, ports: readonly number[], variables: Readonly<Record<string, string>>) {
  const path = join(folder, 'services.json')
  writeFileSync(path, listObjects(address, ports))
  return startCommand(['--file', path, ...OFF], variables)
}

async function end(command: RunningCommand): Promise<void> {
  command.process.kill('SIGTERM')
  expect(await command.exit).toEqual({ code: 0, signal: null })
}

describe.skipIf(!libc)(`a service manager${WITHOUT_NATIVE}`, () => {
  it.each(['path', 'abstract'])('is told how the process is, on a socket with a name of kind %s', async (kind) => {
    using folder = makeTemporaryFolder()
    const name = kind === 'path' ? join(folder.path, 'notify') : `@portald-test-${process.pid}`
    await using manager = await openNotifyReceiver(name)
    await using a = await openNamedServer('a')
    await using command = start(folder.path, '127.138.0.1', [a.port], { NOTIFY_SOCKET: name })
    await eventually(() => expect(manager.variables()).toContain('READY=1'))
    const { socket } = await connectNamed('127.138.0.1', 8080)
    await eventually(() => expect(manager.variables()).toContain('STATUS=1 session, 1 of 1 address listening, 0 problems'))
    command.process.kill('SIGHUP')
    await command.event('proxy.reloaded')
    expect(command.events('proxy.reloaded')).toMatchObject([{ level: 'info' }])
    await eventually(() => expect(manager.variables().filter((one) => one === 'READY=1')).toHaveLength(2))
    command.process.kill('SIGTERM')
    await command.event('proxy.draining')
    socket.end()
    expect((await command.exit).code).toBe(0)
    const phases = manager.variables().filter((one) => /^(?:READY|RELOADING|STOPPING|WATCHDOG)=/.test(one))
    expect(phases).toEqual(['READY=1', 'RELOADING=1', 'READY=1', 'STOPPING=1'])
    const stopping = manager.variables().indexOf('STOPPING=1')
    expect(manager.variables().slice(stopping)).toContainEqual(expect.stringMatching(/^EXTEND_TIMEOUT_USEC=\d+$/))
    // A manager listens to the process that it started, and to nobody else.
    expect([...new Set(manager.told().map(({ pid }) => pid))]).toEqual([command.process.pid])
  })

  it('is told again and again that nothing hangs', async () => {
    using folder = makeTemporaryFolder()
    const name = join(folder.path, 'notify')
    await using manager = await openNotifyReceiver(name)
    await using command = start(folder.path, '127.138.0.2', [], { NOTIFY_SOCKET: name, WATCHDOG_USEC: '200000' })
    const fed = () => manager.variables().filter((one) => one === 'WATCHDOG=1').length
    await eventually(() => expect(fed()).toBeGreaterThan(5))
    await end(command)
  })

  it('waits to be told that the process is ready while a source has not loaded', async () => {
    using folder = makeTemporaryFolder()
    const name = join(folder.path, 'notify')
    await using manager = await openNotifyReceiver(name)
    const path = join(folder.path, 'later.json')
    await using command = startCommand(['--file', path, ...OFF], { NOTIFY_SOCKET: name })
    await eventually(() =>
      expect(manager.variables()).toContainEqual(expect.stringMatching(`^STATUS=starting, waiting for ${path}`)),
    )
    expect(manager.variables()).not.toContain('READY=1')
    writeFileSync(path, listObjects('127.138.0.3', []))
    await eventually(() => expect(manager.variables()).toContain('READY=1'))
    await end(command)
  })

  it('that is not there stops nothing, and is said once', async () => {
    using folder = makeTemporaryFolder()
    const name = join(folder.path, 'nobody')
    await using command = start(folder.path, '127.138.0.4', [], { NOTIFY_SOCKET: name })
    await command.event('proxy.ready')
    expect(await command.event('supervisor.failed')).toMatchObject({ level: 'warn', reason: 'sendmsg: ENOENT' })
    await end(command)
    expect(command.events('supervisor.failed')).toHaveLength(1)
  })
})
