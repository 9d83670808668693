import type { ClientAddress } from '../model/session.ts'
import type { SharedState } from '../model/shared-layout.ts'
import { CLAIM_TRIES, ClientEntries } from './client-entries.ts'
import { latestTicks, NO_TOKEN, type Pace, settlePace } from './pace.ts'

/** The value of an entry is the sessions of its client plus one. One without sessions may give way to others. */
const WITHOUT_SESSIONS = 1
/** Word of the table's header: sessions that were let in uncounted. */
const UNCOUNTED = 2
/** Word of the table's header: the latest moment at which a token was asked for. */
const LATEST = 3

/** What {@link ClientSessions.enter} says instead of a ticket. */
export const TOO_MANY = -1
export const TOO_FAST = -2
/** The table had no room for the client: its session is let in, and no limit of its client's holds for it. */
export const NOT_COUNTED = 0

/** How many sessions each client has now, by Service port, and how fast it may begin more: in shared memory, without
 *  locks, the same for all threads. A number is changed by compare-and-swap only where the limit allows, so it is never
 *  exceeded. Whoever ends a session gives back its ticket, also for a thread that died: a ticket names the client's entry, which
 *  stays where it is while the client has a session. */
export class ClientSessions {
  readonly #entries: ClientEntries
  readonly #header: Int32Array<SharedArrayBuffer>
  /** Buckets of Service slots. */
  readonly #services: Int32Array<SharedArrayBuffer>
  /** Buckets of entries. */
  readonly #clients: Int32Array<SharedArrayBuffer>
  #waitMs = 0

  constructor({ clients, paces, serviceSlots }: Pick<SharedState, 'clients' | 'paces' | 'serviceSlots'>) {
    this.#entries = new ClientEntries(clients, WITHOUT_SESSIONS)
    this.#header = new Int32Array(clients, 0, LATEST + 1)
    this.#services = new Int32Array(paces, 0, serviceSlots)
    this.#clients = new Int32Array(paces, serviceSlots * Int32Array.BYTES_PER_ELEMENT)
  }

  /** How long the session that was let in last, or that got a token last, has to wait for its token. */
  get waitMs(): number {
    return this.#waitMs
  }

  /** Counts one more session of a client that may have `most`: a ticket above 0, or {@link NOT_COUNTED}, {@link TOO_MANY} or
   *  {@link TOO_FAST}. Only a session that is let in takes a token, which may come as late as `patienceMs` from now. */
  enter(service: number, client: ClientAddress, most: number, pace: Pace | undefined, nowMs: number, patienceMs = 0): number {
    this.#waitMs = 0
    const entries = this.#entries
    for (let tries = 0; tries < CLAIM_TRIES; tries++) {
      let at = entries.locate(service, client)
      if (at >= 0) {
        const sessions = this.#countIn(at, most)
        if (sessions > most) return TOO_MANY
        // It was given up in this moment.
        if (sessions === 0) continue
        entries.use(at, nowMs)
      } else {
        at = entries.claim(service, client, nowMs, pace?.fillMs ?? 0)
        if (at < 0) continue
        // What another client left there.
        Atomics.store(this.#clients, entries.indexOf(at), 0)
        entries.publish(at, WITHOUT_SESSIONS + 1)
      }
      if (pace === undefined) return at + 1
      this.#waitMs = pace.take(this.#clients, entries.indexOf(at), this.#latest(nowMs), patienceMs)
      if (this.#waitMs !== NO_TOKEN) return at + 1
      entries.add(at, -1)
      return TOO_FAST
    }
    Atomics.add(this.#header, UNCOUNTED, 1)
    return NOT_COUNTED
  }

  /** Ends a session that was counted. */
  leave(ticket: number): void {
    this.#entries.add(ticket - 1, -1)
  }

  /** Takes a token of a Service port, which may come as late as `patienceMs` from now; false: there is none. */
  takeOf(service: number, pace: Pace, nowMs: number, patienceMs = 0): boolean {
    this.#waitMs = pace.take(this.#services, service, this.#latest(nowMs), patienceMs)
    return this.#waitMs !== NO_TOKEN
  }

  /** Sessions of a client now. */
  count(service: number, client: ClientAddress): number {
    const at = this.#entries.locate(service, client)
    return at < 0 ? 0 : this.#entries.value(at) - WITHOUT_SESSIONS
  }

  /** Frees the entries of clients that have no session and their tokens back, or whose Service slot is nobody's. Returns how
   *  many remain. Walks the whole table: for the main thread, every few minutes. */
  sweep(nowMs: number, isLive: (service: number) => boolean): number {
    const entries = this.#entries
    settlePace(this.#header, LATEST, nowMs)
    for (let slot = 0; slot < this.#services.length; slot++) {
      if (this.#services[slot] === 0) continue
      if (isLive(slot)) settlePace(this.#services, slot, nowMs)
      else Atomics.store(this.#services, slot, 0)
    }
    let left = 0
    for (let at = entries.next(-1); at >= 0; at = entries.next(entries.indexOf(at))) {
      const rested = settlePace(this.#clients, entries.indexOf(at), nowMs)
      const over = (rested || !isLive(entries.serviceOf(at))) && entries.replace(at, WITHOUT_SESSIONS, 0)
      if (over) entries.free(at)
      else left++
    }
    return left
  }

  /** Sessions that were let in uncounted because the table had no room. */
  uncounted(): number {
    return Atomics.load(this.#header, UNCOUNTED) >>> 0
  }

  /** Clients without a session that were forgotten before they had their tokens back. */
  evictions(): number {
    return this.#entries.evictions
  }

  #latest(nowMs: number): number {
    return latestTicks(this.#header, LATEST, nowMs)
  }

  /** Counts one more session, if that is allowed: how many there are then. 0 where the entry is gone. */
  #countIn(at: number, most: number): number {
    const entries = this.#entries
    for (;;) {
      const value = entries.value(at)
      if (value === 0) return 0
      if (value - WITHOUT_SESSIONS >= most) return most + 1
      if (entries.replace(at, value, value + 1)) return value - WITHOUT_SESSIONS + 1
    }
  }
}
