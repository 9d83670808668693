import { isMapping } from './api-item.ts'

/** Why a request brought nothing, or why a watch ended. */
export interface Failure {
  /** Of the answer, or of the error that a watch carried; undefined: there was no answer. */
  readonly status: number | undefined
  readonly message: string
  /** How long the server wants to be left alone at least. */
  readonly retryAfterMs: number
  /** Nothing came for longer than it may take. */
  readonly silent?: boolean
}

/** The failure that a Status object tells of. */
export function failureOfStatus(status: unknown): Failure {
  const { code, message, reason, details } = isMapping(status) ? status : {}
  const seconds = isMapping(details) ? details['retryAfterSeconds'] : undefined
  const expired = reason === 'Expired' || reason === 'Gone'
  return {
    status: typeof code === 'number' ? code : expired ? 410 : undefined,
    message: typeof message === 'string' && message !== '' ? message : 'the server gave no reason',
    retryAfterMs: typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : 0,
  }
}

/** A failure that is not the server's word: what it sent makes no sense. */
export function broken(message: string): Failure {
  return { status: undefined, message, retryAfterMs: 0 }
}
