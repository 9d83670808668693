import { EPOLLIN } from '../../lib/libc/constants.ts'
import { systemRandom } from '../../lib/random.ts'
import type { PublishedRoute, RouteDelta } from '../../model/delta.ts'
import type { SctpColumns } from '../sctp/flow-columns.ts'
import { SctpRelay } from '../sctp/relay.ts'
import { TimerWheel } from './timer-wheel.ts'
import { KIND_SCTP, KIND_SHIFT, type WorkerContext } from './worker-context.ts'

/** SCTP in a worker's loop: nothing at all until main hands over the raw sockets, which it does to one worker. */
export class SctpPart {
  readonly #context: WorkerContext
  readonly #columns: SctpColumns
  readonly #onCount: () => void
  /** Of the worker that has all SCTP. */
  relay: SctpRelay | undefined
  #wheel: TimerWheel | undefined

  /** `onCount` is told of every session that began or ended. */
  constructor(context: WorkerContext, columns: SctpColumns, onCount: () => void) {
    this.#context = context
    this.#columns = columns
    this.#onCount = onCount
  }

  /** Sessions that run. */
  get size(): number {
    return this.relay === undefined ? 0 : this.relay.size
  }

  /** Takes these raw sockets, which stay main's; -1: there is none. */
  take(fd4: number, fd6: number, routes: readonly PublishedRoute[]): void {
    const context = this.#context
    const { libc, clock, nextId, onFault } = context
    const wheel = new TimerWheel(this.#columns.ids.length, clock.now(), (flow) => this.relay?.due(flow))
    this.#wheel = wheel
    this.relay = new SctpRelay({
      libc,
      policy: () => context.policy,
      clock,
      random: systemRandom,
      columns: this.#columns,
      deadlines: wheel,
      nextId,
      onFault,
      onCount: this.#onCount,
      openArena: (bytes) => context.openArena(bytes),
    })
    this.relay.attach(fd4, fd6)
    this.apply({ revision: 0, set: routes, remove: [] })
    for (const fd of [fd4, fd6]) if (fd >= 0) context.watch(fd, EPOLLIN, (KIND_SCTP << KIND_SHIFT) | fd, 0)
  }

  apply(delta: RouteDelta): void {
    this.relay?.apply(delta)
  }

  /** Runs what is due, and sends what came of it. */
  advance(now: number): void {
    if (this.#wheel === undefined) return
    this.#wheel.advance(now)
    this.relay?.flush()
  }

  /** Milliseconds until {@link advance} has something to do, or -1. */
  waitMs(now: number): number {
    return this.#wheel === undefined ? -1 : this.#wheel.waitMs(now)
  }
}
