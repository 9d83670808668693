import { ProxyError } from '../lib/errors.ts'
import { SESSION_ENDS } from './session.ts'

/** Memory that the main thread and every engine thread share. Plain data: it is cloned to workers as it is.
 *
 *  Rules: a *common* word is changed by single-word atomics only; a *row* is written by one thread and read by all, who
 *  sum the rows. Nothing here blocks, so a thread that dies holds up nobody; its row is zeroed by main. */
export interface SharedState {
  /** Threads that run sessions; row 0 is the node engine's or the first worker's. */
  readonly rows: number
  readonly serviceSlots: number
  readonly endpointSlots: number
  readonly ledger: SharedArrayBuffer
  readonly affinity: SharedArrayBuffer
  /** One ring of ended sessions a row. */
  readonly records: readonly SharedArrayBuffer[]
}

/** What is counted per Service port and row. Append, never reorder. */
export const SERVICE_COUNTERS = [
  'sessions',
  'active',
  'bytesFromClient',
  'bytesFromEndpoint',
  'datagramsFromClient',
  'datagramsFromEndpoint',
  'attempts',
  'attemptFailures',
  'retries',
  'affinityHits',
  'affinityMisses',
  'udpEvictions',
  'connectMsSum',
  'connected',
] as const
export type ServiceCounter = (typeof SERVICE_COUNTERS)[number]

/** What is counted per endpoint of a Service port and row. Append, never reorder. */
export const ENDPOINT_COUNTERS = [
  'sessions',
  'active',
  'bytesFromClient',
  'bytesFromEndpoint',
  'attempts',
  'refused',
  'timedOut',
  'resets',
] as const
export type EndpointCounter = (typeof ENDPOINT_COUNTERS)[number]

/** Ends are counted behind the other counters of a Service port, one cell a {@link SESSION_ENDS} entry. */
const FIRST_END_CELL = 16
/** Upper bounds in seconds of the connect-time histogram; its cells follow the ends. */
export const CONNECT_BUCKETS_MS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000] as const
const FIRST_BUCKET_CELL = FIRST_END_CELL + 32
/** Cells a Service port has in each row. */
const SERVICE_CELLS = FIRST_BUCKET_CELL + 16
/** Cells an endpoint has in each row. */
const ENDPOINT_CELLS = 16
/** Sessions that a row took over from others, less those that it gave to others; by Service port and by endpoint. These two
 *  cells are main's to write. */
const SERVICE_MOVED_CELL = 15
const ENDPOINT_MOVED_CELL = 8
/** Rotation words a Service port has: IPv4 and IPv6, each for the cluster-wide and the local set of endpoints. */
export const ROTATIONS = 4
/** Words an endpoint has in common: consecutive failures, health, and two to spare. */
const ENDPOINT_WORDS = 4
const WORD_BYTES = 4
const CELL_BYTES = 8

if (SESSION_ENDS.length > FIRST_BUCKET_CELL - FIRST_END_CELL)
  throw new ProxyError('E_INTERNAL', 'bug', 'more session ends than cells')

/** Where a counter of a Service port stands in its group of cells. */
export function serviceCell(counter: ServiceCounter): number {
  return SERVICE_COUNTERS.indexOf(counter)
}
export function endCell(endNumber: number): number {
  return FIRST_END_CELL + endNumber
}
/** The cell of the first bucket that `connectMs` fits in; the last cell is for anything slower. */
export function connectBucketCell(connectMs: number): number {
  let bucket = 0
  while (bucket < CONNECT_BUCKETS_MS.length && connectMs > (CONNECT_BUCKETS_MS[bucket] as number)) bucket++
  return FIRST_BUCKET_CELL + bucket
}
export function endpointCell(counter: EndpointCounter): number {
  return ENDPOINT_COUNTERS.indexOf(counter)
}

/** The ledger's views. Offsets are computed here and nowhere else. */
export interface LedgerViews {
  /** `ROTATIONS` words a Service slot. */
  readonly rotations: Int32Array<SharedArrayBuffer>
  /** `ENDPOINT_WORDS` words an endpoint slot. */
  readonly endpointWords: Int32Array<SharedArrayBuffer>
  readonly rows: readonly LedgerRow[]
}

/** One thread's own counters: plain numbers, because only that thread writes them. Only their sum over all rows has a
 *  meaning: a session that moved between threads began in one row and ends in another. */
export interface LedgerRow {
  readonly services: Float64Array<SharedArrayBuffer>
  readonly endpoints: Float64Array<SharedArrayBuffer>
}

export function serviceBase(slot: number): number {
  return slot * SERVICE_CELLS
}
export function endpointBase(slot: number): number {
  return slot * ENDPOINT_CELLS
}

