import { type LedgerViews, ledgerViews, noteMove, type SharedState } from '../../model/shared-layout.ts'
import type { SessionFilter } from '../listener.ts'
import { MOST_MOVED_AT_ONCE } from './session-snapshot.ts'
import type { WorkerCrew } from './worker-crew.ts'
import type { WorkerHandle } from './worker-handle.ts'

/** Main's part in moving sessions from worker to worker. Whom a session belongs to changes in one instant of main's, which
 *  also is who cleans up after a worker that died: a session is the giver's until main has read of it, and then the
 *  taker's, whether that has read of it or not. */
export class SessionMover {
  readonly #crew: WorkerCrew
  readonly #views: LedgerViews
  #last: Promise<unknown> = Promise.resolve()

  constructor(crew: WorkerCrew, shared: SharedState) {
    this.#crew = crew
    this.#views = ledgerViews(shared)
  }

  /** Runs one thing after another. Meanwhile no session is between two workers, where it would miss what both are asked. */
  exclusively<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#last.then(run)
    this.#last = done.catch(() => {})
    return done
  }

  /** Moves connected TCP sessions to the worker of a row, as far as that has room; resolves with how many. Each worker is
   *  gone through once: sessions that begin meanwhile stay. */
  async move(filter: SessionFilter, row: number): Promise<number> {
    if (filter.protocol !== undefined && filter.protocol !== 'TCP') return 0
    let moved = 0
    for (const giver of this.#crew.workers) {
      for (let from = 0; giver.row !== row && from >= 0; ) {
        const { count, next } = await this.exclusively(() => this.#pass(giver, filter, from, row))
        moved += count
        from = next
      }
    }
    return moved
  }

  /** Moves some sessions; `next` is where to go on in the giver's table, or -1. */
  async #pass(giver: WorkerHandle, filter: SessionFilter, from: number, row: number) {
    const most = Math.min(MOST_MOVED_AT_ONCE, this.#crew.workers[row]?.room ?? 0)
    if (most === 0) return { count: 0, next: -1 }
    const { given } = await giver.ask({ do: 'give', filter, from, most })
    if (!given) return { count: 0, next: -1 }
    const { sessions, places, next } = given
    // From here to where the taker has them nothing is waited for: no worker is buried in between.
    giver.vacate(places)
    const wanted = this.#crew.workers[row] as WorkerHandle
    const taker = wanted.over ? giver : wanted
    for (const { serviceSlot, lease } of sessions) noteMove(this.#views, giver.row, taker.row, serviceSlot, lease)
    if (sessions.length > 0) await taker.adopt(sessions)
    return taker === giver ? { count: 0, next: -1 } : { count: sessions.length, next }
  }
}
