import type { Clock } from '../../lib/clock.ts'
import { type Arena, openArena } from '../../lib/libc/arena.ts'
import { SHUT_RD, SO_REUSEADDR, SOL_SOCKET } from '../../lib/libc/constants.ts'
import { errnoName } from '../../lib/libc/errno.ts'
import type { Libc } from '../../lib/libc/load.ts'
import { OptionValues } from '../../lib/libc/option-values.ts'
import { openSockets, type ReusePort, type Sockets } from '../../lib/libc/sockets.ts'
import { fillClientAddress } from '../../model/address.ts'
import type { PublishedRoute, RouteDelta } from '../../model/delta.ts'
import type { Protocol } from '../../model/keys.ts'
import type { ClientAddress, SessionEnd } from '../../model/session.ts'
import type { SharedState } from '../../model/shared-layout.ts'
import type { WorkerPulse } from '../../model/worker-pulse.ts'
import { bindFailure } from '../bind-failure.ts'
import type {
  Capability,
  Engine,
  ListenerSpec,
  ListenerStatus,
  MovedSoFar,
  SessionFilter,
  SessionListing,
  SessionPolicy,
  SessionQuery,
  TraceOrder,
  WorkerReading,
} from '../listener.ts'
import { sctpRefusal } from '../sctp/refusal.ts'
import { SessionMatcher } from '../session-matcher.ts'
import { SctpFront } from './sctp-front.ts'
import { listSessions, tallySessions } from './session-list.ts'
import { SessionMover } from './session-mover.ts'
import { WorkerCrew } from './worker-crew.ts'
import { SCTP_ROW, type WorkerHandle } from './worker-handle.ts'
import { feelPulse } from './worker-pulse.ts'

/** Connections the kernel may hold for us; the system's own limit may be lower. */
const BACKLOG = 16_384
/** What the kernel may hold of datagrams for us, if it lets us ask for so much. */
const UDP_BUFFER_BYTES = 8 * 1024 * 1024
/** Listening sockets take at most one descriptor in so many, each worker having its own. */
const LISTENER_SHARE = 4
/** What it can whatever its privileges. */
const ABILITIES: readonly Capability[] = ['exact-reset', 'pause-accept', 'keep-parked-address', 'free-bind', 'user-timeout']
/** What sessions have at least, however many listeners there are. */
const LEAST_FOR_SESSIONS = 2

export interface NativeEngineOptions {
  readonly libc: Libc
  readonly shared: SharedState
  readonly workers: number
  /** The entry of a worker. */
  readonly workerUrl: URL
  /** Descriptors that listeners and sessions may hold, all workers together. */
  readonly descriptors: number
  readonly clock: Clock
  /** A policy for a worker's row: what counts the sessions of a worker that died. */
  readonly createPolicy: (row: number) => SessionPolicy
  /** Told when a worker died and will be replaced. */
  readonly onDeath: (row: number, reason: string) => void
  /** Told of an error of ours that ended one session of a worker. */
  readonly onFault: (row: number, reason: string) => void
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
export function openNativeEngine(options: NativeEngineOptions): NativeEngine {
  return new NativeEngine(options)
}

export type { NativeEngine }

/** What every engine does; and it moves sessions between its workers. */
class NativeEngine implements Engine {
  readonly name = 'native'
  readonly protocols: ReadonlySet<Protocol>
  readonly sctpRefusal: string | undefined
  readonly can: ReadonlySet<Capability>
  readonly #options: NativeEngineOptions
  readonly #arena: Arena
  readonly #sockets: Sockets
  readonly #crew: WorkerCrew
  readonly #mover: SessionMover
  readonly #sctp: SctpFront
  readonly #listeners = new Map<number, Opened>()
  /** Every route in force: what a worker that takes another's place is told. */
  readonly #routes = new Map<number, PublishedRoute>()
  readonly #onExit = () => this.#crew.dismiss()
  /** Descriptors of listeners. */
  #held = 0
  #revision = 0
  /** What a worker that takes another's place is told. */
  #trace: TraceOrder | undefined
  #draining = false
  #disposed = false

