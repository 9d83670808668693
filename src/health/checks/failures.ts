import { errnoOf, messageOf } from '../../lib/errors.ts'

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'no connection in time',
}

/** What a failed call says of an endpoint, in words for people. */
export function failureOf(error: unknown): string {
  const code = errnoOf(error)
  return code === undefined ? messageOf(error) : (WORDS[code] ?? code)
}
