import { once } from 'node:events'
import type { RequestListener, Server, ServerOptions } from 'node:http'
import type { Server as TlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createBackoff } from '../lib/backoff.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { LogEvent } from '../observe/log-events.ts'
import type { Logger } from '../observe/logger.ts'
import { removeDeadSocket } from './unix-socket.ts'

/** Where to listen: a TCP address, or the path of a Unix socket, which only this user may then use. */
export type HttpPlace = { readonly host: string; readonly port: number } | { readonly path: string }

/** What a client may take up. */
export interface HttpLimits {
  /** At once; more are closed unheard, for the descriptors belong to sessions. */
  readonly connections: number
  readonly headerBytes: number
  /** How long a client may take to say what it wants. */
  readonly requestMs: number
  /** How long a connection may stay open between two requests. */
  readonly keepAliveMs: number
  /** How long nothing may move while an answer is under way. */
  readonly silenceMs: number
}

export interface HttpListenerOptions {
  readonly at: HttpPlace
  readonly handle: RequestListener
  /** What is answered there, for the log. */
  readonly serves: string
  readonly limits: HttpLimits
  /** Makes the server, where it is not plain HTTP. */
  readonly createServer?: (limits: ServerOptions, handle: RequestListener) => Promise<TlsServer>
  readonly events: { readonly opened: LogEvent; readonly failed: LogEvent }
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** Of health checks and metrics, but for how many may ask at once. */
export const PROBE_LIMITS = { headerBytes: 8192, requestMs: 5000, keepAliveMs: 5000, silenceMs: 5000 }
export const PROBE_EVENTS = { opened: 'probe.opened', failed: 'probe.failed' } as const
const FIRST_RETRY_MS = 500
const LONGEST_RETRY_MS = 15_000

/** One address that HTTP requests are answered on. An address that cannot be bound is tried again for as long as it takes:
 *  a proxy that forwards is worth more than one that can be asked. Disposing cuts what is connected. */
export class HttpListener implements AsyncDisposable {
  readonly #options: HttpListenerOptions
  readonly #backoff
  #server: Server | TlsServer | undefined
  #retry: Timer | undefined
  #attempt: Promise<void> | undefined
  #disposed = false
  #failed = false

  constructor(options: HttpListenerOptions) {
    this.#options = options
    this.#backoff = createBackoff({ firstMs: FIRST_RETRY_MS, longestMs: LONGEST_RETRY_MS, random: options.random })
  }

  /** What it is bound to now; undefined while it could not be, and for a Unix socket. */
  address(): AddressInfo | undefined {
    const address = this.#server?.address()
    return typeof address === 'object' && address !== null ? address : undefined
  }

  /** Tries to bind once, now, and goes on trying by itself. */
  open(): Promise<void> {
    this.#attempt = this.#tryOnce()
    return this.#attempt
  }

  async #tryOnce(): Promise<void> {
    const { at, clock, events, logger, serves } = this.#options
    const key = showPlace(at)
    try {
      const server = await this.#createServer()
      await listen(server, at)
      server.on('error', (error) => logger.warn(events.failed, 'a connection could not be accepted', { key, error }))
      this.#server = server
      const { port } = this.address() ?? {}
      const address =
        'path' in at || port === undefined
          ? key
          : `${this.#options.createServer ? 'https' : 'http'}://${showPlace({ ...at, port })}`
      logger.info(events.opened, `answering ${serves}`, { key, address })
    } catch (error) {
      if (!this.#failed) logger.warn(events.failed, 'address cannot be bound; it is tried again', { key, error })
      this.#failed = true
      if (!this.#disposed) this.#retry = clock.after(this.#backoff.next(), () => void this.open())
    }
  }

  async #createServer(): Promise<Server | TlsServer> {
    const { createServer, handle, limits } = this.#options
    const { connections, headerBytes, requestMs, keepAliveMs, silenceMs } = limits
    const options: ServerOptions = {
      maxHeaderSize: headerBytes,
      headersTimeout: requestMs,
      requestTimeout: requestMs,
      keepAliveTimeout: keepAliveMs,
      connectionsCheckingInterval: requestMs,
    }
    // Loaded here: it takes a while, and whoever starts without probes, or before them, need not wait for it.
    const server = createServer ? await createServer(options, handle) : (await import('node:http')).createServer(options, handle)
    server.maxConnections = connections
    server.setTimeout(silenceMs)
    return server
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

async function listen(server: Server | TlsServer, at: HttpPlace): Promise<void> {
  if ('path' in at) {
    await removeDeadSocket(at.path)
    // Nobody else may connect, not even for the moment before its mode could be changed. Node binds within this call.
    const before = process.umask(0o177)
    server.listen(at)
    process.umask(before)
  } else {
    server.listen(at)
  }
  await once(server, 'listening')
}

/** `127.0.0.1:80`, `[::1]:80` or `unix:/run/x.sock`. */
export function showPlace(at: HttpPlace): string {
  if ('path' in at) return `unix:${at.path}`
  return at.host.includes(':') ? `[${at.host}]:${at.port}` : `${at.host}:${at.port}`
}
