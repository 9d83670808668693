import { ERRNO } from '../../lib/libc/errno.ts'
import type { SessionEnd } from '../../model/session.ts'

/** How often a call that a signal interrupted is made again at once. */
export const MOST_INTERRUPTIONS = 8

/** Whether a call failed because this machine has no descriptors, ports or memory left: no peer's doing. */
export function isExhaustion(errno: number): boolean {
  switch (errno) {
    case ERRNO.EMFILE:
    case ERRNO.ENFILE:
    case ERRNO.ENOBUFS:
    case ERRNO.ENOMEM:
    case ERRNO.ENOSPC:
    case ERRNO.EADDRNOTAVAIL:
    case ERRNO.EADDRINUSE:
      return true
    default:
      return false
  }
}

/** How a session ends whose call failed for a reason of ours; undefined: its peer, or the way there, is broken. */
export function ownEnd(errno: number): SessionEnd | undefined {
  if (isExhaustion(errno)) return 'over-limit'
  switch (errno) {
    case ERRNO.EINTR:
    case ERRNO.EBADF:
    case ERRNO.EFAULT:
    case ERRNO.EINVAL:
    case ERRNO.ENOTSOCK:
    case ERRNO.ENOSYS:
      return 'internal'
    default:
      return undefined
  }
}
