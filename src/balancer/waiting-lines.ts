import { LINES, type LineCounter, type LineRow, type LineViews, lineCell, waitingNow } from '../model/shared-lines.ts'

/** How far behind the line of a list that of its sessions stands that have tried an endpoint: they cannot go everywhere, and must
 *  not stand in the way of those that can. */
export const AGAIN = LINES / 2

/** A session that waits. */
interface Waiter {
  readonly id: number
  readonly listener: number
  readonly ticket: number
  readonly sinceMs: number
  line: Line
  serviceSlot: number
}

/** The sessions of this thread in one line, the first one first. */
interface Line {
  readonly rotation: number
  readonly waiters: Waiter[]
}

/** The lines that sessions of all threads stand in, as one thread sees them. Whoever begins to wait draws a ticket, from one
 *  word for all; each thread keeps its own waiting sessions in order and shows the ticket of its first. The first of all is
 *  whoever has the smallest of those. Who makes a place, or sees one, tells that thread and no other.
 *
 *  No call is lost: who waits shows its ticket before it looks for a place once more, and who makes a place does so before it
 *  looks for tickets. */
export class WaitingLines {
  readonly #views: LineViews
  readonly #row: number
  readonly #own: LineRow
  /** Whether the first in a line would find a place now. */
  readonly #hasRoom: (rotation: number) => boolean
  readonly #lines = new Map<number, Line>()
  readonly #waiters = new Map<number, Waiter>()
  /** Lines whose first session here may have its turn. */
  readonly #stirred = new Set<Line>()
  /** To be asked for whatever their turn: what they wait for has changed. */
  #disturbed: Waiter[] = []
  /** Rows that were called and have to be woken. */
  readonly #wakes: number[] = []

  constructor(views: LineViews, row: number, hasRoom: (rotation: number) => boolean) {
    this.#views = views
    this.#row = row
    this.#own = views.rows[row] as LineRow
    this.#hasRoom = hasRoom
  }

  /** Whether {@link next} or {@link takeWake} may have something. */
  get restless(): boolean {
    return this.#stirred.size > 0 || this.#disturbed.length > 0 || this.#wakes.length > 0
  }

  /** Whether anybody waits in a line, in whatever thread. */
  isTaken(rotation: number): boolean {
    return this.#firstRow(rotation) >= 0
  }

  /** Whether this session is the first of all in its line. */
  isFirst(id: number): boolean {
    const waiter = this.#waiters.get(id)
    return waiter?.line.waiters[0] === waiter && waiter !== undefined && this.#firstRow(waiter.line.rotation) === this.#row
  }

