import { SESSION_ENDS, type SessionEnd, sessionEndNumber } from '../../model/session.ts'
import type { Decision } from '../listener.ts'
import type { SessionOwner } from './tcp-endings.ts'
import { DELAYED, type TcpTable } from './tcp-table.ts'
import type { TimerWheel } from './timer-wheel.ts'
import type { WorkerContext } from './worker-context.ts'

/** Leaves clients without an answer for a while: nothing is read of what they say, and nothing is sent. */
export class TcpDelays {
  readonly #context: WorkerContext
  readonly #table: TcpTable
  readonly #wheel: TimerWheel
  readonly #owner: SessionOwner
  readonly #onWaited: (session: number) => void

  /** `onWaited` is told of each session that is to go on. */
  constructor(
    context: WorkerContext,
    table: TcpTable,
    wheel: TimerWheel,
    owner: SessionOwner,
    onWaited: (session: number) => void,
  ) {
    this.#context = context
    this.#table = table
    this.#wheel = wheel
    this.#owner = owner
    this.#onWaited = onWaited
  }

  begin(session: number, decision: Extract<Decision, { readonly do: 'drop' | 'delay' }>): void {
    const table = this.#table
    const { clock } = this.#context
    table.flags[2 * session] = (table.flags[2 * session] as number) | DELAYED
    if (decision.do === 'drop') table.reasons[session] = sessionEndNumber(decision.end) + 1
    table.askedMs[session] = clock.now()
    table.attemptMs[session] = decision.forMs
    this.#wheel.set(session, clock.now() + decision.forMs)
  }

  /** The time of a session is over: it goes on, or was turned away all along. */
  over(session: number): void {
    const table = this.#table
    table.flags[2 * session] = (table.flags[2 * session] as number) & ~DELAYED
    const reason = table.reasons[session] as number
    if (reason === 0) this.#onWaited(session)
    else this.#owner.stop(session, SESSION_ENDS[reason - 1] as SessionEnd)
  }
}
