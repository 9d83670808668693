import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** A kubectl that is installed. */
export interface Kubectl {
  readonly program: string
  /** The second part of its version: 20 for 1.20. */
  readonly minor: number
}

const CACHE = process.env['PORTALD_TEST_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'portald')

/** Every kubectl there is, one of each version: those of PATH, what `test/real/build-kubernetes.sh` has fetched, and more
 *  where PORTALD_TEST_KUBECTL names them. */
export function findKubectls(): readonly Kubectl[] {
  const named = (process.env['PORTALD_TEST_KUBECTL'] ?? '').split(delimiter)
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), join(CACHE, 'kubernetes')]
  const programs = [...named, ...folders.map((folder) => join(folder, 'kubectl'))].filter(
    (path) => path !== '' && existsSync(path),
  )
  const found = new Map<number, Kubectl>()
  for (const program of programs) {
    const minor = minorOf(program)
    if (minor !== undefined && !found.has(minor)) found.set(minor, { program, minor })
  }
  return [...found.values()]
}

function minorOf(program: string): number | undefined {
  try {
    const said = execFileSync(program, ['version', '--client', '-o', 'json'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const { clientVersion } = JSON.parse(said) as { clientVersion: { minor: string } }
    return Number.parseInt(clientVersion.minor, 10)
  } catch {
    return undefined
  }
}
