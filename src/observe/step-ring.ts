import type { ClientAddress } from '../model/session.ts'

/** Steps of sessions that are followed. The position in this list is its number in shared memory. */
export const STEP_KINDS = ['began', 'hearing', 'introduced', 'chosen', 'failed', 'ended', 'waiting'] as const
export type StepKind = (typeof STEP_KINDS)[number]

const CELLS = ['kind', 'atMs', 'listener', 'word0', 'word1', 'word2', 'word3', 'port', 'lease', 'value'] as const
const ENDED_CELLS = ['id', 'durationMs', 'connectMs', 'bytesFromClient', 'bytesFromEndpoint'] as const
const STRIDE = CELLS.length + ENDED_CELLS.length
const HEADER_BYTES = 64
const CELL_BYTES = 8
/** Steps that a ring holds; what nobody has read then is not overwritten, later ones are lost and counted. */
const CAPACITY = 4096
const WRITTEN = 0
const READ = 1
const DROPPED = 2

/** One step as it stands in a ring. `value`: of `chosen` the attempt from 1, of `failed` 1 where it timed out, of `ended` the
 *  number of the end. The last five only count for `ended`. */
export type RawStep = { readonly [Cell in (typeof CELLS)[number] | (typeof ENDED_CELLS)[number]]: number }

/** What is told of a session at its end. */
export interface StepEnd {
  readonly id: number
  readonly startedMs: number
  readonly connectMs: number
  readonly bytesFromClient: number
  readonly bytesFromEndpoint: number
}

/** Reserves a ring, for one thread that writes and one that reads. */
export function createStepRing(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER_BYTES + CAPACITY * STRIDE * CELL_BYTES)
}

/** The writing end of a ring: belongs to one thread. */
export class StepWriter {
  readonly #header: Int32Array
  readonly #cells: Float64Array

  constructor(ring: SharedArrayBuffer) {
    this.#header = new Int32Array(ring, 0, HEADER_BYTES / 4)
    this.#cells = new Float64Array(ring, HEADER_BYTES)
  }

  write(
    kind: StepKind,
    atMs: number,
    listener: number,
    client: ClientAddress,
    lease: number,
    value: number,
    end?: StepEnd,
  ): void {
    const written = Atomics.load(this.#header, WRITTEN)
    if (((written - Atomics.load(this.#header, READ)) | 0) >= CAPACITY) {
      Atomics.add(this.#header, DROPPED, 1)
      return
    }
    const cells = this.#cells
    let at = ((written >>> 0) % CAPACITY) * STRIDE
    cells[at++] = STEP_KINDS.indexOf(kind)
    cells[at++] = atMs
    cells[at++] = listener
    cells[at++] = client.word0
    cells[at++] = client.word1
    cells[at++] = client.word2
    cells[at++] = client.word3
    cells[at++] = client.port
    cells[at++] = lease
    cells[at++] = value
    cells[at++] = end?.id ?? 0
    cells[at++] = end ? atMs - end.startedMs : 0
    cells[at++] = end?.connectMs ?? -1
    cells[at++] = end?.bytesFromClient ?? 0
    cells[at++] = end?.bytesFromEndpoint ?? 0
    Atomics.store(this.#header, WRITTEN, (written + 1) | 0)
  }
}

/** The reading end of a ring: belongs to the main thread. */
export class StepReader {
  readonly #header: Int32Array
  readonly #cells: Float64Array
  #told = 0

  constructor(ring: SharedArrayBuffer) {
    this.#header = new Int32Array(ring, 0, HEADER_BYTES / 4)
    this.#cells = new Float64Array(ring, HEADER_BYTES)
  }

  /** Takes every step that is waiting, oldest first. */
  drain(): RawStep[] {
    const written = Atomics.load(this.#header, WRITTEN)
    const steps: RawStep[] = []
    for (let read = Atomics.load(this.#header, READ); read !== written; read = (read + 1) | 0) {
      const base = ((read >>> 0) % CAPACITY) * STRIDE
      const step: Record<string, number> = {}
      for (const [n, cell] of [...CELLS, ...ENDED_CELLS].entries()) step[cell] = this.#cells[base + n] as number
      steps.push(step as unknown as RawStep)
    }
    Atomics.store(this.#header, READ, written)
    return steps
  }

  /** Steps lost since this was asked last. */
  lost(): number {
    const dropped = Atomics.load(this.#header, DROPPED) >>> 0
    const lost = dropped - this.#told
    this.#told = dropped
    return lost
  }
}
