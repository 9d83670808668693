import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { arch, cpus, release, totalmem, type } from 'node:os'

/** Where a run was taken: no figure is worth anything without it. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly distribution: string
  readonly node: string
  readonly maxOpenFiles: number
  readonly commit: string
}

function attempt(read: () => string): string {
  try {
    return read().trim()
  } catch {
    return 'unknown'
  }
}

export function maxOpenFiles(): number {
  return Number(/^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1024)
}

export function describeMachine(root: string): Machine {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', root, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const changed = attempt(() => git('status', '--porcelain', '--', 'src', 'bin'))
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()} ${arch()}`,
    distribution: /^PRETTY_NAME="?([^"\n]*)/m.exec(attempt(() => readFileSync('/etc/os-release', 'utf8')))?.[1] ?? 'unknown',
    node: process.version,
    maxOpenFiles: maxOpenFiles(),
    commit: attempt(() => git('rev-parse', '--short', 'HEAD')) + (changed === '' ? '' : ' with local changes'),
  }
}