  /** Stands in line. False: that would be more than `most` of the Service port. */
  join(id: number, listener: number, rotation: number, most: number, nowMs: number): boolean {
    const serviceSlot = Math.floor(rotation / LINES)
    Atomics.add(this.#own.waiting, serviceSlot, 1)
    if (waitingNow(this.#views, serviceSlot) > most) {
      Atomics.sub(this.#own.waiting, serviceSlot, 1)
      return false
    }
    const ticket = (Atomics.add(this.#views.ticket, 0, 2) + 1) | 0
    const waiter = { id, listener, ticket, sinceMs: nowMs, line: this.#line(rotation), serviceSlot }
    this.#waiters.set(id, waiter)
    this.#add(serviceSlot, 'waits', 1)
    this.#insert(waiter)
    if (this.#hasRoom(rotation)) this.tell(rotation)
    return true
  }

  /** Leaves its line, if it stands in one. */
  leave(id: number, nowMs: number): void {
    const waiter = this.#waiters.get(id)
    if (!waiter) return
    this.#waiters.delete(id)
    this.#add(waiter.serviceSlot, 'waitedMs', nowMs - waiter.sinceMs)
    Atomics.sub(this.#own.waiting, waiter.serviceSlot, 1)
    if (this.#remove(waiter)) this.#stirred.add(waiter.line)
  }

  /** Goes over to another line with its ticket; or stays. */
  move(id: number, rotation: number): void {
    const waiter = this.#waiters.get(id)
    if (!waiter || waiter.line.rotation === rotation) return
    const serviceSlot = Math.floor(rotation / LINES)
    if (this.#remove(waiter)) this.#stirred.add(waiter.line)
    if (serviceSlot !== waiter.serviceSlot) {
      Atomics.sub(this.#own.waiting, waiter.serviceSlot, 1)
      Atomics.add(this.#own.waiting, serviceSlot, 1)
      waiter.serviceSlot = serviceSlot
    }
    waiter.line = this.#line(rotation)
    this.#insert(waiter)
    this.#stirred.add(waiter.line)
  }

  /** A place of a Service port became free. */
  freed(serviceSlot: number): void {
    for (let list = 0; list < AGAIN; list++) {
      this.tell(serviceSlot * LINES + AGAIN + list)
      this.tell(serviceSlot * LINES + list)
    }
  }

  /** Tells the first of a line, in whatever thread, that there may be a place. */
  tell(rotation: number): void {
    const row = this.#firstRow(rotation)
    if (row === this.#row) this.#stirred.add(this.#line(rotation))
    else if (row >= 0) {
      const { calls, called } = this.#views.rows[row] as LineRow
      Atomics.store(calls, rotation, 1)
      if (Atomics.exchange(called, 0, 1) === 0) this.#wakes.push(row)
    }
  }

  /** What sessions of these listeners wait for has changed. */
  disturb(listeners: ReadonlySet<number>): void {
    if (this.#waiters.size === 0) return
    const disturbed = new Set(this.#disturbed)
    for (const waiter of this.#waiters.values()) if (listeners.has(waiter.listener)) disturbed.add(waiter)
    // Last first: they are taken from the end.
    this.#disturbed = [...disturbed].sort((a, b) => (b.ticket - a.ticket) | 0)
  }

  /** Takes note of what other threads have told this one. */
  heed(): void {
    if (Atomics.exchange(this.#own.called, 0, 0) === 0) return
    for (const line of this.#lines.values()) {
      if (Atomics.exchange(this.#own.calls, line.rotation, 0) !== 0) this.#stirred.add(line)
    }
  }

  /** The next session to ask for again; -1: none. */
  next(): number {
    for (let waiter = this.#disturbed.pop(); waiter; waiter = this.#disturbed.pop()) {
      if (this.#waiters.get(waiter.id) === waiter) return waiter.id
    }
    for (const line of this.#stirred) {
      const [first] = line.waiters
      if (first) return first.id
      this.#stirred.delete(line)
      if (this.#hasRoom(line.rotation)) this.tell(line.rotation)
    }
    return -1
  }

  /** The first session here of a line was asked for and has to wait on. `passes`: there is a place, for somebody else. */
  settle(rotation: number, passes: boolean): void {
    this.#stirred.delete(this.#line(rotation))
    if (passes) this.tell(rotation)
  }

  /** A row to wake, or -1. */
  takeWake(): number {
    return this.#wakes.pop() ?? -1
  }

  /** Counts a client that came while there was no endpoint. */
  needed(serviceSlot: number): void {
    this.#add(serviceSlot, 'needs', 1)
  }

  #line(rotation: number): Line {
    let line = this.#lines.get(rotation)
    if (!line) {
      line = { rotation, waiters: [] }
      this.#lines.set(rotation, line)
    }
    return line
  }

  /** The row whose first session in this line has the smallest ticket; -1: nobody waits. */
  #firstRow(rotation: number): number {
    const { rows } = this.#views
    let first = -1
    let least = 0
    for (let row = 0; row < rows.length; row++) {
      const head = Atomics.load((rows[row] as LineRow).heads, rotation)
      if (head === 0 || (first >= 0 && ((head - least) | 0) >= 0)) continue
      first = row
      least = head
    }
    return first
  }

  #insert(waiter: Waiter): void {
    const { waiters } = waiter.line
    const at = placeOf(waiters, waiter.ticket)
    waiters.splice(at, 0, waiter)
    if (at === 0) this.#show(waiter.line)
  }

  /** True: it was the first. */
  #remove({ line, ticket }: Waiter): boolean {
    const at = placeOf(line.waiters, ticket)
    line.waiters.splice(at, 1)
    if (at === 0) this.#show(line)
    return at === 0
  }

  #show({ rotation, waiters }: Line): void {
    Atomics.store(this.#own.heads, rotation, waiters[0]?.ticket ?? 0)
  }

  #add(serviceSlot: number, counter: LineCounter, amount: number): void {
    const { counters } = this.#own
    const cell = lineCell(serviceSlot, counter)
    counters[cell] = (counters[cell] as number) + amount
  }
}

/** Where a ticket stands, or would stand, among tickets in order. */
function placeOf(waiters: readonly Waiter[], ticket: number): number {
  let from = 0
  let to = waiters.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if ((((waiters[middle] as Waiter).ticket - ticket) | 0) < 0) from = middle + 1
    else to = middle
  }
  return from
}
