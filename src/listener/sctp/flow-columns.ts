import { readClientWords } from '../client-words.ts'
import type { MutableFacts } from '../session-facts.ts'

/** What is told of an SCTP session when it ended: shared with main, which tells it for a worker that died. */
export interface SctpColumns {
  /** The session's number; 0: no session has this place. */
  readonly ids: Float64Array<SharedArrayBuffer>
  readonly listeners: Int32Array<SharedArrayBuffer>
  readonly leases: Int32Array<SharedArrayBuffer>
  readonly tickets: Int32Array<SharedArrayBuffer>
  readonly words: Uint32Array<SharedArrayBuffer>
  readonly ports: Uint16Array<SharedArrayBuffer>
  readonly attempts: Uint16Array<SharedArrayBuffer>
  readonly startedMs: Float64Array<SharedArrayBuffer>
  readonly connectMs: Float64Array<SharedArrayBuffer>
  readonly bytesFromClient: Float64Array<SharedArrayBuffer>
  readonly bytesFromEndpoint: Float64Array<SharedArrayBuffer>
  readonly messagesFromClient: Float64Array<SharedArrayBuffer>
  readonly messagesFromEndpoint: Float64Array<SharedArrayBuffer>
  /** When anything was passed on last. */
  readonly lastMs: Float64Array<SharedArrayBuffer>
  /** See `flow-table.ts`. */
  readonly states: Uint8Array<SharedArrayBuffer>
  /** One word: places that were ever used. */
  readonly used: Int32Array<SharedArrayBuffer>
}

/** Reserves columns for so many flows. Pages cost nothing until they are first written. */
export function createSctpColumns(capacity: number): SctpColumns {
  const float64 = () => new Float64Array(new SharedArrayBuffer(8 * capacity))
  const int32 = () => new Int32Array(new SharedArrayBuffer(4 * capacity))
  const uint16 = () => new Uint16Array(new SharedArrayBuffer(2 * capacity))
  return {
    ids: float64(),
    listeners: int32(),
    leases: int32(),
    tickets: int32(),
    words: new Uint32Array(new SharedArrayBuffer(16 * capacity)),
    ports: uint16(),
    attempts: uint16(),
    startedMs: float64(),
    connectMs: float64(),
    bytesFromClient: float64(),
    bytesFromEndpoint: float64(),
    messagesFromClient: float64(),
    messagesFromEndpoint: float64(),
    lastMs: float64(),
    states: new Uint8Array(new SharedArrayBuffer(capacity)),
    used: new Int32Array(new SharedArrayBuffer(4)),
  }
}

/** Reads what stands in the columns of an ended session. */
export function readSctpFacts(columns: SctpColumns, flow: number, into: MutableFacts): void {
  into.id = columns.ids[flow] as number
  into.listener = columns.listeners[flow] as number
  into.lease = columns.leases[flow] as number
  into.ticket = columns.tickets[flow] as number
  into.attempts = columns.attempts[flow] as number
  into.startedMs = columns.startedMs[flow] as number
  into.connectMs = columns.connectMs[flow] as number
  into.bytesFromClient = columns.bytesFromClient[flow] as number
  into.bytesFromEndpoint = columns.bytesFromEndpoint[flow] as number
  into.datagramsFromClient = columns.messagesFromClient[flow] as number
  into.datagramsFromEndpoint = columns.messagesFromEndpoint[flow] as number
  readClientWords(columns, flow, into.client)
}
