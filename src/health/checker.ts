import type { Clock, Timer } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { CheckPace } from '../model/health.ts'

/** Who is in doubt is asked so many times as often, but not more often than {@link LEAST_DOUBT_MS} unless its Service wants it. */
const DOUBT = 10
const LEAST_DOUBT_MS = 100
/** Of an interval, up and down: many that were asked together are soon asked apart. */
const JITTER = 0.1

/** Something that is asked again and again. */
export interface Inquiry<Answer> {
  readonly pace: CheckPace
  /** Asks once. Settles soon after `signal` is aborted, because the time is up or nobody wants to know any more. */
  ask(signal: AbortSignal): Promise<Answer>
  /** Takes an answer; true: the next one is wanted soon. Not called once the inquiry has ended. */
  take(answer: Answer): boolean
}

/** An inquiry that goes on until it is disposed. */
export interface RunningInquiry extends Disposable {
  /** Something may be wrong: asks soon. */
  hasten(): void
}

export interface CheckerOptions {
  readonly clock: Clock
  readonly random: Random
  /** How many are asked at the same moment; the others wait, in the order in which they fell due. */
  readonly atOnce: number
}

/** Asks, each at its own pace. */
export class Checker implements Disposable {
  readonly #options: CheckerOptions
  readonly #all = new Set<Run>()
  readonly #due = new Set<Run>()
  #asking = 0

  constructor(options: CheckerOptions) {
    this.#options = options
  }

  /** How many are being asked now. */
  get asking(): number {
    return this.#asking
  }

  /** Begins an inquiry: its first answer is wanted soon. */
  start<Answer>(inquiry: Inquiry<Answer>): RunningInquiry {
    const run: Run = new Run(inquiry as Inquiry<unknown>, this.#options, {
      due: () => {
        this.#due.add(run)
        this.#next()
      },
      ended: () => {
        this.#all.delete(run)
        this.#due.delete(run)
      },
    })
    this.#all.add(run)
    run.wait(true, true)
    return run
  }

  [Symbol.dispose](): void {
    for (const run of [...this.#all]) run[Symbol.dispose]()
  }

  #next(): void {
    for (const run of this.#due) {
      if (this.#asking >= this.#options.atOnce) return
      this.#due.delete(run)
      this.#asking++
      void run.ask().finally(() => {
        this.#asking--
        this.#next()
      })
    }
  }
}

/** One inquiry: waits, falls due, asks, and waits again. */
class Run implements RunningInquiry {
  readonly #inquiry: Inquiry<unknown>
  readonly #options: CheckerOptions
  readonly #tell: { due(): void; ended(): void }
  #state: 'waiting' | 'due' | 'asking' | 'ended' = 'waiting'
  #timer: Timer | undefined
  #startedMs: number
  #abort: AbortController | undefined
  #hastened = false

  constructor(inquiry: Inquiry<unknown>, options: CheckerOptions, tell: { due(): void; ended(): void }) {
    this.#inquiry = inquiry
    this.#options = options
    this.#tell = tell
    this.#startedMs = options.clock.now()
  }

  /** Waits for the next time. `anywhere`: at any moment until then, so that many do not begin together. */
  wait(soon: boolean, anywhere = false): void {
    const { clock, random } = this.#options
    const { intervalMs } = this.#inquiry.pace
    const chance = random.below(1_001) / 1_000
    const everyMs = soon ? this.#doubtMs : intervalMs
    const delayMs = anywhere ? everyMs * chance : everyMs * (1 - JITTER + 2 * JITTER * chance)
    this.#state = 'waiting'
    this.#timer?.[Symbol.dispose]()
    this.#timer = clock.after(this.#startedMs + delayMs - clock.now(), () => {
      this.#state = 'due'
      this.#tell.due()
    })
  }

  hasten(): void {
    if (this.#state === 'asking') this.#hastened = true
    else if (this.#state === 'waiting') this.wait(true)
  }

  /** Asks; resolves when nobody is being asked any more. */
  async ask(): Promise<void> {
    const { clock } = this.#options
    const abort = new AbortController()
    this.#abort = abort
    this.#state = 'asking'
    this.#startedMs = clock.now()
    const timer = clock.after(this.#inquiry.pace.timeoutMs, () => abort.abort())
    const answer = await this.#inquiry.ask(abort.signal)
    timer[Symbol.dispose]()
    if (this.#isOver) return
    const soon = this.#inquiry.take(answer)
    if (this.#isOver) return
    this.wait(soon || this.#hastened)
    this.#hastened = false
  }

  [Symbol.dispose](): void {
    this.#state = 'ended'
    this.#timer?.[Symbol.dispose]()
    this.#abort?.abort()
    this.#tell.ended()
  }

  get #isOver(): boolean {
    return this.#state === 'ended'
  }

  get #doubtMs(): number {
    const { intervalMs } = this.#inquiry.pace
    return Math.min(intervalMs, Math.max(intervalMs / DOUBT, LEAST_DOUBT_MS))
  }
}
