import type { Problem } from './problem.ts'
import type { SchedulerName } from './service.ts'
import type { SessionEnd } from './session.ts'
import type { FrontendKind } from './snapshot.ts'

/** Everything there is to know of a running proxy at one moment. Plain data: what `GET /portald/v1/status` answers is this
 *  as JSON. Times are ISO 8601, durations milliseconds. Counts are since the start, over all threads. `docs/status.md` says
 *  the same to users. */
export interface Status {
  /** When it was made. */
  readonly time: string
  readonly version: string
  readonly pid: number
  readonly startedAt: string
  /** `loading`: a source has not been read yet. `draining`: nothing new is accepted. */
  readonly state: 'loading' | 'serving' | 'draining'
  readonly engine: { readonly name: 'node' | 'native'; readonly reason: string }
  /** Moves with every change that is put in force. */
  readonly revision: number
  readonly node: { readonly name: string; readonly state: string; readonly addresses: readonly string[] }
  readonly sources: readonly SourceStatus[]
  readonly problems: readonly Problem[]
  readonly listeners: readonly ListenerStatusLine[]
  /** One entry a Service port. */
  readonly services: readonly ServiceStatus[]
  readonly workers: readonly WorkerStatus[]
  readonly limits: LimitStatus
  /** Upper bounds of the cells of `connect.buckets`; the last cell is for anything slower. */
  readonly connectBucketsMs: readonly number[]
}

export interface SourceStatus {
  readonly name: string
  /** `failed`: it cannot be read now; what it said last stays in force. */
  readonly state: 'loading' | 'synced' | 'failed'
  readonly objects: number
  /** When what it says was last known to hold. */
  readonly readAt?: string | undefined
  readonly ageMs?: number | undefined
  readonly error?: string | undefined
}

/** One address, and what is happening on it. */
export interface ListenerStatusLine {
  /** `TCP/10.96.0.10:80`. */
  readonly listener: string
  readonly kind: FrontendKind
  /** `default/web:http/TCP`. */
  readonly service: string
  readonly state: 'opening' | 'listening' | 'parked' | 'draining' | 'failed'
  /** Why it does not listen. */
  readonly reason?: string | undefined
  /** The system's name of the failure. */
  readonly code?: string | undefined
  /** When it is tried again. */
  readonly retryAt?: string | undefined
}

/** Bytes or datagrams, each way. */
export interface Flow {
  readonly fromClient: number
  readonly fromEndpoint: number
}

/** How long endpoints took to answer. */
export interface ConnectTimes {
  readonly count: number
  /** Undefined where nothing was counted. */
  readonly meanMs?: number | undefined
  readonly p50Ms?: number | undefined
  readonly p99Ms?: number | undefined
  readonly buckets: readonly number[]
}

export interface ServiceStatus {
  /** `default/web:http/TCP`. */
  readonly service: string
  readonly scheduler: SchedulerName
  readonly affinityTimeoutMs?: number | undefined
  /** Where clients reach it: `TCP/10.96.0.10:80`. */
  readonly listeners: readonly string[]
  readonly sessions: { readonly active: number; readonly total: number }
  readonly bytes: Flow
  readonly datagrams: Flow
  readonly attempts: number
  readonly attemptFailures: number
  readonly retries: number
  readonly affinity: { readonly hits: number; readonly misses: number }
  readonly connect: ConnectTimes
  /** Sessions by how they ended; only what has happened. */
  readonly ends: { readonly [End in SessionEnd]?: number }
  readonly endpoints: readonly EndpointStatus[]
}

/** Why an endpoint gets new sessions, or does not.
 *
 *  - `serving`: it does.
 *  - `backup`: only where no other can.
 *  - `draining`, `drained`: somebody took it out at run time; sessions still run, or none does.
 *  - `no-weight`: its weight is 0; clients with affinity still come.
 *  - `unhealthy`: health checks say so.
 *  - `not-ready`, `terminating`: the objects say so.
 *  - `elsewhere`: traffic policy, hints or topology send this node's clients to others.
 *  - `removed`: no object lists it any more; sessions still run. */
export type EndpointPart =
  | 'serving'
  | 'backup'
  | 'draining'
  | 'drained'
  | 'no-weight'
  | 'unhealthy'
  | 'not-ready'
  | 'terminating'
  | 'elsewhere'
  | 'removed'

/** What is known of an endpoint's health. */
export interface HealthStatus {
  /** `down`: checks or its agent say so. `ejected`: sessions found it failing. */
  readonly state: 'up' | 'down' | 'ejected'
  readonly since: string
  /** What was last wrong with it, and when. */
  readonly reason?: string | undefined
  readonly failedAt?: string | undefined
  /** What its agent wants of its weight. */
  readonly agentPercent?: number | undefined
  /** Until when it stays out, where it is ejected. */
  readonly until?: string | undefined
}

export interface EndpointStatus {
  /** `10.1.2.3:8080`. */
  readonly endpoint: string
  readonly state: EndpointPart
  readonly node?: string | undefined
  readonly zone?: string | undefined
  /** When the objects last changed what they say of it; undefined: as it was first seen. */
  readonly since?: string | undefined
  /** Undefined: nobody checks it. */
  readonly health?: HealthStatus | undefined
  readonly weight: {
    /** Of the objects. */
    readonly given: number
    /** In force, a part of it while it starts slowly. */
    readonly now: number
    /** Set at run time. */
    readonly set?: number | undefined
  }
  readonly backup: boolean
  /** How much of its weight slow start has given it so far, from 0 to 1; undefined: all of it. */
  readonly slowStart?: number | undefined
  readonly sessions: { readonly active: number; readonly total: number }
  readonly bytes: Flow
  readonly attempts: number
  readonly failures: { readonly refused: number; readonly timedOut: number; readonly resets: number }
  readonly lastFailure?: { readonly at: string; readonly what: 'refused' | 'timed-out' | 'reset' } | undefined
}

export interface WorkerStatus {
  readonly worker: number
  /** `ended`: it died, and another takes its place soon. */
  readonly state: 'running' | 'ended'
  readonly sessions: number
}

export interface LimitStatus {
  readonly sessions: { readonly active: number }
  readonly descriptors: {
    /** Of the process. */
    readonly limit: number
    /** Of those, for listeners and sessions: a TCP session takes two, a UDP session one. */
    readonly forSessions: number
    /** Open now; undefined: the system does not say. */
    readonly open?: number | undefined
  }
  /** Session records that were lost because nobody read them in time. */
  readonly recordsDropped: number
  /** `entries` as of the last sweep; `evictions`: clients forgotten early. */
  readonly affinity: { readonly entries: number; readonly evictions: number }
}
