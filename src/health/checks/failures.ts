import { errnoOf, messageOf } from '../../lib/errors.ts'
import type { CheckAnswer } from '../ask.ts'

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'no connection in time',
}
/** What this machine or process is short of; no endpoint can help it. */
const OURS: readonly string[] = ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EAGAIN', 'EADDRNOTAVAIL', 'EADDRINUSE']

/** What a failed call says of an endpoint, if anything. `doing` goes before the reason. */
export function failureOf(error: unknown, doing = ''): CheckAnswer {
  const code = errnoOf(error)
  const reason = code === undefined ? messageOf(error) : (WORDS[code] ?? code)
  return code !== undefined && OURS.includes(code) ? { unasked: reason } : { failure: `${doing}${reason}` }
}
