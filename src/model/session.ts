/** Why a session ended. The position in this list is its number in shared memory: append, never reorder. */
export const SESSION_ENDS = [
  'client-closed',
  'endpoint-closed',
  'client-reset',
  'endpoint-reset',
  'client-idle',
  'endpoint-idle',
  'half-close-timeout',
  'connect-refused',
  'connect-timeout',
  'no-endpoint',
  'denied',
  'over-limit',
  'queue-timeout',
  'drained',
  'endpoint-removed',
  'killed',
  'internal',
  'completed',
  'bad-header',
  'endpoint-unready',
  'service-removed',
  'drain-timeout',
  'max-duration',
  'endpoint-down',
  'client-limit',
  'client-rate',
  'service-rate',
] as const

/** Who or what ended a session, in one word: the first thing anyone reads of an access line.
 *  `completed` is a UDP session that got all the replies it was allowed; `bad-header` one that did not begin with the PROXY
 *  header it has to begin with; `client-limit`, `client-rate` and `service-rate` are what a Service limits. */
export type SessionEnd = (typeof SESSION_ENDS)[number]

const NUMBERS = new Map<string, number>(SESSION_ENDS.map((end, number) => [end, number]))

export function sessionEndNumber(end: SessionEnd): number {
  return NUMBERS.get(end) as number
}

/** The client's address as numbers, so that it fits typed arrays: four 32-bit words of IPv6, IPv4 mapped
 *  (`::ffff:a.b.c.d`). Mutable on purpose: one is filled and reused per event. */
export interface ClientAddress {
  word0: number
  word1: number
  word2: number
  word3: number
  port: number
}

/** Of a session whose client is not counted. */
export const NO_TICKET = 0

/** What an engine tells of a session when it ended. The engine may reuse the object afterwards. */
export interface SessionFacts {
  readonly id: number
  readonly listener: number
  readonly client: ClientAddress
  /** The endpoint's slot, or -1 when none was ever chosen. */
  readonly lease: number
  /** What its client was counted by ({@link NO_TICKET}: by nothing). */
  readonly ticket: number
  readonly attempts: number
  readonly end: SessionEnd
  /** Milliseconds of the engine's clock. */
  readonly startedMs: number
  readonly endedMs: number
  /** How long the endpoint took to answer; -1 when it never did. */
  readonly connectMs: number
  readonly bytesFromClient: number
  readonly bytesFromEndpoint: number
  readonly datagramsFromClient: number
  readonly datagramsFromEndpoint: number
}

/** One ended session as the main thread reads it: names instead of numbers. */
export interface SessionRecord {
  readonly id: number
  /** Milliseconds since 1970. */
  readonly startedAtMs: number
  readonly durationMs: number
  readonly connectMs: number | undefined
  readonly client: string
  readonly local: string
  readonly service: string
  readonly endpoint: string | undefined
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
  readonly scheduler: string
  readonly attempts: number
  readonly bytesFromClient: number
  readonly bytesFromEndpoint: number
  readonly datagramsFromClient: number
  readonly datagramsFromEndpoint: number
  readonly end: SessionEnd
}

/** An attempt that failed, remembered by the engine until the session is connected or given up. */
export interface Tried {
  /** The endpoint's slot. */
  readonly lease: number
  readonly end: 'connect-refused' | 'connect-timeout'
}
