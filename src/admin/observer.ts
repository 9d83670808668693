import type { ProbePath, ProbeState } from '../health/probe-answers.ts'
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { Configuration } from '../model/config.ts'
import { type IpFamily, showAddress } from '../model/keys.ts'
import { type AccessLog, openAccessLog } from '../observe/access-log.ts'
import { accessSample } from '../observe/access-sample.ts'
import type { Logger } from '../observe/logger.ts'
import type { Metrics, MetricsReading } from '../observe/metrics.ts'
import type { ProxyOptions, Proxy as RunningProxy } from '../runtime/proxy.ts'
import { countNoLocalEndpoints } from '../snapshot/no-local-endpoints.ts'
import { createChangeCounter } from './change-counter.ts'
import { openProbeServers, type ProbeServers } from './probe-server.ts'
import { ServiceChecks } from './service-checks.ts'

export interface ObserverOptions {
  readonly config: Configuration
  readonly version: string
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Whether metrics also tell of the process; false where it is somebody else's. */
  readonly processMetrics?: boolean
}

/** What lets people see a proxy: its access log, metrics and health checks, each where the configuration asks for it, and
 *  answers to load balancers where Services ask for them.
 *  Opened before the proxy and disposed after it, so that the last session is logged too. */
export interface Observer extends AsyncDisposable {
  /** What the proxy has to be opened with. */
  readonly hooks: Pick<ProxyOptions, 'onSession' | 'tellsOf' | 'onQueued' | 'onStarted' | 'onApplied'>
  /** Begins to answer for the proxy; resolves when each address was tried once. */
  attach(proxy: RunningProxy): Promise<void>
  /** Opens the access log again, for a file that was moved away. */
  reopen(): Promise<void>
}

/** A change that waits longer than this to be put in force makes the process unhealthy: something hangs. */
const STUCK_MS = 60_000
const FAMILIES: readonly IpFamily[] = ['IPv4', 'IPv6']

/** Opens the access log, if there is one; servers wait for `attach`.
 *  @throws ProxyError E_CONFIG when the access log cannot be written. */
export async function openObserver(options: ObserverOptions): Promise<Observer> {
  const { config, clock, logger } = options
  const accessLog = config.accessLog
    ? await openAccessLog({
        destination: config.accessLog,
        format: config.accessLogFormat,
        clock,
        logger: logger.child({ component: 'access-log' }),
      })
    : undefined
  const changes = createChangeCounter()
  let metrics: Metrics | undefined
  let servers: ProbeServers | undefined
  let proxy: RunningProxy | undefined
  /** Since when the oldest change waits that nobody works on, and the oldest one of those that are being put in force. */
  let waitingSinceMs: number | undefined
  let workingSinceMs: number | undefined
  let appliedWallMs: number | undefined
  let ready = false

  function health(): ProbeState {
    const reading = proxy?.read()
    const sinceMs = workingSinceMs ?? waitingSinceMs
    const healthy = sinceMs === undefined || clock.now() - sinceMs < STUCK_MS
    const waiting = reading?.sources.filter(({ state }) => !state?.synced).map(({ name }) => `source ${name} has not loaded`)
    return {
      ready,
      draining: reading?.draining ?? false,
      missing: ready ? [] : waiting?.length ? waiting : ['some listeners were not tried yet'],
      nodeEligible: reading?.snapshot?.nodeState !== 'leaving',
      healthy,
      families: Object.fromEntries(FAMILIES.map((family) => [family, { lastUpdatedMs: appliedWallMs, healthy }])),
    }
  }

  const serviceChecks = new ServiceChecks({
    // Whoever is about to stop must not be sent anybody.
    healthy() {
      const { draining, healthy } = health()
      return healthy && !draining
    },
    clock,
    random: options.random,
    logger: logger.child({ component: 'service-checks' }),
  })
  const followChecks = () => {
    const snapshot = proxy?.read().snapshot
    if (snapshot) serviceChecks.follow(snapshot.healthChecks)
  }

  return {
    hooks: {
      // Without an access log nobody reads them, and naming a session costs more than forwarding a small one.
      ...(accessLog ? { onSession: (record) => accessLog.append(record) } : {}),
      ...(accessLog && config.accessLogSample > 1 ? { tellsOf: accessSample(config.accessLogSample) } : {}),
      onQueued() {
        waitingSinceMs ??= clock.now()
        metrics?.syncQueued(FAMILIES)
      },
      onStarted() {
        workingSinceMs ??= waitingSinceMs
        waitingSinceMs = undefined
      },
      onApplied(durationMs, programmed) {
        workingSinceMs = undefined
        appliedWallMs = clock.wall()
        metrics?.syncFinished(durationMs, FAMILIES)
        for (const { latencyMs, family } of programmed) metrics?.programmed(latencyMs, [family])
        followChecks()
      },
    },
    async attach(opened) {
      proxy = opened
      followChecks()
      void opened.ready.then(() => {
        ready = true
      })
      if (!config.metricsBindAddress && !config.healthzBindAddress) return
      if (config.metricsBindAddress) {
        // Loaded here: nobody scrapes before the first listener is open.
        const { createMetrics } = await import('../observe/metrics.ts')
        const read = () => readMetrics(opened, options.version, accessLog, changes, config.metricsPerEndpoint)
        metrics = createMetrics({
          source: { read, pulse: () => opened.pulse() },
          clock,
          processMetrics: options.processMetrics ?? true,
        })
      }
      servers = await openProbeServers({
        metricsAddress: config.metricsBindAddress && showAddress(config.metricsBindAddress),
        healthzAddress: config.healthzBindAddress && showAddress(config.healthzBindAddress),
        health,
        metrics,
        proxyMode: 'userspace',
        onProbe: (path, code) => countProbe(metrics, path, code),
        clock,
        random: options.random,
        logger: logger.child({ component: 'probes' }),
      })
    },
    async reopen() {
      await accessLog?.reopen()
    },
    async [Symbol.asyncDispose]() {
      await serviceChecks[Symbol.asyncDispose]()
      await servers?.[Symbol.asyncDispose]()
      await accessLog?.[Symbol.asyncDispose]()
    },
  }
}

function countProbe(metrics: Metrics | undefined, path: ProbePath, code: number): void {
  if (path !== '/readyz') metrics?.probed(path, code)
}

function readMetrics(
  proxy: RunningProxy,
  version: string,
  accessLog: AccessLog | undefined,
  changes: ReturnType<typeof createChangeCounter>,
  perEndpoint: boolean,
): MetricsReading {
  const now = proxy.read()
  const listeners = new Map<string, number>()
  for (const { status } of proxy.addresses()) listeners.set(status.state, (listeners.get(status.state) ?? 0) + 1)
  const errors = now.problems.filter((problem) => problem.severity === 'error').length
  return {
    build: { version, engine: now.engine, workers: now.workers },
    ledger: now.ledger,
    lines: now.lines,
    services: now.servicePorts,
    endpoints: perEndpoint ? now.endpoints : undefined,
    health: proxy.health().totals,
    affinity: now.affinity,
    clients: now.clients,
    listeners,
    sources: now.sources.map(({ name, state, readAtMs }) => ({ name, synced: state?.synced ?? false, readAtMs })),
    problems: { error: errors, warning: now.problems.length - errors },
    snapshotRevision: now.snapshot?.revision ?? 0,
    vips: now.vips,
    recordsDropped: now.recordsDropped,
    accessLogDropped: accessLog?.dropped() ?? 0,
    noLocalEndpoints: countNoLocalEndpoints(now.snapshot),
    changes: changes(now.snapshot),
  }
}
