import { type AdminFront, openAdminFront } from '../admin/front/front.ts'
import { openObserver } from '../admin/observer.ts'
import { ADMIN_ROUTES } from '../admin/routes.ts'
import { systemClock } from '../lib/clock.ts'
import { showDuration } from '../lib/duration.ts'
import { takeSupervisorWishes } from '../lib/notify-socket.ts'
import { readPackageVersion } from '../lib/package-version.ts'
import { systemRandom } from '../lib/random.ts'
import type { Configuration } from '../model/config.ts'
import { type Problem, showProblem } from '../model/problem.ts'
import type { LeveledLogger, Logger } from '../observe/logger.ts'
import type { PreparedEngine } from '../runtime/choose-engine.ts'
import { nodeNameOf } from '../runtime/node-context.ts'
import { openProxy, type Proxy as RunningProxy } from '../runtime/proxy.ts'
import type { Source } from '../source/source.ts'
import type { ObjectStore } from '../store/store.ts'
import { EXIT } from './command-context.ts'
import { thisProcess } from './owner.ts'
import { openSignals } from './signals.ts'
import { openSupervision, supervisedProxy } from './supervisor.ts'

export interface ServeOptions {
  readonly config: Configuration
  /** They belong to the proxy, and are disposed if it does not come to that. */
  readonly sources: readonly Source[]
  /** The objects of the admin API, which are one of the sources; it stays the caller's. */
  readonly store: ObjectStore
  readonly prepared: PreparedEngine
  readonly logger: LeveledLogger
  /** What is wrong with the options without standing in the way. */
  readonly warnings?: readonly Problem[]
  /** Told of SIGHUP, before everything is read again. */
  readonly onRefresh?: () => void
}

/** How long probes may have to wait for the first listeners. */
const ATTACH_MS = 300

/** Runs a proxy until a signal ends it; resolves with the exit code when everything is closed. */
export async function serve({ config, sources, store, prepared, logger, warnings, onRefresh }: ServeOptions): Promise<number> {
  const ended = Promise.withResolvers<number>()
  const hurry = new AbortController()
  let proxy: RunningProxy | undefined
  using supervision = openSupervision(takeSupervisorWishes(process.env, process.pid), { clock: systemClock, logger })
  let reopen: (() => Promise<void>) | undefined
  using _signals = openSignals({
    drain(signal) {
      logger.info('signal.received', `${signal}: finishing what runs`, { key: signal })
      supervision.drain()
      if (proxy) drain(proxy, config, logger, hurry.signal).then(ended.resolve, ended.reject)
      else ended.resolve(EXIT.done)
    },
    end(signal) {
      logger.warn('signal.received', `${signal} again: ending now`, { key: signal })
      hurry.abort()
      ended.resolve(EXIT.problem)
    },
    refresh(signal) {
      logger.info('signal.received', `${signal}: reading everything again`, { key: signal })
      supervision.reload()
      onRefresh?.()
      proxy?.refresh()
      void reopen?.()
    },
    reopen: () => void reopen?.(),
  })
  const version = readPackageVersion()
  const nodeName = nodeNameOf(config)
  logger.info('proxy.starting', `portald ${version}`, { version, node: process.versions.node, nodeName, files: config.files })
  for (const warning of warnings ?? []) {
    logger.warn('option.problem', showProblem(warning), { key: warning.field || warning.place, code: warning.code })
  }
  const endAll = async (error: unknown): Promise<never> => {
    await Promise.all([...sources, prepared].map((owned) => owned[Symbol.asyncDispose]()))
    throw error
  }
  await using admin = await openAdmin(config, version, logger, store).catch(endAll)
  await using observer = await openObserver({ config, version, clock: systemClock, random: systemRandom, logger }).catch(endAll)
  reopen = () => observer.reopen()
  await using opened = await openProxy({ config, sources, prepared, logger, nodeName, ...observer.hooks })
  proxy = opened
  supervision.attach(supervisedProxy(opened))
  void opened.ready.then(() => {
    const addresses = opened.addresses()
    const listening = addresses.filter(({ status }) => status.state === 'listening').length
    logger.info('proxy.ready', 'every source has loaded and every listener was tried', { listeners: addresses.length, listening })
    supervision.ready()
  })
  // What answers probes takes a while to load, and that must not stand between the start and the first listener.
  await Promise.race([opened.ready, ended.promise, new Promise<void>((resolve) => systemClock.after(ATTACH_MS, resolve))])
  await Promise.all([observer.attach(opened), admin.attach(opened)])
  return await ended.promise
}

function openAdmin(config: Configuration, version: string, logger: LeveledLogger, store: ObjectStore): Promise<AdminFront> {
  return openAdminFront({
    config,
    version,
    store,
    startedAtMs: Math.round(systemClock.wall() - process.uptime() * 1000),
    registrars: ADMIN_ROUTES,
    owner: thisProcess(),
    logLevel: logger,
    clock: systemClock,
    random: systemRandom,
    logger: logger.child({ component: 'admin' }),
  })
}

/** Lets sessions finish and says how that went, unless `hurry` has cut it short. */
async function drain(proxy: RunningProxy, config: Configuration, logger: Logger, hurry: AbortSignal): Promise<number> {
  const { shutdownDelayMs: delayMs, drainTimeoutMs: deadlineMs } = config
  const fields = { sessions: proxy.read().sessions, delay: showDuration(delayMs), deadline: showDuration(deadlineMs) }
  logger.info('proxy.draining', 'nothing new is accepted after the delay; running sessions go on until the deadline', fields)
  const { cut } = await proxy.drain({ delayMs, deadlineMs })
  if (hurry.aborted) return EXIT.problem
  if (cut > 0) logger.warn('proxy.cut', 'sessions still ran at the deadline and were cut', { cut })
  else logger.info('proxy.drained', 'the last session ended by itself')
  return EXIT.done
}
