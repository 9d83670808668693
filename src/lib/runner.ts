import type { Clock, Timer } from './clock.ts'

export interface RunnerOptions {
  readonly clock: Clock
  /** At least this long between the end of one run and the start of the next. */
  readonly minGapMs: number
  /** After a run that failed, the next begins no later than this. */
  readonly retryGapMs: number
  /** Does the work; a rejection asks for a retry. */
  readonly run: () => Promise<void>
  readonly onFailure: (error: unknown) => void
}

/** Paces a job that must follow changes. Promises: one run at a time; requests made while one waits or runs become one
 *  more run; never two runs closer than `minGapMs`; a failed run is repeated after `retryGapMs` even if nobody asks. */
export class Runner implements AsyncDisposable {
  readonly #options: RunnerOptions
  /** Resolves at the end of the run under way. */
  #running: PromiseWithResolvers<void> | undefined
  #wanted = false
  #timer: Timer | undefined
  #endedMs = Number.NEGATIVE_INFINITY
  #disposed = false

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  /** Asks for a run that sees everything up to now. */
  request(): void {
    this.#wanted = true
    if (this.#running || this.#disposed) return
    const { clock, minGapMs } = this.#options
    this.#timer?.[Symbol.dispose]()
    const waitMs = this.#endedMs + minGapMs - clock.now()
    if (waitMs <= 0) this.#start()
    else this.#timer = clock.after(waitMs, () => this.#start())
  }

  /** Waits for the run under way; nothing runs afterwards. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    this.#timer?.[Symbol.dispose]()
    await this.#running?.promise
  }

  #start(): void {
    this.#timer = undefined
    this.#wanted = false
    // Before the run begins: it may itself ask for the next one.
    this.#running = Promise.withResolvers()
    void this.#runOnce(this.#running)
  }

  async #runOnce(running: PromiseWithResolvers<void>): Promise<void> {
    const { clock, retryGapMs, run, onFailure } = this.#options
    let failed = false
    try {
      await run()
    } catch (error) {
      failed = true
      onFailure(error)
    }
    this.#running = undefined
    running.resolve()
    this.#endedMs = clock.now()
    if (this.#disposed) return
    if (this.#wanted) this.request()
    else if (failed) this.#timer = clock.after(retryGapMs, () => this.request())
  }
}
