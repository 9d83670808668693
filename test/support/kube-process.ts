import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { startCommand } from './command.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A whole portald with its API on a loopback address, and nothing to serve yet. */
export interface KubeProcess extends AsyncDisposable {
  readonly url: string
  readonly folder: string
  /** Runs a client to its end, with a home of its own. */
  run(program: string, args: readonly string[], options?: RunOptions): Promise<Ended>
}

export interface RunOptions {
  readonly input?: string
  readonly variables?: Readonly<Record<string, string>>
  /** Ends it after this time: for those that watch. */
  readonly forMs?: number
}

/** Starts one on `ip`; clusterIPs come from `range`. */
export async function openKubeProcess(ip: string, range: string, flags: readonly string[] = []): Promise<KubeProcess> {
  const folder = makeTemporaryFolder()
  const url = `http://${ip}:10246`
  const command = startCommand([
    ...['run', '--admin', `${ip}:10246`, '--state-dir', join(folder.path, 'state'), '--engine', 'node', '--node-ip', ip],
    ...['--service-cluster-ip-range', range, '--allow-loopback-endpoints', '--vip-mode', 'present'],
    ...['--metrics-bind-address=', '--healthz-bind-address=', ...flags],
  ])
  await command.event('admin.opened')
  return {
    url,
    folder: folder.path,
    run(program, args, { input = '', variables = {}, forMs } = {}) {
      const home = join(folder.path, `home-${program.replaceAll('/', '_')}`)
      mkdirSync(home, { recursive: true })
      const env = { PATH: process.env['PATH'], HOME: home, ...variables }
      const child = spawn(program, args, { env, cwd: folder.path, ...(forMs !== undefined && { timeout: forMs }) })
      let out = ''
      let err = ''
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        out += chunk
      })
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        err += chunk
      })
      child.stdin.end(input)
      return new Promise((resolve, reject) => {
        child.on('error', reject).on('close', (code) => resolve({ code, out, err }))
      })
    },
    async [Symbol.asyncDispose]() {
      await command[Symbol.asyncDispose]()
      folder[Symbol.dispose]()
    },
  }
}
