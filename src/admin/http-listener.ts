import { once } from 'node:events'
import type { createServer, RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createBackoff } from '../lib/backoff.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { Logger } from '../observe/logger.ts'

export interface HttpListenerOptions {
  readonly host: string
  readonly port: number
  readonly handle: RequestListener
  /** What is answered there, for the log. */
  readonly serves: string
  /** Connections at once; more are closed unheard, for the descriptors belong to sessions. */
  readonly mostConnections: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

const MOST_HEADER_BYTES = 8192
const REQUEST_MS = 5000
const FIRST_RETRY_MS = 500
const LONGEST_RETRY_MS = 15_000

/** One address that HTTP requests are answered on. An address that cannot be bound is tried again for as long as it takes:
 *  a proxy that forwards is worth more than one that can be asked. Disposing cuts what is connected. */
export class HttpListener implements AsyncDisposable {
  readonly #options: HttpListenerOptions
  readonly #backoff
  #server: Server | undefined
  #retry: Timer | undefined
  #attempt: Promise<void> | undefined
  #disposed = false
  #failed = false

  constructor(options: HttpListenerOptions) {
    this.#options = options
    this.#backoff = createBackoff({ firstMs: FIRST_RETRY_MS, longestMs: LONGEST_RETRY_MS, random: options.random })
  }

  /** What it is bound to now; undefined while it could not be. */
  address(): AddressInfo | undefined {
    return (this.#server?.address() as AddressInfo | null | undefined) ?? undefined
  }

  /** Tries to bind once, now, and goes on trying by itself. */
  open(): Promise<void> {
    this.#attempt = this.#tryOnce()
    return this.#attempt
  }

  async #tryOnce(): Promise<void> {
    const { clock, host, logger, port, serves } = this.#options
    const key = showBind(host, port)
    // Loaded here: it takes a while, and whoever starts without probes, or before them, need not wait for it.
    const http = await import('node:http')
    const server = this.#createServer(http.createServer)
    try {
      server.listen({ host, port })
      await once(server, 'listening')
      server.on('error', (error) => logger.warn('probe.failed', 'a connection could not be accepted', { key, error }))
      this.#server = server
      logger.info('probe.opened', `answering ${serves}`, {
        key,
        address: `http://${showBind(host, this.address()?.port ?? port)}`,
      })
    } catch (error) {
      if (!this.#failed) logger.warn('probe.failed', 'address cannot be bound; it is tried again', { key, error })
      this.#failed = true
      if (!this.#disposed) this.#retry = clock.after(this.#backoff.next(), () => void this.open())
    }
  }

  #createServer(create: typeof createServer): Server {
    const limits = {
      maxHeaderSize: MOST_HEADER_BYTES,
      headersTimeout: REQUEST_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: REQUEST_MS,
      connectionsCheckingInterval: REQUEST_MS,
    }
    const server = create(limits, this.#options.handle)
    server.maxConnections = this.#options.mostConnections
    return server.setTimeout(REQUEST_MS)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    this.#retry?.[Symbol.dispose]()
    await this.#attempt
    const server = this.#server
    this.#server = undefined
    if (!server) return
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeAllConnections()
    await closed
  }
}

function showBind(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
