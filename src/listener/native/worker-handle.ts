import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type { Clock } from '../../lib/clock.ts'
import { messageOf, ProxyError } from '../../lib/errors.ts'
import { EFD_CLOEXEC, EFD_NONBLOCK } from '../../lib/libc/constants.ts'
import { errnoName } from '../../lib/libc/errno.ts'
import type { Libc } from '../../lib/libc/load.ts'
import type { SharedState } from '../../model/shared-layout.ts'
import { MOST_FLOWS } from '../sctp/associations.ts'
import {
  ADOPTED_WORD,
  BUDGET_WORD,
  createEstate,
  type Estate,
  LOOPING_WORD,
  MESSAGE_WORD,
  SESSIONS_WORD,
  STOP_WORD,
} from './estate.ts'
import type { WorkerAnswer, WorkerFault, WorkerRequest, WorkerStart } from './messages.ts'
import { MOST_MOVED_AT_ONCE, type SessionSnapshot } from './session-snapshot.ts'
import { vacate } from './tcp-table.ts'
import { clearEstate, closeSessions, notTaken } from './undertaker.ts'

/** Pipes a worker may hold for splicing; fewer where there are few descriptors. */
const MOST_PIPES = 64
/** One descriptor in so many is for pipes, at most. */
const PIPE_SHARE = 8
/** What a worker's tables have room for at most, whatever the limit on descriptors is. */
const MOST_SESSIONS = 2 ** 20
/** The worker that has all SCTP. */
export const SCTP_ROW = 0
/** Session numbers that one life of a worker has. */
const IDS_PER_LIFE = 2 ** 32
const LIVES_PER_ROW = 2 ** 12
/** A thread that does not end by itself after it was told to is stuck in our own code: it is ended. */
const STUCK_AFTER_MS = 5_000
/** A worker allocates next to nothing between two changes of routes; by default V8 would keep up to 48 MB for it. */
const YOUNG_HEAP_MB = 6

/** What does not differ between the workers of an engine. */
export interface WorkerSettings {
  readonly libc: Libc
  /** Address of eight bytes that say 1: what is written to an eventfd. */
  readonly one: number
  /** Address of the linger value with which a close resets. */
  readonly reset: number
  readonly shared: SharedState
  readonly clock: Clock
  /** An eventfd of each row, with which workers wake each other. Not one of its own: who is about to write to it must never hit
   *  another descriptor, whoever died meanwhile. */
  readonly bells: readonly number[]
  /** The worker's entry. */
  readonly url: URL
  /** Descriptors that one worker may hold when there are no listeners. */
  readonly descriptors: number
  /** Told of an error of ours that ended one session of a worker. */
  readonly onFault: (row: number, reason: string) => void
}

/** A {@link WorkerRequest} that has no ticket yet. */
export type WorkerRequestBody = WorkerRequest extends infer R ? (R extends unknown ? Omit<R, 'ticket'> : never) : never

/** Main's end of one worker: a thread, the way to wake it, and what is left of it when it dies. */
export class WorkerHandle {
  readonly row: number
  /** What the thread holds. */
  readonly estate: Estate
  /** Resolves when the thread has ended and was buried. */
  readonly ended: Promise<void>
  readonly #settings: WorkerSettings
  readonly #worker: Worker
  readonly #port: MessagePort
  readonly #wakeFd: number
  readonly #pipes: number
  /** Sessions that its part of the descriptors is for. */
  readonly #most: number
  #arriving: readonly SessionSnapshot[] = []
  readonly #waiting = new Map<number, (answer: WorkerAnswer) => void>()
  #nextTicket = 1
  #over = false

