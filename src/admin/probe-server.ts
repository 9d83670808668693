import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { answerProbe, type ProbeState } from '../health/probe-answers.ts'
import type { Clock } from '../lib/clock.ts'
import { ProxyError } from '../lib/errors.ts'
import type { Random } from '../lib/random.ts'
import type { Logger } from '../observe/logger.ts'
import { HttpListener, PROBE_EVENTS, PROBE_LIMITS } from './http-listener.ts'
import { sendJson } from './send-json.ts'

export interface ProbeServersOptions {
  /** Such as `0.0.0.0:10256` or `[::]:10256`; empty or left out: not served. */
  readonly healthzAddress?: string | undefined
  /** Health checks too, and `/metrics` and `/proxyMode`. */
  readonly metricsAddress?: string | undefined
  /** Asked for every answer. */
  readonly health: () => ProbeState
  /** The text of `/metrics`. */
  readonly metrics?: { readonly contentType: string; scrape(): Promise<string> } | undefined
  readonly proxyMode: string
  /** Told of every answer that kube-proxy counts. */
  readonly onProbe?: (path: '/healthz' | '/livez', code: number) => void
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** The HTTP servers for health checks and metrics. Disposing cuts what is still connected. */
export interface ProbeServers extends AsyncDisposable {
  /** What each is bound to now; undefined when it is off or could not be bound yet. */
  addresses(): { readonly healthz: AddressInfo | undefined; readonly metrics: AddressInfo | undefined }
}

/** Far more than checkers and scrapers need. */
const MOST_CONNECTIONS = 64

interface Bind {
  readonly host: string
  readonly port: number
}

/** Opens them; resolves when each address was tried once. One that cannot be bound is tried again. */
export async function openProbeServers(options: ProbeServersOptions): Promise<ProbeServers> {
  const healthz = options.healthzAddress ? parseListenAddress(options.healthzAddress) : undefined
  const metrics = options.metricsAddress ? parseListenAddress(options.metricsAddress) : undefined
  // One address for both is asked for by some, and two servers could not share it.
  const shared = healthz !== undefined && healthz.port !== 0 && options.healthzAddress === options.metricsAddress
  const [metricsServer, ownServer] = await Promise.all([
    metrics && ProbeServer.open(metrics, options, true),
    healthz && !shared ? ProbeServer.open(healthz, options, false) : undefined,
  ])
  const healthzServer = shared ? metricsServer : ownServer
  const servers = [metricsServer, ownServer].filter((server) => server !== undefined)
  return {
    addresses: () => ({ healthz: healthzServer?.address(), metrics: metricsServer?.address() }),
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
    },
  }
}

/** `127.0.0.1:10249`, `[::1]:10249`, `localhost:10249`, or `:10249` for every address. Throws a `ProxyError`. */
export function parseListenAddress(text: string): Bind {
  const match = /^(?:\[(?<v6>[0-9a-fA-F:.%\w]*)\]|(?<host>[^:[\]]*)):(?<port>\d{1,5})$/.exec(text)
  const port = Number(match?.groups?.['port'])
  if (!match || port > 65535) {
    throw new ProxyError('E_CONFIG', 'config', `address "${text}": write host:port, such as 127.0.0.1:10249 or [::]:10256`)
  }
  return { host: match.groups?.['v6'] || match.groups?.['host'] || '::', port }
}

/** Answers a given address; owns what answers. */
class ProbeServer implements AsyncDisposable {
  readonly #app: FastifyInstance
  readonly #listener: HttpListener

  private constructor(app: FastifyInstance, listener: HttpListener) {
    this.#app = app
    this.#listener = listener
  }

  static async open(bind: Bind, options: ProbeServersOptions, withMetrics: boolean): Promise<ProbeServer> {
    const { clock, logger, random } = options
    const app = await buildApp(options, withMetrics)
    const handle = app.routing as RequestListener
    const serves = withMetrics ? 'metrics and health checks' : 'health checks'
    const limits = { ...PROBE_LIMITS, connections: MOST_CONNECTIONS }
    const listener = new HttpListener({ at: bind, handle, serves, limits, events: PROBE_EVENTS, clock, random, logger })
    await listener.open()
    return new ProbeServer(app, listener)
  }

  address(): AddressInfo | undefined {
    return this.#listener.address()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener[Symbol.asyncDispose]()
    await this.#app.close()
  }
}

async function buildApp(options: ProbeServersOptions, withMetrics: boolean): Promise<FastifyInstance> {
  // Loaded here: its 60 ms should not stand between the start and the first listener.
  const { fastify } = await import('fastify')
  const app = fastify({ bodyLimit: 1 })
  for (const path of ['/healthz', '/livez', '/readyz'] as const) {
    app.get(path, (_request, reply) => {
      const { code, body } = answerProbe(path, options.health(), options.clock.wall())
      if (path !== '/readyz') options.onProbe?.(path, code)
      return sendJson(reply, code, body)
    })
  }
  if (withMetrics) {
    app.get('/proxyMode', (_request, reply) => reply.type('text/plain; charset=utf-8').send(options.proxyMode))
    const { metrics } = options
    if (metrics) app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.scrape()))
  }
  app.setNotFoundHandler((_request, reply) => reply.code(404).type('text/plain; charset=utf-8').send('not found\n'))
  app.setErrorHandler((error: { statusCode?: number }, request, reply) => {
    const code = error.statusCode ?? 500
    if (code >= 500)
      options.logger.error('probe.failed', 'an answer could not be made', { key: request.routeOptions.url ?? '', error })
    return reply
      .code(code)
      .type('text/plain; charset=utf-8')
      .send(code >= 500 ? 'internal error\n' : 'bad request\n')
  })
  await app.ready()
  return app
}
