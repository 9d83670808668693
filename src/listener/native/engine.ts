import { openArena } from '../../lib/libc/arena.ts'
import { SHUT_RD } from '../../lib/libc/constants.ts'
import { errnoName } from '../../lib/libc/errno.ts'
import type { Libc } from '../../lib/libc/load.ts'
import { openSockets, type ReusePort, type Sockets } from '../../lib/libc/sockets.ts'
import { fillClientAddress } from '../../model/address.ts'
import type { PublishedRoute, RouteDelta } from '../../model/delta.ts'
import type { ClientAddress, SessionEnd } from '../../model/session.ts'
import type { SharedState } from '../../model/shared-layout.ts'
import { bindFailure } from '../bind-failure.ts'
import type { Capability, Engine, ListenerSpec, ListenerStatus, SessionFilter } from '../listener.ts'
import { WorkerHandle, type WorkerSettings } from './worker-handle.ts'

/** Connections the kernel may hold for us; the system's own limit may be lower. */
const BACKLOG = 16_384
/** What the kernel may hold of datagrams for us, if it lets us ask for so much. */
const UDP_BUFFER_BYTES = 8 * 1024 * 1024
/** A worker that died is replaced this much later, so that one that cannot live does not burn a core. */
const REVIVE_AFTER_MS = 100

export interface NativeEngineOptions {
  readonly libc: Libc
  readonly shared: SharedState
  readonly workers: number
  /** The entry of a worker. */
  readonly workerUrl: URL
  /** Descriptors that sessions may hold, all workers together. */
  readonly descriptors: number
  /** Calls `run` after a while; does not keep the process alive. */
  readonly after: (delayMs: number, run: () => void) => void
  /** Told when a worker died and will be replaced. */
  readonly onDeath: (row: number, reason: string) => void
}

/** A listener and its descriptors: one a worker, or one that all share. */
interface Opened {
  readonly spec: ListenerSpec
  fds: number[]
  shared: boolean
  listening: boolean
}

/** Opens the fast engine: epoll loops in worker threads. This side opens and owns every listening descriptor. Linux only.
 *  @throws ProxyError E_ENGINE when the system has no memory or descriptors for it. */
export function openNativeEngine(options: NativeEngineOptions): Engine {
  return new NativeEngine(options)
}

class NativeEngine implements Engine {
  readonly name = 'native'
  readonly protocols = new Set(['TCP', 'UDP'] as const)
  readonly can: ReadonlySet<Capability> = new Set(['exact-reset', 'pause-accept', 'keep-parked-address'])
  readonly #options: NativeEngineOptions
  readonly #settings: WorkerSettings
  readonly #sockets: Sockets
  readonly #workers: WorkerHandle[]
  readonly #lives: number[]
  readonly #listeners = new Map<number, Opened>()
  /** Every route in force: what a worker that takes another's place is told. */
  readonly #routes = new Map<number, PublishedRoute>()
  readonly #onExit = () => this.#stopWorkers()
  #revision = 0
  #disposed = false

  constructor(options: NativeEngineOptions) {
    const { libc, shared, workers, workerUrl, descriptors } = options
    this.#options = options
    this.#sockets = openSockets(libc)
    this.#settings = {
      libc,
      arena: openArena(libc, 65_536),
      shared,
      url: workerUrl,
      descriptors: Math.floor(descriptors / workers),
    }
    this.#lives = Array.from({ length: workers }, () => 0)
    this.#workers = this.#lives.map((_, row) => this.#startWorker(row))
    // Node cannot end a thread that sits in a foreign call: whatever ends the process wakes the workers first.
    process.on('exit', this.#onExit)
  }

