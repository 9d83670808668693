import type { CheckQuestion } from '../model/health.ts'
import type { ServicePortKey, SocketAddress } from '../model/keys.ts'

/** What is asked of whom. */
export interface CheckRequest {
  readonly question: CheckQuestion | { readonly how: 'agent' }
  readonly address: SocketAddress
  readonly service: ServicePortKey
  /** The version of the PROXY header that says beforehand that nobody is behind it; undefined: none is expected. */
  readonly proxyHeader: 1 | 2 | undefined
}

/** What became of it, in words for people: what was said, why the answer is no good, or what we lacked to ask at all, which
 *  says nothing about the endpoint. */
export type CheckAnswer = { readonly said: string } | { readonly failure: string } | { readonly unasked: string }

/** Asks once. Never rejects; settles soon after `signal` is aborted, and holds nothing then. */
export type AskEndpoint = (request: CheckRequest, signal: AbortSignal) => Promise<CheckAnswer>
