import { ProxyError } from '../lib/errors.ts'
import { SESSION_ENDS } from './session.ts'
import { LINES, lineBytes } from './shared-lines.ts'

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
  /** How many sessions clients have, where that is limited: see `affinity/client-sessions.ts`. */
  readonly clients: SharedArrayBuffer
  /** Buckets of tokens, a word each: one a Service slot, then one an entry of `clients`. */
  readonly paces: SharedArrayBuffer
  /** Where sessions wait: see `shared-lines.ts`. */
  readonly lines: SharedArrayBuffer
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
  'bytesFromClient',
  'bytesFromEndpoint',
  'attempts',
  'refused',
  'timedOut',
  'resets',
] as const
export type EndpointCounter = (typeof ENDPOINT_COUNTERS)[number]

/** When something last happened to an endpoint in a row, in milliseconds of the clock that threads share; 0: never. Append,
 *  never reorder. */
export const ENDPOINT_TIMES = ['refusedMs', 'timedOutMs', 'resetMs'] as const
export type EndpointTime = (typeof ENDPOINT_TIMES)[number]

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
/** Times stand from the end of an endpoint's cells backwards; counters from their beginning on. */
const LAST_ENDPOINT_CELL = ENDPOINT_CELLS - 1
/** Rotation words a Service port has: IPv4 and IPv6, each for the cluster-wide and the local set of endpoints, and the
 *  same again for those that are backups. */
export const ROTATIONS = LINES
/** How far behind the rotation word of a list that of its backups stands. */
export const BACKUP_ROTATION = ROTATIONS / 2
/** Words an endpoint has in common; 0 in each says that there is nothing to say. Append, never reorder.
 *
 *  - `failures`: attempts to connect that failed since the last one that did not.
 *  - `health`: why it is out, {@link DOWN} and {@link EJECTED} added up.
 *  - `override`: set at run time: the weight plus one, or {@link IN_MAINTENANCE}.
 *  - `ramp`: slow start: how many of {@link RAMP_STEPS} parts of its weight the endpoint has.
 *  - `resets`: sessions that it reset before a byte came from it, since the last one that it served.
 *  - `share`: what its agent wants of its weight: so many of {@link WHOLE_SHARE} parts, plus one.
 *
 *  Who changes one but `failures` and `resets` moves the version word of the Service port afterwards: pickers go by that. */
export const ENDPOINT_WORDS = ['failures', 'health', 'override', 'ramp', 'resets', 'share'] as const
export type EndpointWord = (typeof ENDPOINT_WORDS)[number]
/** An endpoint takes no new session, not even one of a client with affinity. */
export const IN_MAINTENANCE = -1
/** Checks or its agent say that an endpoint does not work. */
export const DOWN = 1
/** Sessions found an endpoint failing. */
export const EJECTED = 2
/** The parts of its weight that an agent speaks of. */
export const WHOLE_SHARE = 100
/** The parts in which slow start gives an endpoint its weight. */
export const RAMP_STEPS = 20
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
  return FIRST_BUCKET_CELL + connectBucket(connectMs)
}
/** The first bucket that `connectMs` fits in; behind the last bound for anything slower. */
export function connectBucket(connectMs: number): number {
  let bucket = 0
  while (bucket < CONNECT_BUCKETS_MS.length && connectMs > (CONNECT_BUCKETS_MS[bucket] as number)) bucket++
  return bucket
}
/** Where a word of an endpoint stands in `endpointWords`. */
export function endpointWord(slot: number, word: EndpointWord): number {
  return slot * ENDPOINT_WORDS.length + ENDPOINT_WORDS.indexOf(word)
}
/** The group of endpoint slots that a slot belongs to, for who wants to know which of many have changed. */
export function groupOf(slot: number): number {
  return slot >>> 5
}
export function endpointCell(counter: EndpointCounter): number {
  return ENDPOINT_COUNTERS.indexOf(counter)
}
export function endpointTimeCell(time: EndpointTime): number {
  return LAST_ENDPOINT_CELL - ENDPOINT_TIMES.indexOf(time)
}

/** The ledger's views. Offsets are computed here and nowhere else. */
export interface LedgerViews {
  /** `ROTATIONS` words a Service slot. */
  readonly rotations: Int32Array<SharedArrayBuffer>
  /** One word a Service slot: it moves when something that lies over the weights of its endpoints changes. */
  readonly weightVersions: Int32Array<SharedArrayBuffer>
  /** {@link ENDPOINT_WORDS} of each endpoint slot. */
  readonly endpointWords: Int32Array<SharedArrayBuffer>
  readonly rows: readonly LedgerRow[]
}

/** One thread's own counters: plain numbers, because only that thread writes them. Only their sum over all rows has a
 *  meaning: a session that moved between threads began in one row and ends in another. */
