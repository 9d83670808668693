import type { IncomingMessage, ServerResponse } from 'node:http'
import { answerServiceCheck } from '../health/service-check.ts'
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import { parseIp } from '../model/address.ts'
import { type ListenerKey, listenerKey, type Port } from '../model/keys.ts'
import type { HealthCheck } from '../model/snapshot.ts'
import type { Logger } from '../observe/logger.ts'
import { HttpListener, PROBE_EVENTS, PROBE_LIMITS } from './http-listener.ts'
import { leaveBody, sendJson } from './send.ts'

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

/** Answers load balancers on the healthCheckNodePorts of Services, on any path. */
export class ServiceChecks implements AsyncDisposable {
  readonly #options: ServiceChecksOptions
  readonly #listeners = new Map<ListenerKey, HttpListener>()
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
      const listener = new HttpListener({
        at: { host: address.ip, port: address.port },
        handle: (request, response) => this.#answer(request, response),
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

  /** The address that was asked says for which Service; every path and every method is asking the same. */
  #answer(request: IncomingMessage, response: ServerResponse): void {
    leaveBody(request, response)
    const { localAddress, localPort } = request.socket
    const ip = parseIp(localAddress ?? '')
    const check = ip && this.#checks.get(listenerKey('TCP', { ip, port: localPort as Port }))
    if (!check) return void response.writeHead(503).end()
    const { code, headers, body } = answerServiceCheck(check, this.#options.healthy())
    sendJson(response, code, body, headers)
  }
}
