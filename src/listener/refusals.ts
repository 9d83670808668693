import type { Tried } from '../model/session.ts'
import type { Decision } from './listener.ts'

export const NO_ROUTE: Decision = { do: 'refuse', end: 'no-endpoint' }
export const DENIED: Decision = { do: 'refuse', end: 'denied' }
export const OVER_LIMIT: Decision = { do: 'refuse', end: 'over-limit' }
const OUT_OF_ATTEMPTS = {
  'connect-refused': { do: 'refuse', end: 'connect-refused' },
  'connect-timeout': { do: 'refuse', end: 'connect-timeout' },
} as const satisfies { readonly [End in Tried['end']]: Decision }

/** The end of a session that may try nobody any more: that of its last attempt. */
export function outOfAttempts(tried: readonly Tried[]): Decision {
  const last = tried[tried.length - 1]
  return last ? OUT_OF_ATTEMPTS[last.end] : NO_ROUTE
}