export interface LedgerRow {
  readonly services: Float64Array<SharedArrayBuffer>
  readonly endpoints: Float64Array<SharedArrayBuffer>
  /** Sessions that run on each endpoint slot now. Close together, for who compares a thousand of them. */
  readonly active: Int32Array<SharedArrayBuffer>
  /** One word for each {@link groupOf} slots: it moves whenever a session begins or ends on one of them. */
  readonly changes: Int32Array<SharedArrayBuffer>
}

export function serviceBase(slot: number): number {
  return slot * SERVICE_CELLS
}
export function endpointBase(slot: number): number {
  return slot * ENDPOINT_CELLS
}

export function ledgerViews(shared: SharedState): LedgerViews {
  let offset = 0
  const words = (count: number) => {
    const view = new Int32Array(shared.ledger, offset, count)
    offset += view.byteLength
    return view
  }
  const cells = (count: number) => {
    const view = new Float64Array(shared.ledger, offset, count)
    offset += view.byteLength
    return view
  }
  const { serviceSlots, endpointSlots } = shared
  const rotations = words(serviceSlots * ROTATIONS)
  const weightVersions = words(even(serviceSlots))
  const endpointWords = words(endpointSlots * ENDPOINT_WORDS.length)
  const rows = Array.from({ length: shared.rows }, () => ({
    services: cells(serviceSlots * SERVICE_CELLS),
    endpoints: cells(endpointSlots * ENDPOINT_CELLS),
    active: words(even(endpointSlots)),
    changes: words(even(groupOf(endpointSlots) + 1)),
  }))
  return { rotations, weightVersions, endpointWords, rows }
}

/** So many words that what follows stands at a multiple of eight bytes. */
function even(words: number): number {
  return words + (words % 2)
}

/** Forgets the sessions of a thread that died. What moved to other threads goes on counting in its row, what came from
 *  others stops counting. */
export function clearActive(shared: SharedState, row: number): void {
  const { services, endpoints, active } = ledgerViews(shared).rows[row] as LedgerRow
  const serviceActive = serviceCell('active')
  for (let slot = 0; slot < shared.serviceSlots; slot++) {
    const left = 0 - (services[serviceBase(slot) + SERVICE_MOVED_CELL] as number)
    // Pages of slots that nobody uses stay unwritten.
    if (services[serviceBase(slot) + serviceActive] !== left) services[serviceBase(slot) + serviceActive] = left
  }
  for (let slot = 0; slot < shared.endpointSlots; slot++) {
    const left = 0 - (endpoints[endpointBase(slot) + ENDPOINT_MOVED_CELL] as number)
    if (active[slot] !== left) active[slot] = left
  }
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

/** Bytes of an entry of a table of clients: see `affinity/client-entries.ts`. */
export const CLIENT_ENTRY_BYTES = 32
/** Bytes of the header of such a table. */
export const CLIENT_TABLE_HEADER_BYTES = 64

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
  /** Clients whose sessions can be counted at once; a power of two, at least 32. */
  readonly clientEntries?: number
  /** Records a ring holds; a power of two. */
  readonly recordsPerRing?: number
}

/** Reserves the shared memory. Pages cost nothing until they are first written. */
export function createSharedState(sizes: SharedSizes): SharedState {
  const serviceSlots = sizes.serviceSlots ?? 32_768
  const endpointSlots = sizes.endpointSlots ?? 131_072
  const rowCells = serviceSlots * SERVICE_CELLS + endpointSlots * ENDPOINT_CELLS
  const rowBytes = rowCells * CELL_BYTES + (even(endpointSlots) + even(groupOf(endpointSlots) + 1)) * WORD_BYTES
  const commonWords = serviceSlots * ROTATIONS + even(serviceSlots) + endpointSlots * ENDPOINT_WORDS.length
  const clientEntries = sizes.clientEntries ?? 2 ** 19
  const ringBytes = RING_HEADER_BYTES + (sizes.recordsPerRing ?? 8192) * RECORD_CELLS.length * CELL_BYTES
  return {
    rows: sizes.rows,
    serviceSlots,
    endpointSlots,
    ledger: new SharedArrayBuffer(commonWords * WORD_BYTES + rowBytes * sizes.rows),
    affinity: clientTable(sizes.affinityEntries ?? 2 ** 21),
    clients: clientTable(clientEntries),
    paces: new SharedArrayBuffer((serviceSlots + clientEntries) * WORD_BYTES),
    lines: new SharedArrayBuffer(lineBytes(sizes.rows, serviceSlots, endpointSlots)),
    records: Array.from({ length: sizes.rows }, () => new SharedArrayBuffer(ringBytes)),
  }
}

function clientTable(entries: number): SharedArrayBuffer {
  return new SharedArrayBuffer(CLIENT_TABLE_HEADER_BYTES + entries * CLIENT_ENTRY_BYTES)
}
