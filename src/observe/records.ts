import type { SessionFacts } from '../model/session.ts'
import { sessionEndNumber } from '../model/session.ts'
import { RECORD_CELLS, RING_HEADER_BYTES } from '../model/shared-layout.ts'

const CELLS = RECORD_CELLS.length
const WRITTEN = 0
const READ = 1
const DROPPED = 2

/** One ended session as numbers, as it stands in the ring. */
export type RawRecord = { readonly [Cell in (typeof RECORD_CELLS)[number]]: number }

function views(buffer: SharedArrayBuffer) {
  const cells = new Float64Array(buffer, RING_HEADER_BYTES)
  return { header: new Int32Array(buffer, 0, RING_HEADER_BYTES / 4), cells, capacity: cells.length / CELLS }
}

/** The writing end of a ring: belongs to one thread. When the reader is too slow, records are dropped and counted. */
export class RecordWriter {
  readonly #header: Int32Array<SharedArrayBuffer>
  readonly #cells: Float64Array<SharedArrayBuffer>
  readonly #capacity: number

  constructor(buffer: SharedArrayBuffer) {
    const { header, cells, capacity } = views(buffer)
    this.#header = header
    this.#cells = cells
    this.#capacity = capacity
  }

  /** `startedAtMs` is wall time; `serviceSlot` is what the listener served, or -1 when its route is gone. */
  write(session: SessionFacts, serviceSlot: number, startedAtMs: number): void {
    const written = Atomics.load(this.#header, WRITTEN)
    if (((written - Atomics.load(this.#header, READ)) | 0) >= this.#capacity) {
      Atomics.add(this.#header, DROPPED, 1)
      return
    }
    const cells = this.#cells
    let at = ((written >>> 0) % this.#capacity) * CELLS
    cells[at++] = session.id
    cells[at++] = startedAtMs
    cells[at++] = session.endedMs - session.startedMs
    cells[at++] = session.connectMs
    cells[at++] = session.client.word0
    cells[at++] = session.client.word1
    cells[at++] = session.client.word2
    cells[at++] = session.client.word3
    cells[at++] = session.client.port
    cells[at++] = session.listener
    cells[at++] = serviceSlot
    cells[at++] = session.lease
    cells[at++] = session.attempts
    cells[at++] = session.bytesFromClient
    cells[at++] = session.bytesFromEndpoint
    cells[at++] = session.datagramsFromClient
    cells[at++] = session.datagramsFromEndpoint
    cells[at++] = sessionEndNumber(session.end)
    Atomics.store(this.#header, WRITTEN, (written + 1) | 0)
  }
}

/** The reading end of a ring: belongs to the main thread. */
export class RecordReader {
  readonly #header: Int32Array<SharedArrayBuffer>
  readonly #cells: Float64Array<SharedArrayBuffer>
  readonly #capacity: number

  constructor(buffer: SharedArrayBuffer) {
    const { header, cells, capacity } = views(buffer)
    this.#header = header
    this.#cells = cells
    this.#capacity = capacity
  }

  /** Hands over every record that is waiting, oldest first; returns how many there were. */
  drain(take: (record: RawRecord) => void): number {
    const written = Atomics.load(this.#header, WRITTEN)
    let read = Atomics.load(this.#header, READ)
    const count = (written - read) | 0
    for (let n = 0; n < count; n++) {
      const base = ((read >>> 0) % this.#capacity) * CELLS
      const record: Record<string, number> = {}
      for (let cell = 0; cell < CELLS; cell++) record[RECORD_CELLS[cell] as string] = this.#cells[base + cell] as number
      read = (read + 1) | 0
      Atomics.store(this.#header, READ, read)
      take(record as unknown as RawRecord)
    }
    return count
  }

  /** Passes over every record that is waiting. */
  skip(): void {
    Atomics.store(this.#header, READ, Atomics.load(this.#header, WRITTEN))
  }

  /** Records lost because nobody read them in time. */
  dropped(): number {
    return Atomics.load(this.#header, DROPPED) >>> 0
  }
}
