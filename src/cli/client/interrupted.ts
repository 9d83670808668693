import { keepAlive } from '../../lib/keep-alive.ts'

/** Whether somebody has asked the command to end. */
export interface Interrupted extends Disposable {
  readonly signal: AbortSignal
  /** Resolves when somebody has. */
  readonly done: Promise<void>
  /** Ends it as a signal would. */
  end(): void
}

/** Takes INT and TERM for a wish to end properly, and keeps the process alive, until disposed. */
export function untilInterrupted(): Interrupted {
  const controller = new AbortController()
  const { promise, resolve } = Promise.withResolvers<void>()
  const end = () => {
    controller.abort()
    resolve()
  }
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const signal of signals) process.on(signal, end)
  const alive = keepAlive()
  return {
    signal: controller.signal,
    done: promise,
    end,
    [Symbol.dispose]() {
      for (const signal of signals) process.off(signal, end)
      alive[Symbol.dispose]()
    },
  }
}
