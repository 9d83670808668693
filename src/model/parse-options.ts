import type { SchedulerName } from './service.ts'

/** What the process decides about how objects are read. */
export interface ParseOptions {
  /** nodePorts outside of it get a warning; both ends belong to it. */
  readonly nodePortRange: readonly [from: number, to: number]
  /** Whether endpoints may be on this machine's loopback addresses. */
  readonly allowLoopbackEndpoints: boolean
  /** `udpIdleMs` of Services that do not say. */
  readonly udpIdleMs: number
  /** `scheduler` of Services that do not say. */
  readonly scheduler: SchedulerName
}

/** Kubernetes' node port range, 60 s for UDP, and round robin. */
export const DEFAULT_PARSE_OPTIONS: ParseOptions = {
  nodePortRange: [30_000, 32_767],
  allowLoopbackEndpoints: false,
  udpIdleMs: 60_000,
  scheduler: 'rr',
}