  constructor(options: NativeEngineOptions) {
    const { libc, shared, clock, workers, workerUrl, onDeath, onFault } = options
    this.#options = options
    this.#sockets = openSockets(libc)
    this.can = new Set(this.#sockets.mayBeTransparent() ? [...ABILITIES, 'transparent-source'] : ABILITIES)
    this.sctpRefusal = sctpRefusal(libc)
    this.protocols = new Set(this.sctpRefusal === undefined ? ['TCP', 'UDP', 'SCTP'] : ['TCP', 'UDP'])
    this.#arena = openArena(libc, 4096)
    const one = this.#arena.allocate(8)
    this.#arena.u32[one >> 2] = 1
    const reset = new OptionValues(this.#arena).reset
    const descriptors = Math.floor(options.descriptors / workers)
    const settings = { libc, one: this.#arena.addressOf(one), reset, shared, clock, url: workerUrl, descriptors, onFault }
    try {
      this.#crew = new WorkerCrew({
        settings,
        workers,
        policyFor: (row, listeners) => this.#policyFor(row, listeners),
        onDeath,
        onRevival: (worker) => this.#instruct(worker),
      })
    } catch (error) {
      this.#freeMemory()
      throw error
    }
    this.#mover = new SessionMover(this.#crew, shared)
    this.#sctp = new SctpFront({
      libc,
      sockets: this.#sockets,
      worker: () => this.#crew.workers[SCTP_ROW] as WorkerHandle,
      routes: () => this.#routes.values(),
    })
    // Node cannot end a thread that sits in a foreign call: whatever ends the process wakes the workers first.
    process.on('exit', this.#onExit)
  }

