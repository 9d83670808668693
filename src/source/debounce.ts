import type { Clock, Timer } from '../lib/clock.ts'

/** Calls once for a burst of requests. */
export interface Debounce extends Disposable {
  request(): void
}

/** Calls `run` when `quietMs` went by without a request, or `longestMs` after the first of them. */
export function createDebounce(options: { clock: Clock; quietMs: number; longestMs: number; run: () => void }): Debounce {
  const { clock, quietMs, longestMs, run } = options
  let timer: Timer | undefined
  let firstMs: number | undefined

  const stop = (): void => {
    timer?.[Symbol.dispose]()
    timer = undefined
  }
  return {
    request() {
      stop()
      firstMs ??= clock.now()
      timer = clock.after(Math.min(quietMs, firstMs + longestMs - clock.now()), () => {
        firstMs = undefined
        timer = undefined
        run()
      })
    },
    [Symbol.dispose]: stop,
  }
}
