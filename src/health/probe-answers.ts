import type { IpFamily } from '../model/keys.ts'

/** What health checks are told of. */
export interface ProbeState {
  /** Every source has loaded once and every listener was tried. */
  readonly ready: boolean
  readonly draining: boolean
  /** What has to happen before it is ready, for people. */
  readonly missing: readonly string[]
  /** Whether the node should get traffic at all: it is known, stays, and is not about to be removed. */
  readonly nodeEligible: boolean
  /** No change waits too long to be put in force. */
  readonly healthy: boolean
  readonly families: { readonly [Family in IpFamily]?: FamilyHealth }
}

export interface FamilyHealth {
  /** When a change was last put in force, in milliseconds since 1970; undefined before the first. */
  readonly lastUpdatedMs: number | undefined
  readonly healthy: boolean
}

/** Where a health check asks. */
export type ProbePath = '/healthz' | '/livez' | '/readyz'

/** What a health check is answered. */
export interface ProbeAnswer {
  readonly code: 200 | 503
  readonly body: object
}

/** The answer to a health check at `nowMs`, in milliseconds since 1970. */
export function answerProbe(path: ProbePath, state: ProbeState, nowMs: number): ProbeAnswer {
  if (path === '/readyz') {
    const ready = state.ready && !state.draining
    return { code: ready ? 200 : 503, body: { ready, draining: state.draining, missing: state.missing } }
  }
  if (path === '/livez') {
    return { code: state.healthy ? 200 : 503, body: healthBody(state, nowMs, state.healthy, {}) }
  }
  // A load balancer in front of the node reads this one: it has to look elsewhere before the sockets close.
  const nodeEligible = state.nodeEligible && !state.draining
  const ok = state.healthy && nodeEligible
  return { code: ok ? 200 : 503, body: healthBody(state, nowMs, ok, { nodeEligible }) }
}

/** kube-proxy's document, field by field. When the answer is good it says that it was updated just now. */
function healthBody(state: ProbeState, nowMs: number, ok: boolean, more: { nodeEligible?: boolean }): object {
  const families = Object.entries(state.families)
  const latestMs = families.reduce<number | undefined>((latest, [, { lastUpdatedMs }]) => {
    return lastUpdatedMs !== undefined && (latest === undefined || lastUpdatedMs > latest) ? lastUpdatedMs : latest
  }, undefined)
  return {
    lastUpdated: showTime(ok ? nowMs : latestMs),
    currentTime: showTime(nowMs),
    ...more,
    healthy: state.healthy,
    status: Object.fromEntries(
      families.map(([family, { lastUpdatedMs, healthy }]) => [family, { lastUpdated: showTime(lastUpdatedMs), healthy }]),
    ),
  }
}

/** What Go writes for a time that was never set; readers of kube-proxy's document know it. */
const NEVER = '0001-01-01T00:00:00Z'

function showTime(ms: number | undefined): string {
  return ms === undefined ? NEVER : new Date(ms).toISOString()
}