export function ledgerViews(shared: SharedState): LedgerViews {
  const rotationBytes = shared.serviceSlots * ROTATIONS * WORD_BYTES
  const wordBytes = shared.endpointSlots * ENDPOINT_WORDS * WORD_BYTES
  const rows: LedgerRow[] = []
  let offset = rotationBytes + wordBytes
  for (let row = 0; row < shared.rows; row++) {
    const services = new Float64Array(shared.ledger, offset, shared.serviceSlots * SERVICE_CELLS)
    offset += services.byteLength
    const endpoints = new Float64Array(shared.ledger, offset, shared.endpointSlots * ENDPOINT_CELLS)
    offset += endpoints.byteLength
    rows.push({ services, endpoints })
  }
  return {
    rotations: new Int32Array(shared.ledger, 0, shared.serviceSlots * ROTATIONS),
    endpointWords: new Int32Array(shared.ledger, rotationBytes, shared.endpointSlots * ENDPOINT_WORDS),
    rows,
  }
}

/** Forgets the sessions of a thread that died. What moved to other threads goes on counting in its row, what came from
 *  others stops counting. */
export function clearActive(shared: SharedState, row: number): void {
  const { services, endpoints } = ledgerViews(shared).rows[row] as LedgerRow
  const serviceActive = serviceCell('active')
  for (let slot = 0; slot < shared.serviceSlots; slot++) {
    settle(services, serviceBase(slot) + serviceActive, serviceBase(slot) + SERVICE_MOVED_CELL)
  }
  const endpointActive = endpointCell('active')
  for (let slot = 0; slot < shared.endpointSlots; slot++) {
    settle(endpoints, endpointBase(slot) + endpointActive, endpointBase(slot) + ENDPOINT_MOVED_CELL)
  }
}

function settle(cells: Float64Array<SharedArrayBuffer>, active: number, moved: number): void {
  const left = 0 - (cells[moved] as number)
  // Pages of slots that nobody uses stay unwritten.
  if (cells[active] !== left) cells[active] = left
}

/** Notes that a running session belongs to another row from now on, so that it is known what a row has when its thread
 *  dies. The counts of running sessions stay as they are, for their sum is to be right at every moment. Main only. */
export function noteMove({ rows }: LedgerViews, from: number, to: number, serviceSlot: number, endpointSlot: number): void {
  const service = serviceBase(serviceSlot) + SERVICE_MOVED_CELL
  const endpoint = endpointBase(endpointSlot) + ENDPOINT_MOVED_CELL
  const [giver, taker] = [rows[from] as LedgerRow, rows[to] as LedgerRow]
  add(giver.services, service, -1)
  add(giver.endpoints, endpoint, -1)
  add(taker.services, service, 1)
  add(taker.endpoints, endpoint, 1)
}

function add(cells: Float64Array<SharedArrayBuffer>, cell: number, amount: number): void {
  cells[cell] = (cells[cell] as number) + amount
}

/** Bytes of an affinity entry: see `affinity/affinity-table.ts`. */
export const AFFINITY_ENTRY_BYTES = 32
/** Bytes of the affinity table's header. */
export const AFFINITY_HEADER_BYTES = 64

/** Cells of one session record, by name; see `observe/records.ts`. */
export const RECORD_CELLS = [
  'id',
  'startedAtMs',
  'durationMs',
  'connectMs',
  'word0',
  'word1',
  'word2',
  'word3',
  'port',
  'listener',
  'serviceSlot',
  'lease',
  'attempts',
  'bytesFromClient',
  'bytesFromEndpoint',
  'datagramsFromClient',
  'datagramsFromEndpoint',
  'end',
] as const
/** Bytes of a ring's header: written, read and dropped counts. */
export const RING_HEADER_BYTES = 64

export interface SharedSizes {
  readonly rows: number
  /** Service ports there may be at once. */
  readonly serviceSlots?: number
  /** Endpoints of Service ports there may be at once. */
  readonly endpointSlots?: number
  /** Affinity entries; a power of two, at least 32. */
  readonly affinityEntries?: number
  /** Records a ring holds; a power of two. */
  readonly recordsPerRing?: number
}

/** Reserves the shared memory. Pages cost nothing until they are first written. */
export function createSharedState(sizes: SharedSizes): SharedState {
  const serviceSlots = sizes.serviceSlots ?? 32_768
  const endpointSlots = sizes.endpointSlots ?? 131_072
  const rowBytes = (serviceSlots * SERVICE_CELLS + endpointSlots * ENDPOINT_CELLS) * CELL_BYTES
  const commonBytes = (serviceSlots * ROTATIONS + endpointSlots * ENDPOINT_WORDS) * WORD_BYTES
  const ringBytes = RING_HEADER_BYTES + (sizes.recordsPerRing ?? 8192) * RECORD_CELLS.length * CELL_BYTES
  return {
    rows: sizes.rows,
    serviceSlots,
    endpointSlots,
    ledger: new SharedArrayBuffer(commonBytes + rowBytes * sizes.rows),
    affinity: new SharedArrayBuffer(AFFINITY_HEADER_BYTES + (sizes.affinityEntries ?? 2 ** 21) * AFFINITY_ENTRY_BYTES),
    records: Array.from({ length: sizes.rows }, () => new SharedArrayBuffer(ringBytes)),
  }
}