  /** Starts the thread; `life` counts the workers that had this row before. When it has ended and what it held is closed,
   *  `onEnd` is called: with a reason if nobody told it to. What it counted stands in the estate until then.
   *  @throws ProxyError E_ENGINE without descriptors. */
  constructor(settings: WorkerSettings, row: number, life: number, onEnd: (worker: WorkerHandle, died?: string) => void) {
    const { libc, shared, descriptors } = settings
    this.#settings = settings
    this.row = row
    this.#wakeFd = libc.calls.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
    if (this.#wakeFd < 0) throw new ProxyError('E_ENGINE', 'system', `eventfd: ${errnoName(libc.errno[0] as number)}`)
    this.#pipes = Math.min(MOST_PIPES, Math.floor(descriptors / PIPE_SHARE / 2))
    const half = Math.min(MOST_SESSIONS, Math.max(1, Math.floor((descriptors - 2 * this.#pipes) / 2)))
    // Clients are accepted meanwhile: whether there is room for sessions is asked before they come.
    this.estate = createEstate({
      tcpSessions: half + MOST_MOVED_AT_ONCE,
      udpSessions: half,
      sctpSessions: row === SCTP_ROW ? MOST_FLOWS : 0,
      pipes: this.#pipes,
    })
    this.#most = half
    Atomics.store(this.estate.control, BUDGET_WORD, descriptors - 2 * this.#pipes)

    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    port1.on('message', (message: WorkerAnswer | WorkerFault) => this.#heard(message))
    port1.unref()
    const idBase = (row * LIVES_PER_ROW + (life % LIVES_PER_ROW)) * IDS_PER_LIFE
    const start: WorkerStart = { row, shared, estate: this.estate, wakeFd: this.#wakeFd, bells: settings.bells, idBase }
    this.#worker = new Worker(settings.url, {
      workerData: { start, port: port2 },
      transferList: [port2],
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_HEAP_MB },
    })
    let reason = 'its thread ended'
    this.#worker.on('error', (error) => {
      reason = messageOf(error)
    })
    this.ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        const told = this.estate.control[STOP_WORD] !== 0
        this.#bury()
        onEnd(this, told ? undefined : reason)
        resolve()
      })
    })
  }

  /** Sessions that run now, those on their way to it among them. */
  get sessions(): number {
    return this.#over ? 0 : Atomics.load(this.estate.control, SESSIONS_WORD)
  }

  /** Whether the thread has ended. */
  get over(): boolean {
    return this.#over
  }

  /** How many sessions of other workers it may be given. */
  get room(): number {
    const most = Math.min(this.#most, Math.floor(Atomics.load(this.estate.control, BUDGET_WORD) / 2))
    return this.#over ? 0 : Math.max(0, most - this.sessions)
  }

  /** Sessions that were sent to it and that it has not taken over; when it is over, those that it never did. */
  get arriving(): readonly SessionSnapshot[] {
    return this.#arriving
  }

  /** Takes over what the worker took out of its loop, so that it is not closed when the worker dies. */
  vacate(places: readonly number[]): void {
    for (const place of places) vacate(this.estate.tcp, place)
    Atomics.sub(this.estate.control, SESSIONS_WORD, places.length)
    void this.ask({ do: 'forget', places })
  }

  /** Gives it sessions, which are its own from now on: they end with it, even if it never gets to see them. One call at a
   *  time; the worker must not be over. Resolves when it has them, or is over. */
  async adopt(sessions: readonly SessionSnapshot[]): Promise<void> {
    Atomics.store(this.estate.control, ADOPTED_WORD, 0)
    Atomics.add(this.estate.control, SESSIONS_WORD, sessions.length)
    this.#arriving = sessions
    await this.ask({ do: 'adopt', sessions })
    if (!this.#over) this.#arriving = []
  }

  /** Asks the worker for something. Resolves with its answer, or at once with nothing if it is dead or dies. */
  ask(request: WorkerRequestBody): Promise<WorkerAnswer> {
    const ticket = this.#nextTicket++
    if (this.#over) return Promise.resolve({ ticket, count: 0 })
    const { promise, resolve } = Promise.withResolvers<WorkerAnswer>()
    this.#waiting.set(ticket, resolve)
    this.#port.postMessage({ ...request, ticket } as WorkerRequest)
    this.#wake()
    return promise
  }

  /** Has the worker look whether sessions that wait there may have their turn. */
  rouse(): void {
    const { libc, bells, one } = this.#settings
    libc.calls.write(bells[this.row] as number, one, 8)
  }

  /** Lets the worker hold so many descriptors, its pipes included. */
  budget(descriptors: number): void {
    if (this.#over) return
    const forSessions = descriptors - 2 * this.#pipes
    if (Atomics.exchange(this.estate.control, BUDGET_WORD, forSessions) < forSessions) this.#wake()
  }

  /** Tells the thread to end: its sessions are cut. Safe in an `exit` handler. */
  stop(): void {
    if (this.#over) return
    Atomics.store(this.estate.control, STOP_WORD, 1)
    this.#wake()
  }

  /** Ends the thread, by force if it does not do so soon after it was told to. */
  async end(): Promise<void> {
    this.stop()
    const { clock } = this.#settings
    const force = () => {
      // One that still loads the C library's bindings would take the process down with it; it ends by itself after that.
      if (Atomics.load(this.estate.control, LOOPING_WORD) === 0) timer = clock.after(STUCK_AFTER_MS, force)
      else void this.#worker.terminate()
    }
    let timer = clock.after(STUCK_AFTER_MS, force)
    await this.ended
    timer[Symbol.dispose]()
  }

  #wake(): void {
    Atomics.store(this.estate.control, MESSAGE_WORD, 1)
    this.#settings.libc.calls.write(this.#wakeFd, this.#settings.one, 8)
  }

  #heard(message: WorkerAnswer | WorkerFault): void {
    if ('fault' in message) {
      this.#settings.onFault(this.row, message.fault)
      return
    }
    const resolve = this.#waiting.get(message.ticket)
    this.#waiting.delete(message.ticket)
    resolve?.(message)
  }

  /** Closes what the thread still held, and answers for it. */
  #bury(): void {
    this.#over = true
    const { calls } = this.#settings.libc
    const { reset } = this.#settings
    this.#arriving = notTaken(this.estate, this.#arriving)
    closeSessions(this.#arriving, calls, reset)
    clearEstate(this.estate, calls, reset)
    calls.close(this.#wakeFd)
    this.#port.close()
    for (const [ticket, resolve] of this.#waiting) resolve({ ticket, count: 0 })
    this.#waiting.clear()
  }
}
