import type { SessionEnd } from './session.ts'
import type { EndpointStatus } from './status.ts'

/** What would become of a new session now, and why. Plain data; what `portald explain` prints. */
export interface Explanation {
  readonly time: string
  readonly client: string
  /** As it was asked for. */
  readonly destination: string
  /** Undefined: nothing of ours is there, and the last step says what is near. */
  readonly listener?:
    | { readonly listener: string; readonly kind: string; readonly service: string; readonly state: string }
    | undefined
  /** In the order in which the policy takes them. */
  readonly steps: readonly ExplanationStep[]
  /** Every endpoint of the Service port. */
  readonly endpoints: readonly EndpointView[]
  readonly outcome: Outcome
}

export interface ExplanationStep {
  readonly step: 'listener' | 'accept-proxy' | 'source-ranges' | 'clients' | 'endpoints' | 'affinity' | 'scheduler'
  /** Whether the session goes on from here. */
  readonly passed: boolean
  readonly says: string
}

export interface EndpointView
  extends Pick<EndpointStatus, 'endpoint' | 'state' | 'weight' | 'backup' | 'slowStart' | 'lastFailure'> {
  /** Whether this client may be sent there now, by whatever way of choosing. */
  readonly in: boolean
  /** Why not; undefined: it may be. */
  readonly why?: string | undefined
  readonly active: number
}

export type Outcome =
  | {
      readonly do: 'forward'
      readonly endpoint: string
      /** Where it would go if that failed, and so on; each once for an attempt. */
      readonly next: readonly string[]
      /** What decided: `affinity` and `hash` do the same for this client again; `turn` and `load` until another session begins
       *  or ends; `chance` may say something else each time. */
      readonly by: 'affinity' | 'hash' | 'turn' | 'load' | 'chance'
    }
  | { readonly do: 'refuse'; readonly end: SessionEnd }
  /** There is no place or no endpoint, and the client would wait, up to so long. */
  | { readonly do: 'wait'; readonly withinMs: number; readonly end: SessionEnd }
  /** The client has to say first who it is. */
  | { readonly do: 'nothing'; readonly why: string }
