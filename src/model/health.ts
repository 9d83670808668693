import type { EndpointKey, Port, ServicePortKey } from './keys.ts'

/** What an endpoint is asked, and what it has to answer. Bytes are text with one character a byte. */
export type CheckQuestion =
  /** `expect` must come within what it sends; empty: that it accepts is enough. */
  | { readonly how: 'tcp'; readonly send: string; readonly expect: string }
  /** A datagram must come back, and hold `expect`. */
  | { readonly how: 'udp'; readonly send: string; readonly expect: string }
  /** GET; the status must be in one of the ranges, both ends included. */
  | { readonly how: 'http'; readonly path: string; readonly statuses: readonly (readonly [from: number, to: number])[] }
  /** A program of the process's own configuration must end with 0. */
  | { readonly how: 'exec'; readonly program: string }

/** How often something is asked, and how long it may take. */
export interface CheckPace {
  readonly intervalMs: number
  readonly timeoutMs: number
}

/** How the endpoints of a Service are asked whether they work. */
export interface CheckRule extends CheckPace {
  readonly question: CheckQuestion
  /** Undefined: the endpoint's own. */
  readonly port: Port | undefined
  /** Good answers in a row that bring an endpoint back. */
  readonly rise: number
  /** Bad answers in a row that take it out. */
  readonly fall: number
}

/** Where endpoints say themselves what share of the sessions they want. */
export interface AgentRule extends CheckPace {
  readonly port: Port
}

/** When an endpoint is taken out because of what sessions saw of it. */
export interface EjectionRule {
  /** Failures in a row. */
  readonly after: number
  /** How long the first time; each time more it is as much longer. */
  readonly baseMs: number
  /** No more of the endpoints of a Service port than this many in a hundred are out because of it. */
  readonly mostPercent: number
}

/** What a Service wants to be known of its endpoints. */
export interface HealthOptions {
  readonly check: CheckRule | undefined
  readonly agent: AgentRule | undefined
  readonly ejection: EjectionRule | undefined
  /** Where less than this many in a hundred endpoints are up, or none, all of them are used. */
  readonly panicPercent: number
}

/** What is known of an endpoint. `down`: checks or its agent say so; `ejected`: sessions found it failing. */
export const ENDPOINT_STATES = ['up', 'down', 'ejected'] as const
export type EndpointState = (typeof ENDPOINT_STATES)[number]

/** The health of an endpoint, for people. Times are milliseconds since 1970. */
export interface EndpointHealth {
  readonly service: ServicePortKey
  readonly endpoint: EndpointKey
  readonly state: EndpointState
  readonly sinceMs: number
  /** When something was last wrong with it, and what. */
  readonly lastFailure: { readonly atMs: number; readonly reason: string } | undefined
  /** What its agent wants of its weight, in a hundredth; undefined: nothing was said. */
  readonly agentPercent: number | undefined
  /** Until when it stays out; undefined where it is not ejected. */
  readonly ejectedUntilMs: number | undefined
}

/** What was counted for a Service port since its endpoints are watched. */
export interface HealthTotals {
  readonly service: ServicePortKey
  readonly states: { readonly [State in EndpointState]: number }
  readonly changes: { readonly [State in EndpointState]: number }
  readonly checks: { readonly good: number; readonly bad: number }
}
