import type { Cidr } from './keys.ts'

/** Which running sessions are meant, by name; every given field must match. Plain data. */
export interface SessionSelection {
  /** Numbers of sessions, as the access log has them. */
  readonly ids?: readonly number[] | undefined
  /** `default/web`, `default/web:http` or `default/web:http/TCP`. */
  readonly service?: string | undefined
  /** `10.1.2.3` or `10.1.2.3:8080`. */
  readonly endpoint?: string | undefined
  readonly client?: Cidr | undefined
  readonly olderThanMs?: number | undefined
  readonly idleLongerThanMs?: number | undefined
  /** Both ways together. */
  readonly bytesOver?: number | undefined
}

/** A running session in the words of the access log. */
export interface SessionView {
  readonly id: number
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
  /** `connecting`: no endpoint has answered yet. `closing`: a side has ended. */
  readonly state: 'connecting' | 'open' | 'closing'
  readonly client: string
  /** The address it came to. */
  readonly local: string
  /** `default/web:http/TCP`. */
  readonly service: string
  readonly endpoint?: string | undefined
  readonly worker: number
  readonly attempts: number
  readonly startedAt: string
  readonly ageMs: number
  /** Since something moved. */
  readonly idleMs: number
  readonly connectMs?: number | undefined
  readonly bytesFromClient: number
  readonly bytesFromEndpoint: number
  readonly datagramsFromClient?: number | undefined
  readonly datagramsFromEndpoint?: number | undefined
}

/** What is answered when sessions are asked for. */
export interface SessionPage {
  readonly time: string
  /** All that match. */
  readonly matched: number
  /** As many of them as were asked for; oldest first. */
  readonly sessions: readonly SessionView[]
}
