import type { RequestListener } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { answerServiceCheck } from '../health/service-check.ts'
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import { parseIp } from '../model/address.ts'
import { type ListenerKey, listenerKey, type Port } from '../model/keys.ts'
import type { HealthCheck } from '../model/snapshot.ts'
import type { Logger } from '../observe/logger.ts'
import { HttpListener, PROBE_EVENTS, PROBE_LIMITS } from './http-listener.ts'
import { sendJson } from './send-json.ts'

export interface ServiceChecksOptions {
  /** Whether the proxy does its work; asked for every answer. */
  readonly healthy: () => boolean
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** There may be very many of these addresses, each asked by a few load balancers. */
const MOST_CONNECTIONS = 16
const NONE: ReadonlyMap<ListenerKey, HealthCheck> = new Map()

/** Answers load balancers on the healthCheckNodePorts of Services, on any path. Nothing is loaded before the first one. */
export class ServiceChecks implements AsyncDisposable {
  readonly #options: ServiceChecksOptions
  readonly #listeners = new Map<ListenerKey, HttpListener>()
  #app: FastifyInstance | undefined
  #checks = NONE
  /** Ends when everything begun is done: addresses are given up before others are opened. */
  #work = Promise.resolve()
  #disposed = false

  constructor(options: ServiceChecksOptions) {
    this.#options = options
  }

  /** Answers for these from now on and for no others. An address that is among them before and after stays open, whoever's
   *  it is. */
  follow(checks: ReadonlyMap<ListenerKey, HealthCheck>): void {
    if (this.#disposed) return
    this.#checks = checks
    if (checks.size + this.#listeners.size > 0) this.#settleNext()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    this.#checks = NONE
    this.#settleNext()
    await this.#work
    await this.#app?.close()
  }

  #settleNext(): void {
    this.#work = this.#work
      .then(() => this.#settle())
      .catch((error) => this.#options.logger.error('probe.failed', 'no Service can be asked for', { error }))
  }

  async #settle(): Promise<void> {
    const gone = [...this.#listeners].filter(([key]) => !this.#checks.has(key))
    for (const [key] of gone) this.#listeners.delete(key)
    await Promise.all(gone.map(([, listener]) => listener[Symbol.asyncDispose]()))
    const opening: Promise<void>[] = []
    for (const { key, address } of this.#checks.values()) {
      if (this.#listeners.has(key)) continue
      const { clock, logger, random } = this.#options
      this.#app ??= await buildApp((request, reply) => this.#answer(request, reply))
      const listener = new HttpListener({
        at: { host: address.ip, port: address.port },
        handle: this.#app.routing as RequestListener,
        serves: 'load balancers that ask for a Service',
        limits: { ...PROBE_LIMITS, connections: MOST_CONNECTIONS },
        events: PROBE_EVENTS,
        clock,
        random,
        logger,
      })
      this.#listeners.set(key, listener)
      opening.push(listener.open())
    }
    await Promise.all(opening)
  }

  /** The address that was asked says for which Service. */
  #answer({ socket }: FastifyRequest, reply: FastifyReply): FastifyReply {
    const ip = parseIp(socket.localAddress ?? '')
    const check = ip && this.#checks.get(listenerKey('TCP', { ip, port: socket.localPort as Port }))
    if (!check) return reply.code(503).send()
    const { code, headers, body } = answerServiceCheck(check, this.#options.healthy())
    return sendJson(reply.headers(headers), code, body)
  }
}

async function buildApp(answer: (request: FastifyRequest, reply: FastifyReply) => FastifyReply): Promise<FastifyInstance> {
  const { fastify } = await import('fastify')
  const app = fastify()
  app.removeAllContentTypeParsers()
  // Whatever is sent along is not read.
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  // Every path and every method is asking the same.
  app.setNotFoundHandler(answer)
  await app.ready()
  return app
}
