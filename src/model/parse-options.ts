/** What the process decides about how objects are read. */
export interface ParseOptions {
  /** nodePorts outside of it get a warning; both ends belong to it. */
  readonly nodePortRange: readonly [from: number, to: number]
  /** Whether endpoints may be on this machine's loopback addresses. */
  readonly allowLoopbackEndpoints: boolean
  /** The service-proxy-name of the Services that are ours; undefined: those without one. */
  readonly serviceProxyName?: string | undefined
  /** `udpIdleMs` of Services that do not say. */
  readonly udpIdleMs: number
}

/** Kubernetes' node port range, and 60 s for UDP. */
export const DEFAULT_PARSE_OPTIONS: ParseOptions = {
  nodePortRange: [30_000, 32_767],
  allowLoopbackEndpoints: false,
  udpIdleMs: 60_000,
}
