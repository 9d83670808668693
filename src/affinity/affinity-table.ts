import type { ClientAddress } from '../model/session.ts'
import { ANY_VALUE, CLAIM_TRIES, ClientEntries } from './client-entries.ts'

/** What a look-up found when it found nothing. */
export const NO_ENDPOINT = -1

/** What a sweep keeps. */
export interface SweepRules {
  /** The timeout of a Service slot; 0 for one that has no affinity or is nobody's. */
  timeoutOf(service: number): number
  /** Whether an endpoint slot is somebody's. */
  isLive(endpoint: number): boolean
}

/** Which endpoint a client went to last, per Service port: sliding age, bounded size, in shared memory, without locks. Two
 *  threads never send one client to two endpoints. A full bucket evicts its longest unused entry. */
export class AffinityTable {
  /** The value of an entry is the endpoint's slot plus one. */
  readonly #entries: ClientEntries

  constructor(buffer: SharedArrayBuffer) {
    this.#entries = new ClientEntries(buffer, ANY_VALUE)
  }

  /** The endpoint slot remembered for this client, its age renewed; `NO_ENDPOINT` if there is none younger than
   *  `timeoutMs`. `nowMs` may be any clock's, as long as all callers share it. */
  find(service: number, client: ClientAddress, nowMs: number, timeoutMs: number): number {
    const entries = this.#entries
    const at = entries.locate(service, client)
    if (at < 0 || entries.ageMs(at, nowMs) >= timeoutMs) return NO_ENDPOINT
    entries.use(at, nowMs)
    return entries.value(at) - 1
  }

  /** What `find` would find, without leaving a trace; and how long ago it was found or remembered last. */
  peek(service: number, client: ClientAddress, nowMs: number): { readonly slot: number; readonly ageMs: number } | undefined {
    const at = this.#entries.locate(service, client)
    if (at < 0) return undefined
    const slot = this.#entries.value(at) - 1
    return slot < 0 ? undefined : { slot, ageMs: this.#entries.ageMs(at, nowMs) }
  }

  /** Remembers `slot` for a client that `find` did not know, and returns it; or, where another thread was a moment
   *  faster, returns that thread's choice, which stands. */
  remember(service: number, client: ClientAddress, slot: number, nowMs: number, timeoutMs: number): number {
    const entries = this.#entries
    for (let tries = 0; tries < CLAIM_TRIES; tries++) {
      const known = entries.locate(service, client)
      if (known >= 0) {
        const value = entries.value(known)
        if (value === 0) continue
        if (entries.ageMs(known, nowMs) < timeoutMs) return value - 1
        // Expired: whoever turns it into an open claim publishes it anew, the others wait for that.
        if (!entries.replace(known, value, 0)) continue
        entries.use(known, nowMs)
        entries.publish(known, slot + 1)
        return slot
      }
      const at = entries.claim(service, client, nowMs, timeoutMs)
      if (at < 0) continue
      entries.publish(at, slot + 1)
      return slot
    }
    return slot
  }

  /** Moves a client to another endpoint, known or not. */
  move(service: number, client: ClientAddress, slot: number, nowMs: number, timeoutMs: number): void {
    const at = this.#entries.locate(service, client)
    if (at < 0) {
      this.remember(service, client, slot, nowMs, timeoutMs)
      return
    }
    this.#entries.publish(at, slot + 1)
    this.#entries.use(at, nowMs)
  }

  /** Forgets this client of this Service port, if `slot` is what is remembered for it. */
  forget(service: number, client: ClientAddress, slot: number): void {
    const at = this.#entries.locate(service, client)
    if (at >= 0 && this.#entries.value(at) === slot + 1) this.#entries.free(at)
  }

  /** Frees what is older than its Service port's timeout, and what names a slot that is nobody's. Returns how many
   *  entries remain. Walks the whole table: for the main thread, now and then. */
  sweep(nowMs: number, { timeoutOf, isLive }: SweepRules): number {
    const entries = this.#entries
    let left = 0
    for (let at = entries.next(-1); at >= 0; at = entries.next(entries.indexOf(at))) {
      const expired = entries.ageMs(at, nowMs) >= timeoutOf(entries.serviceOf(at))
      if (expired || !isLive(entries.value(at) - 1)) entries.free(at)
      else left++
    }
    return left
  }

  /** Entries given up early because their bucket was full. */
  evictions(): number {
    return this.#entries.evictions
  }
}
