import { keepAlive } from '../lib/keep-alive.ts'

/** What signals ask for. */
export interface SignalVerbs {
  /** TERM or INT, the first time: finish what runs, then end. */
  readonly drain: (signal: string) => void
  /** TERM or INT again: end now. */
  readonly end: (signal: string) => void
  /** HUP: read everything again. */
  readonly refresh: (signal: string) => void
  /** USR1: open what is written to again, for files that were moved away. */
  readonly reopen: (signal: string) => void
}

/** Turns the process's signals into verbs, and keeps the process alive, until disposed. */
export function openSignals(verbs: SignalVerbs): Disposable {
  let draining = false
  const onEnding = (signal: string): void => {
    const verb = draining ? verbs.end : verbs.drain
    draining = true
    verb(signal)
  }
  const handlers = { SIGTERM: onEnding, SIGINT: onEnding, SIGHUP: verbs.refresh, SIGUSR1: verbs.reopen } as const
  for (const [signal, handler] of Object.entries(handlers)) process.on(signal, handler)
  // Signal handlers do not, and before the first socket is open nothing else does.
  const alive = keepAlive()
  return {
    [Symbol.dispose]() {
      for (const [signal, handler] of Object.entries(handlers)) process.off(signal, handler)
      alive[Symbol.dispose]()
    },
  }
}
