import type { Ledger } from '../balancer/ledger.ts'
import type { Clock } from '../lib/clock.ts'
import type { ServicePortKey } from '../model/keys.ts'
import { lineTotal, waitingNow } from '../model/shared-lines.ts'
import type { Snapshot } from '../model/snapshot.ts'
import type { Logger } from '../observe/logger.ts'

/** A Service port that goes on being needed is told of this often. */
const TELL_EVERY_MS = 10_000
/** A scaler knows the event by this. */
const REASON = 'NeedEndpoints'

/** A Service port that holds its clients and has no endpoint. */
interface Empty {
  readonly slot: number
  /** Clients that had come when it was told of last. */
  needs: number
  /** More were counted since then. */
  noticed: boolean
  toldMs: number
}

/** Tells when clients come to Services that hold them and have no endpoint, so that somebody starts one. */
export class Needs {
  readonly #ledger: Ledger
  readonly #clock: Clock
  readonly #logger: Logger
  #empty = new Map<ServicePortKey, Empty>()

  constructor(ledger: Ledger, clock: Clock, logger: Logger) {
    this.#ledger = ledger
    this.#clock = clock
    this.#logger = logger
  }

  /** A snapshot that is about to be in force; its Services have slots. */
  follow(next: Snapshot): void {
    const empty = new Map<ServicePortKey, Empty>()
    for (const { port, holdMs } of next.routes.values()) {
      const slot = holdMs === undefined ? undefined : this.#ledger.knownServiceSlot(port.key)
      if (slot === undefined) continue
      const needs = lineTotal(this.#ledger.lines, slot, 'needs')
      empty.set(port.key, this.#empty.get(port.key) ?? { slot, needs, noticed: false, toldMs: Number.NEGATIVE_INFINITY })
    }
    this.#empty = empty
  }

  /** Looks who has come; call it every now and then. */
  look(): void {
    const now = this.#clock.now()
    for (const [key, empty] of this.#empty) {
      const needs = lineTotal(this.#ledger.lines, empty.slot, 'needs')
      if (needs === empty.needs || now - empty.toldMs < TELL_EVERY_MS) continue
      // A client is counted a moment before it stands in line: it is told of at the next look, with the line it is in.
      if (!empty.noticed) {
        empty.noticed = true
        continue
      }
      const fields = {
        key,
        reason: REASON,
        clients: needs - empty.needs,
        waiting: waitingNow(this.#ledger.lines, empty.slot),
      }
      this.#logger.warn('service.needs-endpoints', 'clients come, and there is no endpoint', fields)
      empty.needs = needs
      empty.toldMs = now
      empty.noticed = false
    }
  }
}
