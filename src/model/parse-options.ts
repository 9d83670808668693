import type { Configuration } from './config.ts'
import type { ServiceOptions } from './service.ts'

/** What the process decides about how objects are read. */
export interface ParseOptions {
  /** nodePorts outside of it get a warning; both ends belong to it. */
  readonly nodePortRange: readonly [from: number, to: number]
  /** Whether endpoints may be on this machine's loopback addresses. */
  readonly allowLoopbackEndpoints: boolean
  /** The service-proxy-name of the Services that are ours; undefined: those without one. */
  readonly serviceProxyName?: string | undefined
  /** What holds for Services that do not say. */
  readonly defaults: ServiceDefaults
}

/** Of Services' own options, those that the process has a default for. */
export interface ServiceDefaults extends Pick<ServiceOptions, 'scheduler' | 'idleMs' | 'halfCloseMs' | 'udpIdleMs'> {
  /** Names of the programs that may check endpoints. */
  readonly checkPrograms: readonly string[]
}

/** Kubernetes' node port range, and the timeouts that are documented. */
export const DEFAULT_PARSE_OPTIONS: ParseOptions = {
  nodePortRange: [30_000, 32_767],
  allowLoopbackEndpoints: false,
  defaults: { scheduler: 'rr', idleMs: 3_600_000, halfCloseMs: 60_000, udpIdleMs: 60_000, checkPrograms: [] },
}

/** What a configuration says about how objects are read. */
export function parseOptionsOf(config: Configuration): ParseOptions {
  return {
    nodePortRange: config.serviceNodePortRange,
    allowLoopbackEndpoints: config.allowLoopbackEndpoints,
    serviceProxyName: config.serviceProxyName,
    defaults: {
      scheduler: config.scheduler,
      idleMs: config.idleTimeoutMs,
      halfCloseMs: config.halfCloseTimeoutMs,
      udpIdleMs: config.udpTimeoutMs,
      checkPrograms: [...config.checkPrograms.keys()],
    },
  }
}
