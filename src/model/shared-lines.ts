/** Lines a Service port has: one for each rotation word. */
export const LINES = 8
/** What is counted of waiting, per Service port and row. Append, never reorder. */
export const LINE_COUNTERS = ['waits', 'waitedMs', 'needs'] as const
/** `waits`: sessions that had to wait; `waitedMs`: how long, of those that wait no more; `needs`: clients that found a Service
 *  without an endpoint that holds them. */
export type LineCounter = (typeof LINE_COUNTERS)[number]

/** Cells that a Service port has for {@link LINE_COUNTERS} in each row. */
const COUNTER_CELLS = 4
const WORD_BYTES = 4
const CELL_BYTES = 8
/** Common words before the owners: the last ticket, and one that is not used. */
const FIRST_OWNER = 2
/** Words of a row before its tables: whether it is called, and one that is not used. */
const ROW_WORDS = 2

/** Views of the memory in which sessions of all threads stand in line. A *line* is known by the rotation word of its list of
 *  endpoints. Nothing in it is written, and no page of it used, before a Service limits or holds its sessions; but for the
 *  owners. The rules are those of the ledger; words of rows are written atomically, for other threads wait on them. */
export interface LineViews {
  /** The last ticket that was given, in all lines: odd, and wraps around. */
  readonly ticket: Int32Array<SharedArrayBuffer>
  /** The Service slot plus one that an endpoint slot belongs to, by endpoint slot. Main's to write. */
  readonly owners: Int32Array<SharedArrayBuffer>
  readonly rows: readonly LineRow[]
}

/** The memory, and what it is for. Plain data. */
export interface LineMemory {
  readonly rows: number
  readonly serviceSlots: number
  readonly endpointSlots: number
  readonly lines: SharedArrayBuffer
}

/** One thread's part. */
export interface LineRow {
  /** Counters of Service slots, from {@link lineCell} on. */
  readonly counters: Float64Array<SharedArrayBuffer>
  /** Its sessions with an endpoint, by Service slot; only the sum of the rows has a meaning. */
  readonly leased: Int32Array<SharedArrayBuffer>
  /** Its sessions that stand in line, by Service slot. */
  readonly waiting: Int32Array<SharedArrayBuffer>
  /** The ticket of its first session in each line; 0: none waits. */
  readonly heads: Int32Array<SharedArrayBuffer>
  /** Not 0: its first session in this line is to be asked for. Other threads write it. */
  readonly calls: Int32Array<SharedArrayBuffer>
  /** Not 0: some of `calls` is not 0. One word. */
  readonly called: Int32Array<SharedArrayBuffer>
}

/** The bytes that {@link lineViews} is a view of. */
export function lineBytes(rows: number, serviceSlots: number, endpointSlots: number): number {
  return WORD_BYTES * commonWords(endpointSlots) + rows * rowBytes(serviceSlots)
}

export function lineViews({ lines, rows, serviceSlots, endpointSlots }: LineMemory): LineViews {
  let offset = 0
  const words = (count: number) => {
    const view = new Int32Array(lines, offset, count)
    offset += view.byteLength
    return view
  }
  const ticket = words(FIRST_OWNER)
  const owners = words(commonWords(endpointSlots) - FIRST_OWNER)
  const all = Array.from({ length: rows }, () => {
    const counters = new Float64Array(lines, offset, serviceSlots * COUNTER_CELLS)
    offset += counters.byteLength
    return {
      counters,
      leased: words(serviceSlots),
      waiting: words(serviceSlots),
      heads: words(serviceSlots * LINES),
      calls: words(serviceSlots * LINES),
      called: words(ROW_WORDS),
    }
  })
  return { ticket, owners, rows: all }
}

/** Where a counter of a Service port stands among the counters of a row. */
export function lineCell(serviceSlot: number, counter: LineCounter): number {
  return serviceSlot * COUNTER_CELLS + LINE_COUNTERS.indexOf(counter)
}

/** What all threads together counted for one Service port. */
export function lineTotal({ rows }: LineViews, serviceSlot: number, counter: LineCounter): number {
  const cell = lineCell(serviceSlot, counter)
  let total = 0
  for (const { counters } of rows) total += counters[cell] as number
  return total
}

/** Sessions of a Service port that stand in line now. */
export function waitingNow({ rows }: LineViews, serviceSlot: number): number {
  let total = 0
  for (const { waiting } of rows) total += Atomics.load(waiting, serviceSlot)
  return total
}

/** Forgets what a Service slot counted, which is about to be another's. Nothing of it may be running or waiting. Main only. */
export function clearLinesOf({ rows }: LineViews, serviceSlot: number): void {
  for (const { counters, leased } of rows) {
    // Pages of slots that never waited stay unwritten.
    if (leased[serviceSlot] !== 0) Atomics.store(leased, serviceSlot, 0)
    for (const counter of LINE_COUNTERS) {
      const cell = lineCell(serviceSlot, counter)
      if (counters[cell] !== 0) counters[cell] = 0
    }
  }
}

/** Takes a thread that died out of every line, and counts its sessions with an endpoint anew: `active` is what is left of them
 *  by endpoint slot. Main only. */
export function clearLines(memory: LineMemory, row: number, active: Int32Array): void {
  const { owners, rows } = lineViews(memory)
  const { leased, waiting, heads, calls, called } = rows[row] as LineRow
  const left = new Map<number, number>()
  for (let slot = 0; slot < active.length; slot++) {
    const owner = (owners[slot] as number) - 1
    if (active[slot] !== 0 && owner >= 0) left.set(owner, (left.get(owner) ?? 0) + (active[slot] as number))
  }
  for (let slot = 0; slot < memory.serviceSlots; slot++) {
    const sessions = left.get(slot) ?? 0
    if (leased[slot] !== sessions) Atomics.store(leased, slot, sessions)
  }
  for (const words of [waiting, heads, calls, called]) {
    for (let n = 0; n < words.length; n++) if (words[n] !== 0) Atomics.store(words, n, 0)
  }
}

/** Has every thread with a session in any line look at its first one: a thread that died may have left places, and calls that
 *  nobody heard. False: nobody waits. Main only, who then wakes them all. */
export function callEverybody({ rows }: LineViews): boolean {
  let some = false
  for (const { heads, calls, called } of rows) {
    for (let line = 0; line < heads.length; line++) {
      if (heads[line] === 0) continue
      Atomics.store(calls, line, 1)
      Atomics.store(called, 0, 1)
      some = true
    }
  }
  return some
}

function commonWords(endpointSlots: number): number {
  return FIRST_OWNER + endpointSlots + (endpointSlots % 2)
}

function rowBytes(serviceSlots: number): number {
  return CELL_BYTES * COUNTER_CELLS * serviceSlots + WORD_BYTES * ((2 + 2 * LINES) * serviceSlots + ROW_WORDS)
}
