import { execFileSync } from 'node:child_process'
import koffi from 'koffi'
import { messageOf } from '../../src/lib/errors.ts'

const CLONE_NEWNET = 0x4000_0000

/** Takes this process out of the machine's network into an empty one of its own, for good: loopback, and every address of
 *  `ranges`, which belong to no interface. Only what is started from now on, on the main thread, is in it. Returns why
 *  that cannot be done here; then the process may have no network at all, so skip everything that needs one. */
export function enterOwnNetwork(ranges: readonly string[]): string | undefined {
  if (process.platform !== 'linux') return 'only Linux has network namespaces'
  try {
    execFileSync('ip', ['-Version'], { stdio: 'ignore' })
  } catch {
    return 'iproute2 is not installed'
  }
  const unshare = koffi.load(null).func('int unshare(int flags)') as (flags: number) => number
  if (unshare(CLONE_NEWNET) !== 0) return 'this process may not make a network of its own; run as root'
  try {
    execFileSync('ip', ['link', 'set', 'lo', 'up'])
    for (const range of ranges) execFileSync('ip', ['route', 'add', 'local', range, 'dev', 'lo'])
  } catch (error) {
    return `a network of its own cannot be set up: ${messageOf(error)}`
  }
  return undefined
}
