import type { Clock, Timer } from '../lib/clock.ts'
import type { LogEvent } from './log-events.ts'
import type { LogFields, Logger } from './logger.ts'

export interface DamperOptions {
  readonly clock: Clock
  /** For how long a line that was written is not written again. */
  readonly windowMs?: number
}

/** A logger that holds back repetitions. */
export interface DampedLogger extends Logger, Disposable {}

/** Different lines remembered at once; beyond it lines pass as they are. */
const MOST_REMEMBERED = 4096

/** Wraps a logger so that a line whose event, key and message were written within the last 30 s is counted instead, and
 *  written once more at the end of that time with the count. Lines without a key and debug lines are never held back.
 *  Children share the memory; disposing it writes what was counted so far. */
export function dampLogger(logger: Logger, { clock, windowMs = 30_000 }: DamperOptions): DampedLogger {
  const runs = new Map<string, Run>()

  function wrap(inner: Logger, scope: string): Logger {
    const damped = (level: 'info' | 'warn' | 'error') => (event: LogEvent, message: string, fields?: LogFields) => {
      if (fields?.key === undefined) {
        inner[level](event, message, fields)
        return
      }
      const id = JSON.stringify([scope, level, event, fields.key, message])
      const run = runs.get(id)
      if (run) {
        run.repeat(fields)
        return
      }
      inner[level](event, message, fields)
      if (runs.size >= MOST_REMEMBERED) return
      const say = (again: number, last: LogFields) =>
        inner[level](event, `${message} (${again} more within ${windowMs / 1000} s)`, { ...last, again })
      runs.set(id, new Run(clock, windowMs, say, () => runs.delete(id)))
    }
    return {
      debug: (event, message, fields) => inner.debug(event, message, fields),
      info: damped('info'),
      warn: damped('warn'),
      error: damped('error'),
      child: (bindings) => wrap(inner.child(bindings), JSON.stringify([scope, bindings.component])),
    }
  }

  return {
    ...wrap(logger, ''),
    [Symbol.dispose]() {
      for (const run of runs.values()) run[Symbol.dispose]()
      runs.clear()
    },
  }
}

/** One line that was written, and how often it came again since. Forgotten after a window in which it did not. */
class Run implements Disposable {
  readonly #say: (again: number, last: LogFields) => void
  #again = 0
  #last: LogFields = {}
  #timer: Timer

  constructor(clock: Clock, windowMs: number, say: (again: number, last: LogFields) => void, forget: () => void) {
    this.#say = say
    const close = () => {
      if (this.#again === 0) {
        forget()
        return
      }
      this.#summarise()
      this.#timer = clock.after(windowMs, close)
    }
    this.#timer = clock.after(windowMs, close)
  }

  repeat(fields: LogFields): void {
    this.#again++
    this.#last = fields
  }

  #summarise(): void {
    if (this.#again > 0) this.#say(this.#again, this.#last)
    this.#again = 0
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]()
    this.#summarise()
  }
}
