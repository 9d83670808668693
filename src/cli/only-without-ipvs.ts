import type { Clock } from '../lib/clock.ts'
import type { KernelFiles } from '../lib/kernel-files.ts'
import type { Logger } from '../observe/logger.ts'
import { findIpvs } from '../runtime/ipvs.ts'
import { createGatedSource } from '../source/gated-source.ts'
import { createLatest } from '../source/latest.ts'
import type { Source } from '../source/source.ts'

export interface OnlyWithoutIpvsOptions {
  readonly sources: readonly Source[]
  readonly kernel: KernelFiles
  readonly clock: Clock
  readonly logger: Logger
}

/** The same sources, which hold nothing as long as IPVS works on this machine: somebody else serves Services then. Looks
 *  now, and whenever told to. */
export function onlyWithoutIpvs({ sources, kernel, clock, logger }: OnlyWithoutIpvsOptions): {
  readonly sources: readonly Source[]
  readonly onRefresh: () => void
} {
  const open = createLatest<boolean>()
  const look = (): void => {
    const { works, reason } = findIpvs(kernel)
    const what = works ? 'IPVS works here: idle, no Service is served' : 'IPVS does not work here: Services are served'
    logger.info('ipvs.looked', `${what} (${reason})`, { works })
    open.set(!works)
  }
  look()
  return { sources: sources.map((source) => createGatedSource(source, open, clock)), onRefresh: look }
}
