import type {
  Engine,
  ListenerSpec,
  ListenerStatus,
  MovedSoFar,
  RunningSession,
  SessionFilter,
  SessionListing,
  SessionQuery,
  TraceOrder,
  WorkerReading,
} from '../../src/listener/listener.ts'
import { SessionMatcher } from '../../src/listener/session-matcher.ts'
import type { RouteDelta } from '../../src/model/delta.ts'
import type { SessionEnd } from '../../src/model/session.ts'
import type { WorkerPulse } from '../../src/model/worker-pulse.ts'

/** An engine without sockets that does what it is told, writes down what it was asked, and notices when two things are
 *  asked of one address at a time. */
export class FakeEngine implements Engine {
  readonly name = 'node'
  readonly protocols = new Set(['TCP', 'UDP', 'SCTP'] as const)
  readonly sctpRefusal = undefined
  readonly can = new Set<never>()
  /** What was asked, in order: `open TCP/10.0.0.1:80`, `close TCP/10.0.0.1:80 keep`, … */
  readonly asked: string[] = []
  readonly deltas: RouteDelta[] = []
  readonly cuts: { readonly filter: SessionFilter; readonly end: SessionEnd }[] = []
  /** Addresses that cannot be bound, with the reason. */
  readonly failing = new Map<string, string>()
  /** Operations that throw, once: `park TCP/10.0.0.1:80`. */
  readonly broken = new Set<string>()
  /** Two operations on one address at a time. */
  readonly overlaps: string[] = []
  /** How many sessions the next cut ends. */
  cutting = 0
  disposed = false
  /** Sees every delta before it is in force; may throw or wait. */
  onPublish: (delta: RouteDelta) => void | Promise<void> = () => {}
  readonly traces: (TraceOrder | undefined)[] = []
  readonly #listening = new Map<number, ListenerSpec>()
  readonly #keys = new Map<number, string>()
  readonly #busy = new Map<string, string>()
  readonly #gates = new Map<string, Promise<void>>()

  /** Addresses with a socket. */
  get listening(): string[] {
    return [...this.#listening.values()].map(({ key }) => key).sort()
  }

  /** Everything asked since this was called last. */
  takeAsked(): string[] {
    return this.asked.splice(0)
  }

  /** From now on operations on this address wait until the returned function is called. */
  hold(key: string): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#gates.set(key, promise)
    return () => {
      this.#gates.delete(key)
      resolve()
    }
  }

  open(spec: ListenerSpec): Promise<ListenerStatus> {
    this.#keys.set(spec.id, spec.key)
    return this.#do('open', spec.id, '', (): ListenerStatus => {
      const code = this.failing.get(spec.key)
      if (code !== undefined) return { state: 'failed', code, message: `listen ${spec.key}: ${code}`, retryAtMs: 0 }
      for (const other of this.#listening.values()) {
        if (other.key === spec.key && other.id !== spec.id) {
          return { state: 'failed', code: 'EADDRINUSE', message: `listen ${spec.key}: in use by ${other.id}`, retryAtMs: 0 }
        }
      }
      this.#listening.set(spec.id, spec)
      return { state: 'listening', address: spec.address }
    })
  }

  park(id: number): Promise<void> {
    return this.#do('park', id, '', () => void this.#listening.delete(id))
  }

  close(id: number, sessions: 'keep' | 'cut'): Promise<void> {
    return this.#do('close', id, ` ${sessions}`, () => void this.#listening.delete(id))
  }

  async drain(): Promise<void> {
    this.asked.push('drain')
  }

  async publish(delta: RouteDelta): Promise<void> {
    this.deltas.push(delta)
    await this.onPublish(delta)
  }

  async cut(filter: SessionFilter, end: SessionEnd): Promise<number> {
    this.cuts.push({ filter, end })
    return this.cutting
  }

  /** Sessions that it says are running. */
  running: readonly RunningSession[] = []

  async list(query: SessionQuery, most: number): Promise<SessionListing> {
    const matcher = new SessionMatcher(query)
    const matching = this.running.filter((session) => matcher.wants(session.protocol) && matcher.takes(session, session.lastMs))
    return { sessions: matching.slice(0, most), matched: matching.length }
  }

  sessions(): number {
    return 0
  }

  async trace(order: TraceOrder | undefined): Promise<void> {
    this.traces.push(order)
  }

  tally(look: (session: MovedSoFar) => void): void {
    for (const session of this.running) look(session)
  }

  workers(): readonly WorkerReading[] {
    return [{ sessions: 0, running: true }]
  }

  async pulse(): Promise<readonly WorkerPulse[]> {
    return [{ cpuMs: 0, answerMs: 0 }]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disposed = true
  }

  async #do<T>(verb: string, id: number, rest: string, work: () => T): Promise<T> {
    const key = this.#keys.get(id) ?? `#${id}`
    const operation = `${verb} ${key}`
    this.asked.push(operation + rest)
    const other = this.#busy.get(key)
    if (other !== undefined) this.overlaps.push(`${operation} during ${other}`)
    this.#busy.set(key, operation)
    try {
      await this.#gates.get(key)
      if (this.broken.delete(operation)) throw new Error(`${operation} broke`)
      return work()
    } finally {
      this.#busy.delete(key)
    }
  }
}
