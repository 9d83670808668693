import type { Clock, Timer } from '../lib/clock.ts'
import type { RemovalPolicy } from '../model/service.ts'

/** Sessions of endpoints that left: kept, drained until a deadline, or cut at once, as their Service says. */
export class Removals implements Disposable {
  readonly #clock: Clock
  readonly #cut: (leases: readonly number[], revision: number) => void
  readonly #deadlines = new Set<Timer>()

  constructor(clock: Clock, cut: (leases: readonly number[], revision: number) => void) {
    this.#clock = clock
    this.#cut = cut
  }

  /** Endpoints with these slots left a Service with this policy, with this revision. By the time of a deadline they may
   *  have come back, and a slot may have been given to another endpoint: the revision tells. */
  left(leases: readonly number[], revision: number, policy: RemovalPolicy): void {
    if (leases.length === 0 || policy.do === 'keep') return
    if (policy.do === 'cut') {
      this.#cut(leases, revision)
      return
    }
    const deadline = this.#clock.after(policy.deadlineMs, () => {
      this.#deadlines.delete(deadline)
      this.#cut(leases, revision)
    })
    this.#deadlines.add(deadline)
  }

  [Symbol.dispose](): void {
    for (const deadline of this.#deadlines) deadline[Symbol.dispose]()
    this.#deadlines.clear()
  }
}
