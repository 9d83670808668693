import { messageOf } from '../../lib/errors.ts'
import { EFD_CLOEXEC, EFD_NONBLOCK } from '../../lib/libc/constants.ts'
import type { Libc } from '../../lib/libc/load.ts'
import { refusedCall } from '../../lib/libc/refused-call.ts'
import type { SessionEnd } from '../../model/session.ts'
import { clearActive, type LedgerRow, ledgerViews } from '../../model/shared-layout.ts'
import { callEverybody, clearLines, type LineViews, lineViews } from '../../model/shared-lines.ts'
import type { SessionPolicy } from '../listener.ts'
import { SESSIONS_WORD } from './estate.ts'
import type { WorkerAnswer } from './messages.ts'
import { countLeft, listenersLeft } from './undertaker.ts'
import { WorkerHandle, type WorkerRequestBody, type WorkerSettings } from './worker-handle.ts'

/** A worker that died is replaced this much later; each one that dies soon after its start doubles it, so that one that
 *  cannot live does not burn a core. */
const REVIVE_AFTER_MS = 100
const LATEST_REVIVAL_MS = 10_000
/** A worker that lived this long was well. */
const WELL_AFTER_MS = 10_000

export interface CrewOptions {
  readonly settings: Omit<WorkerSettings, 'bells'>
  readonly workers: number
  /** A policy that counts for a row, knowing the routes of these listeners. */
  readonly policyFor: (row: number, listeners: ReadonlySet<number>) => SessionPolicy
  /** Told when a worker died and will be replaced. */
  readonly onDeath: (row: number, reason: string) => void
  /** Told when a worker took a dead one's place: it knows nothing yet. */
  readonly onRevival: (worker: WorkerHandle) => void
}

/** The workers of an engine. One that dies is buried, its sessions are counted, and another takes its place. */
export class WorkerCrew {
  readonly #options: CrewOptions
  readonly #settings: WorkerSettings
  readonly #bells: number[] = []
  readonly #lines: LineViews
  readonly #workers: WorkerHandle[] = []
  /** By row: workers so far, when the last one began, and deaths in a row soon after the start. */
  readonly #lives: number[]
  readonly #startedMs: number[]
  readonly #earlyDeaths: number[]
  #dismissed = false

  /** Starts them all.
   *  @throws ProxyError E_ENGINE when the system has no room for one. */
  constructor(options: CrewOptions) {
    const { workers, settings } = options
    this.#options = options
    this.#settings = { ...settings, bells: this.#bells }
    this.#lines = lineViews(settings.shared)
    this.#lives = Array(workers).fill(0)
    this.#startedMs = Array(workers).fill(0)
    this.#earlyDeaths = Array(workers).fill(0)
    try {
      for (let row = 0; row < workers; row++) this.#bells.push(openBell(settings.libc))
      for (let row = 0; row < workers; row++) this.#workers.push(this.#start(row))
    } catch (error) {
      void this.end()
      throw error
    }
  }

  /** Alive or not. */
  get workers(): readonly WorkerHandle[] {
    return this.#workers
  }

  /** Asks every worker for the same. */
  ask(request: WorkerRequestBody): Promise<readonly WorkerAnswer[]> {
    return Promise.all(this.#workers.map((worker) => worker.ask(request)))
  }

  /** Tells every worker to end. Safe in an `exit` handler. */
  dismiss(): void {
    this.#dismissed = true
    for (const worker of this.#workers) worker.stop()
  }

  /** Resolves when every worker has ended. */
  async end(): Promise<void> {
    this.dismiss()
    await Promise.all(this.#workers.map((worker) => worker.end()))
    for (const bell of this.#bells.splice(0)) this.#settings.libc.calls.close(bell)
  }

  #start(row: number): WorkerHandle {
    const settings = this.#settings
    const life = this.#lives[row] as number
    this.#lives[row] = life + 1
    this.#startedMs[row] = settings.clock.now()
    return new WorkerHandle(settings, row, life, (worker, died) => {
      this.#settle(worker, died === undefined ? 'killed' : 'internal')
      if (died !== undefined) this.#died(row, died)
    })
  }

  /** Counts the sessions that a worker could not count itself. */
  #settle({ row, estate, arriving }: WorkerHandle, end: SessionEnd): void {
    const { settings, policyFor } = this.#options
    const listeners = listenersLeft(estate)
    for (const { listener } of arriving) listeners.add(listener)
    if (listeners.size > 0) countLeft(estate, arriving, policyFor(row, listeners), end, settings.clock.now())
    estate.control[SESSIONS_WORD] = 0
    clearActive(settings.shared, row)
    clearLines(settings.shared, row, (ledgerViews(settings.shared).rows[row] as LedgerRow).active)
    // It may have left places, and calls that it was about to make.
    if (callEverybody(this.#lines)) for (const worker of this.#workers) worker.rouse()
  }

  #died(row: number, reason: string): void {
    const { settings, onDeath } = this.#options
    onDeath(row, reason)
    const livedMs = settings.clock.now() - (this.#startedMs[row] as number)
    const early = livedMs < WELL_AFTER_MS ? (this.#earlyDeaths[row] as number) + 1 : 1
    this.#earlyDeaths[row] = early
    const waitMs = Math.min(REVIVE_AFTER_MS * 2 ** (early - 1), LATEST_REVIVAL_MS)
    settings.clock.after(waitMs, () => this.#revive(row))
  }

  #revive(row: number): void {
    if (this.#dismissed) return
    try {
      const worker = this.#start(row)
      this.#workers[row] = worker
      this.#options.onRevival(worker)
    } catch (error) {
      this.#died(row, messageOf(error))
    }
  }
}

function openBell({ calls, errno }: Libc): number {
  const bell = calls.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
  if (bell < 0) throw refusedCall('eventfd', errno[0] as number)
  return bell
}
