import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Full path of a program, also where the administrator's folders are not on PATH. */
export function findProgram(name: string): string | undefined {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/sbin']) {
    try {
      const path = join(folder, name)
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not there.
    }
  }
  return undefined
}

const INSTALLERS: Readonly<Record<string, string>> = {
  wrk: 'bench/install-tools.sh',
  iperf3: 'bench/install-tools.sh',
  gcc: 'bench/install-tools.sh',
  taskset: 'bench/install-tools.sh',
  haproxy: 'bench/install-peers.sh',
  nginx: 'bench/install-peers.sh',
}

/** Why the programs cannot be used, or undefined. */
export function notInstalled(...names: readonly string[]): string | undefined {
  const missing = names.find((name) => findProgram(name) === undefined)
  return missing && `not installed: ${missing} (${INSTALLERS[missing]})`
}

/** What a program says about its version, on whichever stream it says it. */
export function versionOf(name: string, ...args: readonly string[]): string | undefined {
  const path = findProgram(name)
  if (path === undefined) return undefined
  const { stdout, stderr } = spawnSync(path, args, { encoding: 'utf8' })
  return /\d+\.\d[\w.+-]*/.exec(`${stdout}${stderr}`)?.[0]
}
