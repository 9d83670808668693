import type { RouteEndpoint } from '../model/delta.ts'
import type { SessionFacts } from '../model/session.ts'
import { endpointWord, IN_MAINTENANCE, type LedgerViews } from '../model/shared-layout.ts'
import { panics } from './panic.ts'

/** How endpoints stand, beyond what their list says: whether they are out, and how often in a row they failed, in whatever
 *  thread. Success costs one look at a word. */
export class Standing {
  readonly #words: LedgerViews['endpointWords']

  constructor({ endpointWords }: LedgerViews) {
    this.#words = endpointWords
  }

  /** Whether even clients with affinity must leave this endpoint of a list. */
  isOut(slot: number, list: readonly RouteEndpoint[], panicPercent: number): boolean {
    if (Atomics.load(this.#words, endpointWord(slot, 'override')) === IN_MAINTENANCE) return true
    return Atomics.load(this.#words, endpointWord(slot, 'health')) !== 0 && !panics(list, this.#words, panicPercent)
  }

  /** An attempt to reach it failed. */
  failed(slot: number): void {
    Atomics.add(this.#words, endpointWord(slot, 'failures'), 1)
  }

  /** It was reached. */
  reached(slot: number): void {
    this.#clear(endpointWord(slot, 'failures'))
  }

  /** A session that it had has ended. One that it broke off before it said anything counts against it. */
  ended({ lease, end, bytesFromEndpoint }: SessionFacts): void {
    const at = endpointWord(lease, 'resets')
    if (bytesFromEndpoint > 0 || end === 'endpoint-closed') this.#clear(at)
    else if (end === 'endpoint-reset') Atomics.add(this.#words, at, 1)
  }

  #clear(at: number): void {
    if ((this.#words[at] as number) > 0) Atomics.store(this.#words, at, 0)
  }
}
