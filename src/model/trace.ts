import type { Cidr } from './keys.ts'
import type { SessionEnd } from './session.ts'

/** Whose new sessions are followed. */
export interface TraceSelection {
  /** `default/web`, `default/web:http` or `default/web:http/TCP`. */
  readonly service: string
  readonly client?: Cidr | undefined
}

/** One step of a session that is followed. Plain data; a line of JSON of `GET /portald/v1/trace`.
 *
 *  - `began`: a client came. `hearing`: it has to send a PROXY header. `introduced`: it did, and `client` is whom that names.
 *  - `chosen`: an endpoint, for an attempt. `failed`: that attempt did. `connected`: the endpoint answered.
 *  - `ended`: why, and what was moved.
 *  - `lost`: there were more steps than could be told; `count` of them are missing. */
export interface TraceStep {
  readonly time: string
  readonly step: 'began' | 'hearing' | 'waiting' | 'introduced' | 'chosen' | 'failed' | 'connected' | 'ended' | 'lost'
  /** As in the access log; undefined where it is not known yet. */
  readonly id?: number | undefined
  readonly client?: string | undefined
  /** The address it came to. */
  readonly local?: string | undefined
  readonly endpoint?: string | undefined
  readonly attempt?: number | undefined
  readonly how?: 'refused' | 'timed-out' | undefined
  readonly end?: SessionEnd | undefined
  readonly connectMs?: number | undefined
  readonly durationMs?: number | undefined
  readonly bytesFromClient?: number | undefined
  readonly bytesFromEndpoint?: number | undefined
  readonly count?: number | undefined
}
