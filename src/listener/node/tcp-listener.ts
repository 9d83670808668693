import { createServer, type Server, type Socket } from 'node:net'
import { errnoOf, messageOf } from '../../lib/errors.ts'
import type { SessionEnd } from '../../model/session.ts'
import { bindFailure } from '../bind-failure.ts'
import type { ListenerSpec, ListenerStatus, SessionFilter } from '../listener.ts'
import type { NodeContext } from './context.ts'
import { TcpSession } from './tcp-session.ts'

/** How many turns of the event loop a drain waits for the accept queue to run empty. */
const MOST_DRAIN_TURNS = 1_000
/** Connections the kernel may hold for us. */
const BACKLOG = 4096

/** One TCP address and the sessions that came in through it. */
export class TcpListener {
  readonly spec: ListenerSpec
  readonly #context: NodeContext
  readonly #sessions = new Set<TcpSession>()
  #server: Server | undefined
  #accepted = 0
  #whenEmpty: (() => void)[] = []

  constructor(context: NodeContext, spec: ListenerSpec) {
    this.#context = context
    this.spec = spec
  }

  get sessions(): number {
    return this.#sessions.size
  }

  async open(): Promise<ListenerStatus> {
    const { ip, port } = this.spec.address
    if (this.#server) return { state: 'listening', address: this.spec.address }
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true })
    server.on('connection', (socket) => this.#accept(socket))
    const failure = await new Promise<Error | undefined>((resolve) => {
      server.once('error', resolve)
      server.listen({ host: ip, port, ipv6Only: true, exclusive: true, backlog: BACKLOG }, () => resolve(undefined))
    })
    if (failure) return bindFailure(this.spec, errnoOf(failure), messageOf(failure))
    server.removeAllListeners('error')
    // Accept errors (out of descriptors) are retried by the event loop; the session is lost, the listener is not.
    server.on('error', () => {})
    this.#server = server
    return { state: 'listening', address: this.spec.address }
  }

  /** Stops listening; sessions go on. */
  async stopListening(_end?: SessionEnd): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (!server) return
    // `close` calls back only after the last session ended; the socket itself is gone at once.
    server.close()
  }

  /** Accepts what the kernel's queue holds, stops listening, and resolves when the last session has ended. */
  async drain(): Promise<void> {
    for (let turn = 0; turn < MOST_DRAIN_TURNS; turn++) {
      const before = this.#accepted
      await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)))
      if (this.#accepted === before) break
    }
    await this.stopListening()
    await this.whenEmpty()
  }

  /** Resolves when no session runs. */
  async whenEmpty(): Promise<void> {
    if (this.#sessions.size > 0) await new Promise<void>((resolve) => this.#whenEmpty.push(resolve))
  }

  /** Its sessions that run. */
  get running(): Iterable<TcpSession> {
    return this.#sessions
  }

  /** A timeout of its sessions became shorter. */
  hasten(): void {
    for (const session of this.#sessions) session.hasten()
  }

  cut(filter: SessionFilter, end: SessionEnd): number {
    let count = 0
    for (const session of [...this.#sessions]) {
      if (filter.ids && !filter.ids.has(session.id)) continue
      if (filter.leases && !filter.leases.includes(session.lease)) continue
      if (session.cut(end)) count++
    }
    return count
  }

  #accept(socket: Socket): void {
    this.#accepted++
    const session = new TcpSession(this.#context, this.spec.id, socket, this.#ended)
    if (!this.#context.budget.openTcp()) {
      session.refuse('over-limit')
      return
    }
    this.#sessions.add(session)
    session.start()
  }

  readonly #ended = (session: TcpSession): void => {
    this.#context.budget.closeTcp()
    this.#sessions.delete(session)
    if (this.#sessions.size > 0) return
    const waiting = this.#whenEmpty
    this.#whenEmpty = []
    for (const resolve of waiting) resolve()
  }
}
