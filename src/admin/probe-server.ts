import type { RequestListener, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answerProbe, type ProbeState } from '../health/probe-answers.ts'
import type { Clock } from '../lib/clock.ts'
import { ProxyError } from '../lib/errors.ts'
import type { Random } from '../lib/random.ts'
import type { Logger } from '../observe/logger.ts'
import { HttpListener, PROBE_EVENTS, PROBE_LIMITS } from './http-listener.ts'
import { leaveBody, sendJson, sendText } from './send.ts'

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

/** Answers a given address; owns what listens there. */
class ProbeServer implements AsyncDisposable {
  readonly #listener: HttpListener

  private constructor(listener: HttpListener) {
    this.#listener = listener
  }

  static async open(bind: Bind, options: ProbeServersOptions, withMetrics: boolean): Promise<ProbeServer> {
    const { clock, logger, random } = options
    const handle = answering(options, withMetrics)
    const serves = withMetrics ? 'metrics and health checks' : 'health checks'
    const limits = { ...PROBE_LIMITS, connections: MOST_CONNECTIONS }
    const listener = new HttpListener({ at: bind, handle, serves, limits, events: PROBE_EVENTS, clock, random, logger })
    await listener.open()
    return new ProbeServer(listener)
  }

  address(): AddressInfo | undefined {
    return this.#listener.address()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener[Symbol.asyncDispose]()
  }
}

type Answer = (response: ServerResponse) => void | Promise<void>

/** Five fixed paths: what a framework adds to that is 10 MB. */
function answering(options: ProbeServersOptions, withMetrics: boolean): RequestListener {
  const { clock, health, logger, metrics, onProbe, proxyMode } = options
  const paths = new Map<string, Answer>()
  for (const path of ['/healthz', '/livez', '/readyz'] as const) {
    paths.set(path, (response) => {
      const { code, body } = answerProbe(path, health(), clock.wall())
      if (path !== '/readyz') onProbe?.(path, code)
      sendJson(response, code, body)
    })
  }
  if (withMetrics) {
    paths.set('/proxyMode', (response) => sendText(response, 200, proxyMode))
    if (metrics) {
      paths.set('/metrics', async (response) => {
        sendText(response, 200, await metrics.scrape(), metrics.contentType)
      })
    }
  }
  return (request, response) => {
    const path = request.url?.split('?', 1)[0] ?? ''
    const answer = paths.get(path)
    leaveBody(request, response)
    if (!answer) return sendText(response, 404, 'not found\n')
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      return sendText(response, 405, 'method not allowed\n')
    }
    Promise.resolve(response)
      .then(answer)
      .catch((error) => {
        logger.error('probe.failed', 'an answer could not be made', { key: path, error })
        if (response.headersSent) response.destroy()
        else sendText(response, 500, 'internal error\n')
      })
  }
}
