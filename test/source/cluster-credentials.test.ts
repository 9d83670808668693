import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createCredentialSource } from '../../src/source/cluster/credentials.ts'
import type { Json } from '../support/objects.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

/** A kubeconfig in a folder of its own, whose user is `user`. */
function kubeconfig(user: Json) {
  const folder = makeTemporaryFolder()
  const path = join(folder.path, 'kubeconfig')
  const write = (fields: Json): void => {
    const users = [
      { name: 'other', user: { token: 'wrong' } },
      { name: 'me', user: fields },
    ]
    const clusters = [{ name: 'c', cluster: { server: 'https://192.0.2.1:6443/base/', 'tls-server-name': 'api.example' } }]
    const contexts = [{ name: 'now', context: { cluster: 'c', user: 'me' } }]
    writeFileSync(path, JSON.stringify({ kind: 'Config', 'current-context': 'now', clusters, contexts, users }))
  }
  write(user)
  return { path, folder: folder.path, write, [Symbol.dispose]: () => folder[Symbol.dispose]() }
}

describe('credentials', () => {
  it('are those of the kubeconfig, read again when it changes', async () => {
    using file = kubeconfig({ token: 'one' })
    const credentials = createCredentialSource({ kind: 'kubeconfig', path: file.path })
    const { server, options } = await credentials(false)
    expect(server.href).toBe('https://192.0.2.1:6443/base')
    expect(options).toMatchObject({ headers: { Authorization: 'Bearer one' }, servername: 'api.example' })
    file.write({ token: 'two' })
    expect((await credentials(false)).options.headers).toEqual({ Authorization: 'Bearer two' })
  })

  it('come from a token file beside the kubeconfig, as it is at every request', async () => {
    using file = kubeconfig({ tokenFile: 'token' })
    const credentials = createCredentialSource({ kind: 'kubeconfig', path: file.path })
    writeFileSync(join(file.folder, 'token'), 'one\n')
    expect((await credentials(false)).options.headers).toEqual({ Authorization: 'Bearer one' })
    writeFileSync(join(file.folder, 'token'), 'two\n')
    expect((await credentials(false)).options.headers).toEqual({ Authorization: 'Bearer two' })
  })

  it('come from a plugin, which is asked again only when the server refused what it said', async () => {
    const script = `
      const { appendFileSync, readFileSync } = require('node:fs')
      appendFileSync(process.argv[1], 'x')
      const token = 'token-' + readFileSync(process.argv[1], 'utf8').length
      console.log(JSON.stringify({ kind: 'ExecCredential', status: { token } }))`
    using counter = makeTemporaryFolder()
    using file = kubeconfig({ exec: { command: process.execPath, args: ['-e', script, join(counter.path, 'runs')] } })
    const credentials = createCredentialSource({ kind: 'kubeconfig', path: file.path })
    expect((await credentials(false)).options.headers).toEqual({ Authorization: 'Bearer token-1' })
    expect((await credentials(false)).options.headers).toEqual({ Authorization: 'Bearer token-1' })
    expect((await credentials(true)).options.headers).toEqual({ Authorization: 'Bearer token-2' })
  })

  it('do not come from a plugin that hangs, which is killed', async () => {
    const script = `
      require('node:fs').writeFileSync(process.argv[1], String(process.pid))
      setInterval(() => {}, 1000)`
    using folder = makeTemporaryFolder()
    const pidFile = join(folder.path, 'pid')
    using file = kubeconfig({ exec: { command: process.execPath, args: ['-e', script, pidFile] } })
    await expect(createCredentialSource({ kind: 'kubeconfig', path: file.path }, 3_000)(false)).rejects.toMatchObject({
      code: 'E_CONFIG',
      message: `kubeconfig ${file.path}: its plugin for credentials failed without a word, or took too long`,
    })
    const pid = Number(readFileSync(pidFile, 'utf8'))
    expect(pid).toBeGreaterThan(1)
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })

  it('that cannot be had say why', async () => {
    using file = kubeconfig({ tokenFile: 'nowhere' })
    await expect(createCredentialSource({ kind: 'kubeconfig', path: file.path })(false)).rejects.toMatchObject({
      code: 'E_CONFIG',
      message: expect.stringContaining(`kubeconfig ${file.path}: ENOENT`),
    })
    await expect(createCredentialSource({ kind: 'in-cluster' })(false)).rejects.toMatchObject({
      code: 'E_CONFIG',
      message:
        'in-cluster access: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, as they are in every pod; elsewhere give --kubeconfig',
    })
  })
})