  async open(spec: ListenerSpec): Promise<ListenerStatus> {
    if (spec.protocol === 'SCTP') return this.#sctp.open(spec)
    const known = this.#listeners.get(spec.id)
    if (known?.listening) return { state: 'listening', address: spec.address }
    const opened = known ?? { spec, fds: [], shared: false, listening: false }
    const failure = opened.fds.length > 0 ? this.#listenAgain(opened) : this.#bind(opened)
    if (failure) return failure
    opened.listening = true
    this.#listeners.set(spec.id, opened)
    this.#shareDescriptors()
    await Promise.all(this.#crew.workers.map((worker) => this.#hand(worker, opened)))
    return { state: 'listening', address: spec.address }
  }

  async park(id: number): Promise<void> {
    const opened = this.#listeners.get(id)
    if (!opened?.listening) return
    opened.listening = false
    await this.#takeBack(opened, 'keep', 'no-endpoint')
    if (opened.spec.protocol === 'UDP') this.#closeAll(opened)
    else for (const fd of opened.fds) this.#stopListening(fd)
  }

  async close(id: number, sessions: 'keep' | 'cut'): Promise<void> {
    if (this.#sctp.has(id)) {
      this.#sctp.close(id)
      await this.#crew.ask({ do: 'leave', id, sessions, end: 'endpoint-removed' })
      return
    }
    const opened = this.#listeners.get(id)
    if (!opened) return
    this.#listeners.delete(id)
    await this.#takeBack(opened, sessions, 'endpoint-removed')
    this.#closeAll(opened)
  }

  async drain(): Promise<void> {
    this.#draining = true
    await this.#crew.ask({ do: 'drain' })
    for (const opened of this.#listeners.values()) if (opened.spec.protocol === 'TCP') this.#closeAll(opened)
    // A worker may be given sessions when it has none of its own any more.
    do await this.#crew.ask({ do: 'empty' })
    while (this.sessions() > 0)
    for (const [id, opened] of this.#listeners) {
      if (opened.listening) await this.#takeBack(opened, 'keep', 'drained')
      this.#closeAll(opened)
      this.#listeners.delete(id)
    }
  }

  async publish(delta: RouteDelta): Promise<void> {
    this.#revision = delta.revision
    for (const listener of delta.remove) this.#routes.delete(listener)
    for (const route of delta.set) this.#routes.set(route.listener, route)
    await this.#crew.ask({ do: 'publish', delta })
  }

  async cut(filter: SessionFilter, end: SessionEnd): Promise<number> {
    const answers = await this.#mover.exclusively(() => this.#crew.ask({ do: 'cut', filter, end }))
    return answers.reduce((sum, { count }) => sum + count, 0)
  }

  list(query: SessionQuery, most: number): Promise<SessionListing> {
    return listSessions(this.#crew.workers, new SessionMatcher(query), most)
  }

  /** Moves connected TCP sessions to another worker, as far as there is room for them; neither side notices. `worker` counts
   *  from 0. Returns how many. UDP sessions stay: their clients' datagrams come in at the socket of one worker. */
  move(filter: SessionFilter, worker: number): Promise<number> {
    return this.#mover.move(filter, worker)
  }

  sessions(): number {
    return this.#crew.workers.reduce((sum, worker) => sum + worker.sessions, 0)
  }

  async trace(order: TraceOrder | undefined): Promise<void> {
    this.#trace = order
    await this.#crew.ask({ do: 'trace', order })
  }

  tally(look: (session: MovedSoFar) => void): void {
    tallySessions(this.#crew.workers, look)
  }

  workers(): readonly WorkerReading[] {
    return this.#crew.workers.map(({ sessions, over }) => ({ sessions, running: !over }))
  }

  pulse(): Promise<readonly WorkerPulse[]> {
    return Promise.all(this.#crew.workers.map((worker) => feelPulse(worker, this.#options.clock)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return
    this.#disposed = true
    await this.#crew.end()
    process.off('exit', this.#onExit)
    for (const opened of this.#listeners.values()) this.#closeAll(opened)
    this.#listeners.clear()
    this.#sctp[Symbol.dispose]()
    this.#freeMemory()
  }

  /** Tells a worker that took a dead one's place what the others know. */
  #instruct(worker: WorkerHandle): void {
    this.#shareDescriptors()
    void worker.ask({ do: 'publish', delta: { revision: this.#revision, set: [...this.#routes.values()], remove: [] } })
    if (this.#trace) void worker.ask({ do: 'trace', order: this.#trace })
    for (const opened of this.#listeners.values()) if (opened.listening) void this.#hand(worker, opened)
    if (worker.row === SCTP_ROW) this.#sctp.revive()
  }

  #policyFor(row: number, listeners: ReadonlySet<number>): SessionPolicy {
    const policy = this.#options.createPolicy(row)
    const set = [...listeners].map((listener) => this.#routes.get(listener)).filter((route) => route !== undefined)
    policy.apply({ revision: this.#revision, set, remove: [] })
    return policy
  }

  /** Gives a worker the descriptor it listens on. */
  async #hand(worker: WorkerHandle, { spec, fds, shared }: Opened): Promise<void> {
    const fd = shared ? fds[0] : fds[worker.row]
    if (fd === undefined || (this.#draining && spec.protocol === 'TCP')) return
    if (shared && spec.protocol === 'UDP' && worker.row !== spec.id % this.#options.workers) return
    await worker.ask({ do: 'listen', id: spec.id, protocol: spec.protocol, fd, shared, draining: this.#draining })
  }

  async #takeBack({ spec }: Opened, sessions: 'keep' | 'cut', end: SessionEnd): Promise<void> {
    await this.#mover.exclusively(() => this.#crew.ask({ do: 'leave', id: spec.id, sessions, end }))
  }

  /** Opens the listener's sockets: one a worker, all of them before the first is read, because a group that shares an
   *  address must not change afterwards. */
  #bind(opened: Opened): ListenerStatus | undefined {
    const { spec } = opened
    const { freeBind } = spec
    const { workers } = this.#options
    const address: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
    fillClientAddress(spec.address.ip, spec.address.port, address)
    const count = this.#hasRoomForGroup() ? workers : 1
    opened.shared = count < workers
    for (let n = 0; n < count; n++) {
      const reusePort: ReusePort = count === 1 ? 'none' : n === 0 ? 'first' : 'join'
      const bound =
        spec.protocol === 'UDP'
          ? this.#sockets.bindUdp({ address, reusePort, freeBind, bufferBytes: UDP_BUFFER_BYTES, gro: true })
          : this.#sockets.listenTcp({ address, reusePort, freeBind, backlog: BACKLOG })
      if (bound.failed) {
        this.#closeAll(opened)
        return bindFailure(spec, bound.failed.errno, `${bound.failed.call}: ${bound.failed.errno}`)
      }
      opened.fds.push(bound.value.fd)
      this.#held++
    }
    return undefined
  }

  #listenAgain(opened: Opened): ListenerStatus | undefined {
    const { calls, errno } = this.#options.libc
    for (const fd of opened.fds) this.#sockets.options.setInt(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    for (const fd of opened.fds) {
      if (calls.listen(fd, BACKLOG) === 0) continue
      const name = errnoName(errno[0] as number)
      for (const listening of opened.fds) this.#stopListening(listening)
      return bindFailure(opened.spec, name, `listen: ${name}`)
    }
    return undefined
  }

  /** Refuses clients, and keeps the address: not even one who would share it with a socket that does not listen gets it. */
  #stopListening(fd: number): void {
    this.#options.libc.calls.shutdown(fd, SHUT_RD)
    this.#sockets.options.setInt(fd, SOL_SOCKET, SO_REUSEADDR, 0)
  }

  #closeAll(opened: Opened): void {
    for (const fd of opened.fds) this.#options.libc.calls.close(fd)
    this.#held -= opened.fds.length
    opened.fds = []
    opened.listening = false
    this.#shareDescriptors()
  }

  #hasRoomForGroup(): boolean {
    return this.#held + this.#options.workers <= this.#options.descriptors / LISTENER_SHARE
  }

  /** Sessions may have what listeners leave. */
  #shareDescriptors(): void {
    const { descriptors, workers } = this.#options
    const each = Math.floor((descriptors - this.#held) / workers)
    for (const worker of this.#crew.workers) worker.budget(Math.max(each, LEAST_FOR_SESSIONS))
  }

  #freeMemory(): void {
    this.#sockets[Symbol.dispose]()
    this.#arena[Symbol.dispose]()
  }
}
