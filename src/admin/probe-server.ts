import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { answerProbe, type ProbeState } from '../health/probe-answers.ts'
import { createBackoff } from '../lib/backoff.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { ProxyError } from '../lib/errors.ts'
import type { Random } from '../lib/random.ts'
import type { Logger } from '../observe/logger.ts'

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

/** Far more than checkers and scrapers need; the descriptors belong to sessions. */
const MOST_CONNECTIONS = 64
const MOST_HEADER_BYTES = 8192
const REQUEST_MS = 5000
const FIRST_RETRY_MS = 500
const LONGEST_RETRY_MS = 15_000

/** Opens them; resolves when each address was tried once. An address that cannot be bound is tried again for as long as
 *  it takes: a proxy that forwards is worth more than one that can be asked. */
export async function openProbeServers(options: ProbeServersOptions): Promise<ProbeServers> {
  const healthz = options.healthzAddress ? parseListenAddress(options.healthzAddress) : undefined
  const metrics = options.metricsAddress ? parseListenAddress(options.metricsAddress) : undefined
  // One address for both is asked for by some, and two servers could not share it.
  const shared = healthz !== undefined && healthz.port !== 0 && options.healthzAddress === options.metricsAddress
  const metricsServer = metrics && new ProbeServer(metrics, options, true)
  const healthzServer = shared ? metricsServer : healthz && new ProbeServer(healthz, options, false)
  const servers = [...new Set([healthzServer, metricsServer])].filter((server) => server !== undefined)
  await Promise.all(servers.map((server) => server.open()))
  return {
    addresses: () => ({ healthz: healthzServer?.address(), metrics: metricsServer?.address() }),
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
    },
  }
}

/** `127.0.0.1:10249`, `[::1]:10249`, `localhost:10249`, or `:10249` for every address. Throws a `ProxyError`. */
export function parseListenAddress(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[(?<v6>[0-9a-fA-F:.%\w]*)\]|(?<host>[^:[\]]*)):(?<port>\d{1,5})$/.exec(text)
  const port = Number(match?.groups?.['port'])
  if (!match || port > 65535) {
    throw new ProxyError('E_CONFIG', 'config', `address "${text}": write host:port, such as 127.0.0.1:10249 or [::]:10256`)
  }
  return { host: match.groups?.['v6'] || match.groups?.['host'] || '::', port }
}

class ProbeServer implements AsyncDisposable {
  readonly #bind: { readonly host: string; readonly port: number }
  readonly #options: ProbeServersOptions
  readonly #withMetrics: boolean
  #app: FastifyInstance | undefined
  #retry: Timer | undefined
  #attempt: Promise<void> | undefined
  #disposed = false
  #failed = false
  readonly #backoff

  constructor(bind: { readonly host: string; readonly port: number }, options: ProbeServersOptions, withMetrics: boolean) {
    this.#bind = bind
    this.#options = options
    this.#withMetrics = withMetrics
    this.#backoff = createBackoff({ firstMs: FIRST_RETRY_MS, longestMs: LONGEST_RETRY_MS, random: options.random })
  }

  address(): AddressInfo | undefined {
    return (this.#app?.server.address() as AddressInfo | null | undefined) ?? undefined
  }

  /** Tries to bind once, now, and goes on trying by itself. */
  open(): Promise<void> {
    this.#attempt = this.#tryOnce()
    return this.#attempt
  }

  async #tryOnce(): Promise<void> {
    const { logger, clock } = this.#options
    const key = this.#bind.host.includes(':')
      ? `[${this.#bind.host}]:${this.#bind.port}`
      : `${this.#bind.host}:${this.#bind.port}`
    const app = await buildApp(this.#options, this.#withMetrics)
    try {
      await app.listen(this.#bind)
      this.#app = app
      const serves = this.#withMetrics ? 'metrics and health checks' : 'health checks'
      logger.info('probe.opened', `answering ${serves}`, { key, address: app.addresses()[0] })
    } catch (error) {
      await app.close()
      if (!this.#failed) logger.warn('probe.failed', 'address cannot be bound; it is tried again', { key, error })
      this.#failed = true
      if (!this.#disposed) this.#retry = clock.after(this.#backoff.next(), () => void this.open())
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    this.#retry?.[Symbol.dispose]()
    await this.#attempt
    await this.#app?.close()
    this.#app = undefined
  }
}

async function buildApp(options: ProbeServersOptions, withMetrics: boolean): Promise<FastifyInstance> {
  // Loaded here: its 60 ms should not stand between the start and the first listener.
  const { fastify } = await import('fastify')
  const app = fastify({
    forceCloseConnections: true,
    bodyLimit: 1,
    connectionTimeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: REQUEST_MS,
    http: { maxHeaderSize: MOST_HEADER_BYTES, headersTimeout: REQUEST_MS, connectionsCheckingInterval: REQUEST_MS },
  })
  app.server.maxConnections = MOST_CONNECTIONS
  for (const path of ['/healthz', '/livez', '/readyz'] as const) {
    app.get(path, (_request, reply) => {
      const { code, body } = answerProbe(path, options.health(), options.clock.wall())
      if (path !== '/readyz') options.onProbe?.(path, code)
      // As bytes, so that the type stays what kube-proxy says, without a charset.
      const bytes = Buffer.from(`${JSON.stringify(body)}\n`)
      reply.code(code).header('content-type', 'application/json').header('x-content-type-options', 'nosniff').send(bytes)
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
  return app
}
