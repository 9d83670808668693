import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import type { Configuration } from '../../model/config.ts'
import type { Logger, LogLevelControl } from '../../observe/logger.ts'
import type { Proxy as RunningProxy } from '../../runtime/proxy.ts'
import type { ObjectStore } from '../../store/store.ts'
import type { Caller } from './guard.ts'
import type { AdminStreams } from './streams.ts'

/** What the proxy offers to routes: to look at it and to act on it, not to end it. */
export type AdminProxy = Pick<RunningProxy, 'ready' | 'read' | 'addresses' | 'setEndpoint' | 'overrides' | 'refresh' | 'inspect'>

/** What routes are given. None of it is theirs to dispose. */
export interface AdminDeps {
  readonly proxy: AdminProxy
  /** The objects of the API. */
  readonly store: ObjectStore
  readonly config: Configuration
  readonly version: string
  /** When the process began, in milliseconds since 1970. */
  readonly startedAtMs: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Who asks. Every route may be read by whoever was let in; requests that change something come only from those who may. */
  readonly callerOf: (request: FastifyRequest) => Caller
  /** The level of the process's log; undefined where the log is somebody else's. */
  readonly logLevel?: LogLevelControl | undefined
  /** Answers that go on: watches and traces. */
  readonly streams: AdminStreams
}

/** Adds routes. The application is the registrar's own scope: parsers, hooks and an error handler that it sets hold for
 *  its routes only. Whoever asks was let in before, bodies are at most {@link MOST_BODY_BYTES} long, and what a handler
 *  throws is answered as a Status. */
export type AdminRegistrar = (app: FastifyInstance, deps: AdminDeps) => void | Promise<void>

/** As large as what a Kubernetes API server takes. */
export const MOST_BODY_BYTES = 3 * 1024 * 1024
