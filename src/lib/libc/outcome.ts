import { errnoName } from './errno.ts'
import type { Libc } from './load.ts'

/** A call that the system refused: its C name, and why (`EADDRINUSE`). */
export interface FailedCall {
  readonly call: string
  readonly errno: string
}

/** What came of asking the system for something. */
export type Outcome<T> = { readonly value: T; readonly failed?: undefined } | { readonly failed: FailedCall }

/** The failure, if the call that just returned `result` failed. */
export function failureOf(libc: Libc, call: string, result: number): FailedCall | undefined {
  return result < 0 ? { call, errno: errnoName(libc.errno[0] as number) } : undefined
}
