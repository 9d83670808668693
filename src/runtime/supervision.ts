import type { Clock, Timer } from '../lib/clock.ts'
import type { WorkerPulse } from '../model/worker-pulse.ts'
import type { Logger } from '../observe/logger.ts'

/** What a service manager is told in words. */
export interface SupervisedReading {
  readonly sessions: number
  readonly listening: number
  readonly listeners: number
  readonly problems: number
  /** Names of sources that have not loaded. */
  readonly waitingFor: readonly string[]
  /** Names of sources that were not read since a time (in milliseconds since 1970). */
  unreadSince(wallMs: number): readonly string[]
}

export interface SupervisionOptions {
  /** Tells the service manager lines such as `READY=1`; returns why it could not. Left out: there is none. */
  readonly send: ((state: string) => string | undefined) | undefined
  /** The manager ends the process when it was not told for so long that all is well. */
  readonly watchdogMs: number | undefined
  readonly clock: Clock
  readonly logger: Logger
}

/** The proxy as it is seen from here. */
export interface Supervised {
  read(): SupervisedReading
  /** Resolves when every thread with sessions has answered, or is known not to. */
  pulse(): Promise<readonly WorkerPulse[]>
}

type Phase = 'starting' | 'running' | 'reloading' | 'draining'

/** How often the words are looked at; they are sent only when they are others. */
const STATUS_EVERY_MS = 5_000
/** Asked for while it takes long, several times within that. */
const EXTEND_USEC = 30_000_000
/** After a thread did not answer, in parts of the watchdog's time. */
const AGAIN_PART = 8
/** How often it is looked whether a reload is done, and when that is no longer waited for. */
const RELOAD_LOOK_MS = 50
const RELOAD_MOST_MS = 5_000

/** Tells a service manager how the process is, in the words of `sd_notify(3)`: ready, reloading, stopping, a line for people,
 *  that it needs more time, and that nothing hangs: this thread runs this, and each thread with sessions has answered. */
export class Supervision implements Disposable {
  readonly #options: SupervisionOptions
  #proxy: Supervised | undefined
  #phase: Phase = 'starting'
  #status = ''
  /** What could not be told and must be. */
  #owed: readonly string[] = []
  #statusTimer: Timer | undefined
  #watchdogTimer: Timer | undefined
  #reloadTimer: Timer | undefined
  #silent = false
  #failed = false
  #disposed = false

  constructor(options: SupervisionOptions) {
    this.#options = options
  }

  /** From here on it speaks for this proxy. */
  attach(proxy: Supervised): void {
    this.#proxy = proxy
    if (!this.#options.send) return
    this.#sayStatus()
    if (this.#options.watchdogMs !== undefined) this.#feed(this.#options.watchdogMs)
  }

  /** Every source has loaded, every listener was tried. */
  ready(): void {
    if (this.#phase !== 'starting') return
    this.#phase = 'running'
    this.#tell('READY=1')
    if (this.#options.send) this.#sayStatus()
  }

  /** Everything is about to be read again. */
  reload(): void {
    if (!this.#proxy || (this.#phase !== 'running' && this.#phase !== 'reloading')) return
    const { clock } = this.#options
    this.#phase = 'reloading'
    // The manager matches it with its own request, on its monotonic clock, which is that of `now`.
    this.#tell('RELOADING=1', `MONOTONIC_USEC=${Math.round(clock.now() * 1000)}`)
    this.#awaitReload(this.#proxy, clock.wall(), clock.now() + RELOAD_MOST_MS)
  }

  /** Nothing new is taken any more. */
  drain(): void {
    if (this.#phase === 'draining') return
    this.#phase = 'draining'
    this.#reloadTimer?.[Symbol.dispose]()
    this.#tell('STOPPING=1')
    if (this.#options.send) this.#sayStatus()
  }

  [Symbol.dispose](): void {
    this.#disposed = true
    for (const timer of [this.#statusTimer, this.#watchdogTimer, this.#reloadTimer]) timer?.[Symbol.dispose]()
  }

  #awaitReload(proxy: Supervised, askedMs: number, untilMs: number): void {
    const { clock, logger } = this.#options
    this.#reloadTimer?.[Symbol.dispose]()
    this.#reloadTimer = clock.after(RELOAD_LOOK_MS, () => {
      const unread = proxy.read().unreadSince(askedMs)
      if (unread.length > 0 && clock.now() < untilMs) return this.#awaitReload(proxy, askedMs, untilMs)
      this.#phase = 'running'
      this.#tell('READY=1')
      if (unread.length === 0) logger.info('proxy.reloaded', 'every source was read again')
      else logger.warn('proxy.reloaded', 'not every source could be read again yet; its last state stays in force', { unread })
    })
  }

  /** Sends the line for people if it is another one, and asks for time where this may take long. */
  #sayStatus(): void {
    const { clock } = this.#options
    const line = this.#line()
    const waits = this.#phase === 'starting' || this.#phase === 'draining'
    const said = line === this.#status ? [] : [`STATUS=${line}`]
    const asked = waits ? [`EXTEND_TIMEOUT_USEC=${EXTEND_USEC}`] : []
    this.#status = line
    // The words last: they are what may be too long.
    const lines = [...this.#owed, ...asked, ...said]
    if (lines.length > 0) this.#tell(...lines)
    this.#statusTimer?.[Symbol.dispose]()
    this.#statusTimer = clock.after(STATUS_EVERY_MS, () => this.#sayStatus())
  }

  #line(): string {
    const reading = this.#proxy?.read()
    if (!reading) return this.#phase
    const { sessions, listening, listeners, problems, waitingFor } = reading
    const counts = [
      counted(sessions, 'session'),
      `${listening} of ${counted(listeners, 'address', 'addresses')} listening`,
      counted(problems, 'problem'),
    ]
    const waiting = waitingFor.length > 0 ? [`waiting for ${waitingFor.join(' ')}`] : []
    const phase = this.#phase === 'running' ? [] : [this.#phase]
    // A line break would begin another variable.
    return [...phase, ...waiting, ...counts].join(', ').replace(/\p{Cc}/gu, ' ')
  }

  #feed(watchdogMs: number): void {
    void this.#isAlive().then((alive) => {
      if (this.#disposed) return
      this.#note(alive)
      if (alive) this.#tell('WATCHDOG=1')
      const waitMs = alive ? watchdogMs / 2 : watchdogMs / AGAIN_PART
      this.#watchdogTimer = this.#options.clock.after(waitMs, () => this.#feed(watchdogMs))
    })
  }

  async #isAlive(): Promise<boolean> {
    try {
      return ((await this.#proxy?.pulse()) ?? []).every(({ answered }) => answered)
    } catch {
      return false
    }
  }

  #note(alive: boolean): void {
    const { logger } = this.#options
    if (!alive && !this.#silent) logger.warn('worker.silent', 'a worker does not answer; the watchdog is not fed until it does')
    if (alive && this.#silent) logger.info('worker.answers', 'every worker answers again')
    this.#silent = !alive
  }

  #tell(...lines: readonly string[]): void {
    const { logger, send } = this.#options
    const reason = send?.(lines.join('\n'))
    if (reason !== undefined && !this.#failed) {
      logger.warn('supervisor.failed', 'the service manager could not be told how the process is; it is told again later', {
        reason,
      })
    }
    this.#failed = reason !== undefined
    if (reason !== undefined) this.#status = ''
    const state = lines.filter((line) => line === 'READY=1' || line === 'STOPPING=1')
    if (reason === undefined) this.#owed = []
    else if (state.length > 0) this.#owed = state
  }
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