  async open(spec: ListenerSpec): Promise<ListenerStatus> {
    const known = this.#listeners.get(spec.id)
    if (known?.listening) return { state: 'listening', address: spec.address }
    const opened = known ?? { spec, fds: [], shared: false, listening: false }
    const failure = opened.fds.length > 0 ? this.#listenAgain(opened) : this.#bind(opened)
    if (failure) return failure
    opened.listening = true
    this.#listeners.set(spec.id, opened)
    await Promise.all(this.#workers.map((worker) => this.#hand(worker, opened)))
    return { state: 'listening', address: spec.address }
  }

  async park(id: number): Promise<void> {
    const opened = this.#listeners.get(id)
    if (!opened?.listening) return
    opened.listening = false
    await this.#takeBack(opened, 'keep', 'no-endpoint')
    if (opened.spec.protocol === 'UDP') this.#closeAll(opened)
    // The descriptor stays bound, so nobody else gets the address; clients are refused.
    else for (const fd of opened.fds) this.#options.libc.calls.shutdown(fd, SHUT_RD)
  }

  async close(id: number, sessions: 'keep' | 'cut'): Promise<void> {
    const opened = this.#listeners.get(id)
    if (!opened) return
    this.#listeners.delete(id)
    await this.#takeBack(opened, sessions, 'endpoint-removed')
    this.#closeAll(opened)
  }

  async drain(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.ask({ do: 'drain' })))
    for (const opened of this.#listeners.values()) if (opened.spec.protocol === 'TCP') this.#closeAll(opened)
    await Promise.all(this.#workers.map((worker) => worker.ask({ do: 'empty' })))
  }

  async publish(delta: RouteDelta): Promise<void> {
    this.#revision = delta.revision
    for (const listener of delta.remove) this.#routes.delete(listener)
    for (const route of delta.set) this.#routes.set(route.listener, route)
    await Promise.all(this.#workers.map((worker) => worker.ask({ do: 'publish', delta })))
  }

  async cut(filter: SessionFilter, end: SessionEnd): Promise<number> {
    const answers = await Promise.all(this.#workers.map((worker) => worker.ask({ do: 'cut', filter, end })))
    return answers.reduce((sum, { count }) => sum + count, 0)
  }

  sessions(): number {
    return this.#workers.reduce((sum, worker) => sum + worker.sessions, 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return
    this.#disposed = true
    this.#stopWorkers()
    await Promise.all(this.#workers.map((worker) => worker.ended))
    process.off('exit', this.#onExit)
    for (const opened of this.#listeners.values()) this.#closeAll(opened)
    this.#listeners.clear()
    this.#sockets[Symbol.dispose]()
    this.#settings.arena[Symbol.dispose]()
  }

  #stopWorkers(): void {
    for (const worker of this.#workers) worker.stop()
  }

  #startWorker(row: number): WorkerHandle {
    const life = this.#lives[row] as number
    this.#lives[row] = life + 1
    return new WorkerHandle(this.#settings, row, life, (reason) => {
      this.#options.onDeath(row, reason)
      this.#options.after(REVIVE_AFTER_MS, () => this.#revive(row))
    })
  }

  /** Puts a new worker in a dead one's place, on the same descriptors. */
  #revive(row: number): void {
    if (this.#disposed) return
    const worker = this.#startWorker(row)
    this.#workers[row] = worker
    void worker.ask({ do: 'publish', delta: { revision: this.#revision, set: [...this.#routes.values()], remove: [] } })
    for (const opened of this.#listeners.values()) if (opened.listening) void this.#hand(worker, opened)
  }

  /** Gives a worker the descriptor it listens on. */
  async #hand(worker: WorkerHandle, { spec, fds, shared }: Opened): Promise<void> {
    const fd = shared ? fds[0] : fds[worker.row]
    if (fd === undefined || (shared && spec.protocol === 'UDP' && worker.row !== spec.id % this.#workers.length)) return
    await worker.ask({ do: 'listen', id: spec.id, protocol: spec.protocol, fd, shared })
  }

  async #takeBack({ spec }: Opened, sessions: 'keep' | 'cut', end: SessionEnd): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.ask({ do: 'leave', id: spec.id, sessions, end })))
  }

  /** Opens the listener's sockets: one a worker, all of them before the first is read, because a group that shares an
   *  address must not change afterwards. */
  #bind(opened: Opened): ListenerStatus | undefined {
    const { spec } = opened
    const address: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
    fillClientAddress(spec.address.ip, spec.address.port, address)
    const count = this.#hasRoomForGroup() ? this.#workers.length : 1
    opened.shared = count < this.#workers.length
    for (let n = 0; n < count; n++) {
      const reusePort: ReusePort = count === 1 ? 'none' : n === 0 ? 'first' : 'join'
      const bound =
        spec.protocol === 'UDP'
          ? this.#sockets.bindUdp({ address, reusePort, bufferBytes: UDP_BUFFER_BYTES, gro: true })
          : this.#sockets.listenTcp({ address, reusePort, backlog: BACKLOG })
      if (bound.failed) {
        this.#closeAll(opened)
        return bindFailure(spec, bound.failed.errno, `${bound.failed.call}: ${bound.failed.errno}`)
      }
      opened.fds.push(bound.value.fd)
    }
    return undefined
  }

  /** Listening sockets take at most a quarter of the descriptors; beyond that an address has one for all workers. */
  #hasRoomForGroup(): boolean {
    const held = [...this.#listeners.values()].reduce((sum, { fds }) => sum + fds.length, 0)
    return held + this.#workers.length <= this.#options.descriptors / 4
  }

  #listenAgain(opened: Opened): ListenerStatus | undefined {
    const { calls, errno } = this.#options.libc
    for (const fd of opened.fds) {
      if (calls.listen(fd, BACKLOG) === 0) continue
      const name = errnoName(errno[0] as number)
      return bindFailure(opened.spec, name, `listen: ${name}`)
    }
    return undefined
  }

  #closeAll(opened: Opened): void {
    for (const fd of opened.fds) this.#options.libc.calls.close(fd)
    opened.fds = []
    opened.listening = false
  }
}
