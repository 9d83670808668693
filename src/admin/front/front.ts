import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type AdminAddress, type ProcessOwner, socketPath } from '../../model/admin-address.ts'
import { type HttpLimits, HttpListener, type HttpPlace, showPlace } from '../http-listener.ts'
import { removeDeadSocket } from '../unix-socket.ts'
import { distanceOf, openAccess } from './access.ts'
import { buildApplication, type LazyRegistrar } from './application.ts'
import type { Caller } from './guard.ts'
import { createPace } from './pace.ts'
import type { AdminDeps, AdminProxy } from './registrar.ts'
import { failure, refuse } from './status.ts'
import { createStreams } from './streams.ts'

export interface AdminFrontOptions extends Omit<AdminDeps, 'proxy' | 'streams' | 'callerOf'> {
  /** Loaded with the first request. */
  readonly registrars: readonly LazyRegistrar[]
  readonly owner: ProcessOwner
  /** How long a client may take to say what it wants; left out: half a minute. */
  readonly requestMs?: number
}

/** The door of the admin API: every request comes in here, and nothing else is loaded before the first one. */
export interface AdminFront extends AsyncDisposable {
  /** Begins to answer for the proxy; resolves when each address was tried once. One that cannot be bound is tried again. */
  attach(proxy: AdminProxy): Promise<void>
  /** What it is bound to now, in the order of the configuration; undefined for a Unix socket and while it could not be. */
  addresses(): readonly (AddressInfo | undefined)[]
}

const LIMITS: HttpLimits = { connections: 512, headerBytes: 16_384, requestMs: 30_000, keepAliveMs: 90_000, silenceMs: 60_000 }
/** More is not asked by anyone who means well, and the sessions of the node engine run on the same thread. */
const MOST_REQUESTS_PER_SECOND = 5_000
/** The second is for browsers, which then ask for a name and a password. */
const ASKS_FOR = 'Bearer, Basic realm="portald: the password is a token", charset="UTF-8"'
const NOBODY: Caller = { name: '', mayWrite: false }
const EVENTS = { opened: 'admin.opened', failed: 'admin.failed' } as const

/** Prepares to answer where `config.admin` says; nothing is listened on before `attach`.
 *  @throws ProxyError E_ADMIN when another process has one of the Unix sockets, or when an address on a network lacks what
 *  it needs. */
export async function openAdminFront(options: AdminFrontOptions): Promise<AdminFront> {
  const { config, logger, owner, registrars, clock, random, requestMs = LIMITS.requestMs, ...rest } = options
  const places = config.admin.map((address) => placeOf(address, owner)).filter((place) => place !== undefined)
  for (const place of places) if ('path' in place) await removeDeadSocket(place.path)
  if (places.length < config.admin.length) {
    const reason = 'this process has no usual place for a socket: XDG_RUNTIME_DIR is not set'
    logger.info('admin.failed', `${reason}; name one with --admin unix:PATH, or switch it off with an empty one`, {
      key: 'unix:',
    })
  }
  const access = await openAccess(places, config.adminAccess, { clock, logger })
  const streams = createStreams(clock)
  const callers = new WeakMap<IncomingMessage, Caller>()
  const callerOf = ({ raw }: FastifyRequest) => callers.get(raw) ?? NOBODY
  let app: FastifyInstance | undefined
  let loading: Promise<FastifyInstance> | undefined
  let listeners: readonly HttpListener[] = []

  async function loadThenAnswer(proxy: AdminProxy, request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      loading ??= buildApplication(registrars, { ...rest, config, logger, clock, random, proxy, streams, callerOf })
      app = await loading
      app.routing(request, response)
    } catch (error) {
      loading = undefined
      logger.error('admin.failed', 'the admin API could not be loaded', { error })
      refuse(response, failure(500, 'the admin API could not be loaded; the log says why'))
    }
  }

  function handleOf(at: HttpPlace, proxy: AdminProxy): RequestListener {
    // Of each place its own: strangers on one must not keep friends on another waiting.
    const pace = createPace(MOST_REQUESTS_PER_SECOND, clock)
    return (request, response) => {
      if (!pace.take()) {
        refuse(response, failure(429, 'too many requests; try again in a second'), { 'retry-after': '1' })
        return
      }
      const caller = access.judge(at, request)
      if ('code' in caller) {
        const { message, code } = caller
        logger.warn('admin.refused', message, { key: showPlace(at), client: request.socket.remoteAddress ?? '' })
        refuse(response, caller, code === 401 ? { 'www-authenticate': ASKS_FOR } : {})
        return
      }
      callers.set(request, caller)
      if (app) app.routing(request, response)
      else void loadThenAnswer(proxy, request, response)
    }
  }

  return {
    async attach(proxy) {
      listeners = places.map((at) => {
        const { tls } = access
        return new HttpListener({
          at,
          handle: handleOf(at, proxy),
          serves: 'the admin API',
          ...(tls && distanceOf(at) === 'network' ? { createServer: tls.createServer } : {}),
          limits: { ...LIMITS, requestMs },
          events: EVENTS,
          clock,
          random,
          logger,
        })
      })
      await Promise.all(listeners.map((listener) => listener.open()))
    },
    addresses: () => listeners.map((listener) => listener.address()),
    async [Symbol.asyncDispose]() {
      streams.endAll()
      await Promise.all(listeners.map((listener) => listener[Symbol.asyncDispose]()))
      await (await loading?.catch(() => undefined))?.close()
    },
  }
}

function placeOf(address: AdminAddress, owner: ProcessOwner): HttpPlace | undefined {
  if (address.kind === 'tcp') return { host: address.ip, port: address.port }
  const path = socketPath(address, owner)
  return path === undefined ? undefined : { path }
}
