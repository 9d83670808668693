import { ERRNO } from '../../lib/libc/errno.ts'
import type { SessionEnd } from '../../model/session.ts'
import type { Wait } from '../listener.ts'
import type { SessionOwner } from './tcp-endings.ts'
import { SESSION_MASK } from './tcp-relay.ts'
import { GREETED, HELD, HUNG_UP, type TcpTable, WAITING } from './tcp-table.ts'
import type { TimerWheel } from './timer-wheel.ts'
import { KIND_SHIFT, KIND_TCP, type WorkerContext } from './worker-context.ts'

/** Sessions that wait for a place, or for a first endpoint. Nothing is read of what their clients say meanwhile; a client that
 *  closes or resets is noticed all the same, and gone. */
export class TcpWaiting {
  readonly #context: WorkerContext
  readonly #table: TcpTable
  readonly #wheel: TimerWheel
  readonly #owner: SessionOwner

  constructor(context: WorkerContext, table: TcpTable, wheel: TimerWheel, owner: SessionOwner) {
    this.#context = context
    this.#table = table
    this.#wheel = wheel
    this.#owner = owner
  }

  /** Waits as told, or goes on to. */
  begin(session: number, told: Wait): void {
    const table = this.#table
    const { clock, policy } = this.#context
    const client = 2 * session
    const state = table.flags[client] as number
    const held = told.end === 'no-endpoint' ? HELD : 0
    if (state & WAITING) {
      // It waits for something else now: that is another time.
      if ((state & HELD) !== held) table.askedMs[session] = clock.now()
    } else if (state & HUNG_UP) {
      this.#owner.finish(session, 'client-closed')
      return
    } else if (policy.waiting.join(session, table.listeners[session] as number, told)) {
      table.askedMs[session] = clock.now()
      table.lastMs[session] = clock.now()
    } else {
      this.#owner.stop(session, 'over-limit')
      return
    }
    table.flags[client] = (state & ~HELD) | WAITING | held
    table.attemptMs[session] = told.withinMs
    this.#wheel.set(session, (table.askedMs[session] as number) + told.withinMs)
    // What came before, a look at the socket tells.
    if (!(state & (WAITING | GREETED)) && !this.#watch(client)) this.#owner.stop(session, 'over-limit')
  }

  /** It is asked for again, and waits no more unless it is told so. */
  end(session: number): void {
    const { flags } = this.#table
    flags[2 * session] = (flags[2 * session] as number) & ~(WAITING | HELD)
    this.#wheel.cancel(session)
  }

  /** How a session ends that has waited long enough. */
  endOf(session: number): SessionEnd {
    return (this.#table.flags[2 * session] as number) & HELD ? 'no-endpoint' : 'queue-timeout'
  }

  /** Its client's socket is in epoll already if a PROXY header came first. */
  #watch(client: number): boolean {
    const context = this.#context
    const fd = this.#table.fd(client)
    const token = (KIND_TCP << KIND_SHIFT) | client
    const generation = this.#table.generations[client] as number
    if (context.watch(fd, SESSION_MASK, token, generation)) return true
    return context.errno[0] === ERRNO.EEXIST && context.rewatch(fd, SESSION_MASK, token, generation)
  }
}
