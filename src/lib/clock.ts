/** A timer that was set; disposing it more than once, or after it fired, does nothing. */
export interface Timer extends Disposable {}

/** Time as the program sees it. Injected, so that tests move it by hand. */
export interface Clock {
  /** Milliseconds that only ever go forward; the origin has no meaning. */
  now(): number
  /** Milliseconds since 1970, for people and for files. */
  wall(): number
  /** Calls `run` once after `delayMs`. The timer does not keep the process alive. */
  after(delayMs: number, run: () => void): Timer
}

/** The longest delay Node's timers keep; a longer one would fire at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1

/** `performance.now()` starts at 0 in every thread; from the machine's monotonic clock all threads read the same time. */
const THREAD_START_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now()

/** The machine's own time. `now` agrees between the threads of a process. */
export const systemClock: Clock = {
  now: () => performance.now() + THREAD_START_MS,
  wall: () => Date.now(),
  after(delayMs, run) {
    const handle = setTimeout(run, Math.min(Math.max(delayMs, 0), LONGEST_DELAY_MS))
    handle.unref()
    return { [Symbol.dispose]: () => clearTimeout(handle) }
  },
}

/** A clock that stands still until it is told to move. */
export interface ManualClock extends Clock {
  /** Moves time forward, firing what falls due in order, each at its own moment. */
  advance(byMs: number): void
  /** How many timers are waiting. */
  readonly pending: number
}

/** Makes a clock for tests; `wall` starts at `wallMs` and moves along. */
export function manualClock(wallMs = 1_700_000_000_000): ManualClock {
  let now = 0
  let order = 0
  const waiting = new Set<{ atMs: number; order: number; run: () => void }>()
  return {
    now: () => now,
    wall: () => wallMs + now,
    after(delayMs, run) {
      const timer = { atMs: now + Math.max(delayMs, 0), order: order++, run }
      waiting.add(timer)
      return { [Symbol.dispose]: () => void waiting.delete(timer) }
    },
    advance(byMs) {
      const until = now + byMs
      for (;;) {
        let next: { atMs: number; order: number; run: () => void } | undefined
        for (const timer of waiting) {
          if (timer.atMs > until) continue
          if (!next || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order)) next = timer
        }
        if (!next) break
        waiting.delete(next)
        now = Math.max(now, next.atMs)
        next.run()
      }
      now = until
    },
    get pending() {
      return waiting.size
    },
  }
}
