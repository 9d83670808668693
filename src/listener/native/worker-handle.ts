import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { ProxyError } from '../../lib/errors.ts'
import type { Arena } from '../../lib/libc/arena.ts'
import { EFD_CLOEXEC, EFD_NONBLOCK } from '../../lib/libc/constants.ts'
import { errnoName } from '../../lib/libc/errno.ts'
import type { Libc } from '../../lib/libc/load.ts'
import { clearActive, type SharedState } from '../../model/shared-layout.ts'
import { SESSIONS_WORD, STOP_WORD, type WorkerAnswer, type WorkerRequest, type WorkerStart } from './messages.ts'
import { rosterBytes } from './tcp-table.ts'
import { udpRosterBytes } from './udp-table.ts'

/** Pipes a worker may hold for splicing. */
const MOST_PIPES = 64
/** Session numbers that one life of a worker has. */
const IDS_PER_LIFE = 2 ** 32
const LIVES_PER_ROW = 2 ** 12

/** What does not differ between the workers of an engine. */
export interface WorkerSettings {
  readonly libc: Libc
  /** Eight bytes of it are written to eventfds. */
  readonly arena: Arena
  readonly shared: SharedState
  /** The worker's entry. */
  readonly url: URL
  /** Descriptors that the sessions of one worker may hold. */
  readonly descriptors: number
}

type Request = WorkerRequest extends infer R ? (R extends unknown ? Omit<R, 'ticket'> : never) : never

/** Main's end of one worker: a thread, the way to wake it, and what is left of it when it dies. */
export class WorkerHandle {
  readonly row: number
  /** Resolves when the thread has ended, told to or not. */
  readonly ended: Promise<void>
  readonly #settings: WorkerSettings
  readonly #worker: Worker
  readonly #port: MessagePort
  readonly #wakeFd: number
  readonly #one: number
  readonly #control: Int32Array<SharedArrayBuffer>
  readonly #roster: SharedArrayBuffer
  readonly #tcpCapacity: number
  readonly #udpCapacity: number
  readonly #waiting = new Map<number, (answer: WorkerAnswer) => void>()
  #nextTicket = 1
  #over = false

  /** Starts the thread; `life` counts the workers that had this row before. `onDeath` is called if it ends untold. */
  constructor(settings: WorkerSettings, row: number, life: number, onDeath: (reason: string) => void) {
    const { libc, shared, descriptors } = settings
    this.#settings = settings
    this.row = row
    const control = new SharedArrayBuffer(8)
    this.#control = new Int32Array(control)
    const forSessions = descriptors - 2 * MOST_PIPES
    this.#tcpCapacity = Math.max(1, Math.floor(forSessions / 2))
    this.#udpCapacity = Math.max(1, Math.floor(forSessions / 2))
    this.#roster = new SharedArrayBuffer(rosterBytes(this.#tcpCapacity) + udpRosterBytes(this.#udpCapacity))
    this.#wakeFd = libc.calls.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
    if (this.#wakeFd < 0) throw new ProxyError('E_ENGINE', 'system', `eventfd: ${errnoName(libc.errno[0] as number)}`)
    const one = settings.arena.allocate(8)
    settings.arena.u32[one >> 2] = 1
    this.#one = settings.arena.addressOf(one)

    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    port1.on('message', (answer: WorkerAnswer) => this.#answered(answer))
    port1.unref()
    const start: WorkerStart = {
      row,
      shared,
      roster: this.#roster,
      descriptors: forSessions,
      tcpCapacity: this.#tcpCapacity,
      udpCapacity: this.#udpCapacity,
      mostPipes: MOST_PIPES,
      control,
      wakeFd: this.#wakeFd,
      idBase: (row * LIVES_PER_ROW + (life % LIVES_PER_ROW)) * IDS_PER_LIFE,
    }
    this.#worker = new Worker(settings.url, { workerData: { start, port: port2 }, transferList: [port2], execArgv: [] })
    let reason = 'its thread ended'
    this.#worker.on('error', (error) => {
      reason = error instanceof Error ? error.message : String(error)
    })
    this.ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#bury()
        resolve()
        if (this.#control[STOP_WORD] === 0) onDeath(reason)
      })
    })
  }

  /** Sessions that run now. */
  get sessions(): number {
    return this.#over ? 0 : Atomics.load(this.#control, SESSIONS_WORD)
  }

  /** Asks the worker for something. Resolves with its answer, or at once with nothing if it is dead or dies. */
  ask(request: Request): Promise<WorkerAnswer> {
    const ticket = this.#nextTicket++
    if (this.#over) return Promise.resolve({ ticket, count: 0 })
    const { promise, resolve } = Promise.withResolvers<WorkerAnswer>()
    this.#waiting.set(ticket, resolve)
    this.#port.postMessage({ ...request, ticket } as WorkerRequest)
    this.#wake()
    return promise
  }

  /** Tells the thread to end: its sessions are cut. Safe in an `exit` handler. */
  stop(): void {
    if (this.#over) return
    Atomics.store(this.#control, STOP_WORD, 1)
    this.#wake()
  }

  #wake(): void {
    this.#settings.libc.calls.write(this.#wakeFd, this.#one, 8)
  }

  #answered(answer: WorkerAnswer): void {
    const resolve = this.#waiting.get(answer.ticket)
    this.#waiting.delete(answer.ticket)
    resolve?.(answer)
  }

  /** Closes what the thread held and gives its leases back. A thread that was told to stop has left nothing. */
  #bury(): void {
    this.#over = true
    const { calls } = this.#settings.libc
    const held = [
      new Int32Array(this.#roster, 0, 2 * this.#tcpCapacity),
      new Int32Array(this.#roster, rosterBytes(this.#tcpCapacity), this.#udpCapacity),
    ]
    for (const fds of held) for (const fd of fds) if (fd !== 0) calls.close(fd - 1)
    clearActive(this.#settings.shared, this.row)
    calls.close(this.#wakeFd)
    this.#port.close()
    for (const [ticket, resolve] of this.#waiting) resolve({ ticket, count: 0 })
    this.#waiting.clear()
  }
}
