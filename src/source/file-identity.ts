import type { BigIntStats } from 'node:fs'

/** Files larger than this are not read. */
export const LARGEST_FILE_BYTES = 64 * 2 ** 20

/** A word that changes when a file is written, replaced or made readable. The inode's change time is what sees a rewrite
 *  that keeps size and modification time, and a `chmod`. */
export function identityOf(stats: BigIntStats): string {
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(':')
}
