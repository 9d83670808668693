import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type RunningCommand, startNode } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { type KernelTree, makeKernelTree } from '../support/kernel-tree.ts'
import { askName, connectNamed, openNamedServer } from '../support/named-servers.ts'
import { listObjects } from '../support/one-service.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const SCRIPT = join(import.meta.dirname, '../support/run-on-kernel.ts')
const TABLE = '/proc/net/ip_vs'

function start(tree: KernelTree, path: string, ip: string, engine: string): RunningCommand {
  const probes = ['--metrics-bind-address', '', '--healthz-bind-address', `${ip}:10256`]
  const options = ['--file', path, '--allow-loopback-endpoints', '--engine', engine, ...probes]
  return startNode([SCRIPT, tree.root, '--only-without-ipvs', ...options])
}

describe.each([['node', '127.64.0.1'] as const, ['native', '127.64.0.2'] as const])(
  'only without IPVS, %s engine',
  (engine, ip) => {
    it('is idle and ready where IPVS works, and serves when it is gone at SIGHUP, and the other way round', async () => {
      using folder = makeTemporaryFolder()
      using tree = makeKernelTree({ [TABLE]: 'IP Virtual Server\n' })
      await using a = await openNamedServer('a')
      const path = join(folder.path, 'services.json')
      writeFileSync(path, listObjects(ip, [a.port]))
      await using command = start(tree, path, ip, engine)
      const looks = () => command.events('ipvs.looked').map(({ works }) => works)

      await command.event('proxy.ready')
      expect(looks()).toEqual([true])
      await eventually(async () => expect((await fetch(`http://${ip}:10256/readyz`)).status).toBe(200))
      await expect(askName(ip, 8080)).rejects.toThrow()
      expect(command.events('listener.opened')).toEqual([])

      tree.set(TABLE, undefined)
      command.process.kill('SIGHUP')
      await eventually(async () => expect(await askName(ip, 8080)).toBe('a'))
      expect(looks()).toEqual([true, false])

      const { socket } = await connectNamed(ip, 8080)
      tree.set(TABLE, 'IP Virtual Server\n')
      command.process.kill('SIGHUP')
      await command.event('listener.closed')
      await expect(askName(ip, 8080)).rejects.toThrow()
      expect((await fetch(`http://${ip}:10256/readyz`)).status).toBe(200)
      const echo = new Promise((resolve) => socket.once('data', (bytes) => resolve(bytes.toString())))
      socket.write('still here')
      expect(await echo).toBe('still here')
      socket.end()

      command.process.kill('SIGTERM')
      expect(await command.exit).toEqual({ code: 0, signal: null })
    })
  },
)
