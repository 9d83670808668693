/** Every code a {@link ProxyError} can carry; each has a line in `docs/errors.md`. */
export type ErrorCode = 'E_CONFIG' | 'E_ENGINE' | 'E_VIP_MODE' | 'E_ADMIN' | 'E_ASK' | 'E_STORE' | 'E_INTERNAL'

/** Whose doing it was: what an operator looks at first. */
export type ErrorOrigin = 'client' | 'endpoint' | 'config' | 'system' | 'bug'

/** The one class this program throws. Test `code`, never `message`. */
export class ProxyError extends Error {
  readonly code: ErrorCode
  readonly origin: ErrorOrigin

  constructor(code: ErrorCode, origin: ErrorOrigin, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'ProxyError'
    this.code = code
    this.origin = origin
  }
}

/** The system's error name, such as `EADDRINUSE`, or undefined where the error has none. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const code = (error as NodeJS.ErrnoException).code
  return typeof code === 'string' ? code : undefined
}

/** Whether `error` came from the system with this name (`EADDRINUSE`, `ENOENT`, …). */
export function isErrno(error: unknown, name: string): boolean {
  return errnoOf(error) === name
}

/** What to print of an error: its message, never its stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
