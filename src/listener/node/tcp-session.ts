import { connect, type Socket } from 'node:net'
import type { Timer } from '../../lib/clock.ts'
import type { Expiring } from '../../lib/coarse-timer.ts'
import { errnoOf } from '../../lib/errors.ts'
import { fillClientAddress } from '../../model/address.ts'
import { familyOf } from '../../model/keys.ts'
import type { ClientAddress, SessionEnd, SessionFacts, Tried } from '../../model/session.ts'
import type { Decision, SessionTimeouts } from '../listener.ts'
import { type NodeContext, OWN_ERRORS } from './context.ts'

const NOTHING_TRIED: readonly Tried[] = []
/** A dead peer found by keep-alive was idle, not resetting. */
const IDLE_END: { readonly [End in SessionEnd]?: SessionEnd } = {
  'client-reset': 'client-idle',
  'endpoint-reset': 'endpoint-idle',
}
const FALLBACK: SessionTimeouts = { idleMs: 3_600_000, halfCloseMs: 60_000, udpIdleMs: 60_000, udpResponses: undefined }
const NOTHING = new Uint8Array(0)
/** A side whose other side broke may send this much more before it is reset: what was on its way, and then some. */
const MOST_DISCARDED_BYTES = 1024 * 1024

/** Resets a connected socket. One that is just being shut down cannot be reset until that is done. */
function reset(socket: Socket): void {
  if (socket.destroyed) return
  if (socket.writableEnded && !socket.writableFinished) socket.once('finish', () => socket.resetAndDestroy())
  else socket.resetAndDestroy()
}

/** Closes our half once everything before it is in the system's hands. Not earlier: a socket that still has bytes to
 *  write when it is ended can be reset no more, and what was cut short would look like a whole. */
function finish(socket: Socket): void {
  if (socket.writableLength === 0) socket.end()
  else socket.write(NOTHING, () => socket.end())
}

/** One TCP session: a client's socket, attempts to reach an endpoint, then bytes both ways until both have closed.
 *  Takes the client's socket, which must be paused and allow half-open. */
export class TcpSession implements SessionFacts, Expiring {
  readonly id: number
  readonly listener: number
  readonly client: ClientAddress
  readonly startedMs: number
  lease = -1
  attempts = 0
  end: SessionEnd = 'internal'
  endedMs = 0
  connectMs = -1
  bytesFromClient = 0
  bytesFromEndpoint = 0
  readonly datagramsFromClient = 0
  readonly datagramsFromEndpoint = 0

  readonly #context: NodeContext
  readonly #socket: Socket
  readonly #onEnd: (session: TcpSession) => void
  #endpoint: Socket | undefined
  #tried: readonly Tried[] = NOTHING_TRIED
  #deadline: Timer | undefined
  /** The reason of the first thing that ended either direction. */
  #reason: SessionEnd | undefined
  #lastMs: number
  #lastFromClient = false
  /** A side broke: what is on its way to the other is delivered, nothing else. */
  #broken = false
  #discardedBytes = 0
  /** Both sides were told to go. */
  #stopped = false
  /** Sockets whose close has not been seen yet. */
  #open = 1
  #timeouts: SessionTimeouts

  constructor(context: NodeContext, listener: number, socket: Socket, onEnd: (session: TcpSession) => void) {
    this.#context = context
    this.#socket = socket
    this.#onEnd = onEnd
    this.id = context.nextId()
    this.listener = listener
    this.startedMs = context.clock.now()
    this.#lastMs = this.startedMs
    this.#timeouts = context.policy.timeouts(listener) ?? FALLBACK
    this.client = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
    fillClientAddress(socket.remoteAddress ?? '0.0.0.0', socket.remotePort ?? 0, this.client)
  }

  /** Asks for an endpoint and goes on from there. */
  start(): void {
    this.#socket.on('error', (error) => this.#failed(this.#socket, error, 'client-reset'))
    this.#socket.once('close', this.#closed)
    this.#ask()
  }

  /** Turns the client away without asking for an endpoint. */
  refuse(end: SessionEnd): void {
    this.end = end
    this.endedMs = this.startedMs
    this.#socket.on('error', () => {})
    this.#socket.resetAndDestroy()
    this.#context.policy.refused(this)
  }

  /** Ends the session now, whatever is under way; false: it was about to end already. */
  cut(end: SessionEnd): boolean {
    if (this.#stopped) return false
    this.#stop(end)
    return true
  }

  dueMs(): number {
    const limitMs = this.#halfClosed() ? this.#timeouts.halfCloseMs : this.#timeouts.idleMs
    return this.#lastMs + limitMs
  }

  expired(): void {
    // Annotations may have changed since: a longer limit holds for sessions that already run.
    this.#timeouts = this.#context.policy.timeouts(this.listener) ?? this.#timeouts
    if (this.dueMs() > this.#context.clock.now()) {
      this.#context.idle.add(this)
      return
    }
    if (this.#halfClosed()) this.#stop('half-close-timeout')
    else this.#stop(this.#lastFromClient ? 'endpoint-idle' : 'client-idle')
  }

  #halfClosed(): boolean {
    return this.#broken || this.#socket.readableEnded || this.#endpoint?.readableEnded === true
  }

  #ask(): void {
    const decision = this.#context.policy.decide(this.listener, this.client, this.#tried)
    if (decision.do === 'refuse') {
      this.#stop(decision.end)
      return
    }
    this.attempts++
    this.lease = decision.lease
    this.#dial(decision)
  }

  #dial(decision: Decision & { do: 'forward' }): void {
    const askedMs = this.#context.clock.now()
    const { ip, port } = decision.endpoint.address
    const endpoint = connect({ host: ip, port, family: familyOf(ip), allowHalfOpen: true, noDelay: true, keepAlive: true })
    this.#endpoint = endpoint
    const retry = (end: Tried['end']) => {
      this.#giveUpDialling()
      const tried: Tried = { lease: this.lease, end }
      this.lease = -1
      this.#context.policy.connectFailed(this.listener, this.client, tried)
      this.#tried = [...this.#tried, tried]
      this.#ask()
    }
    const refused = (error: Error) => {
      if (OWN_ERRORS.has(errnoOf(error) ?? '')) this.#stop('over-limit')
      else retry('connect-refused')
    }
    const connected = () => {
      this.#deadline?.[Symbol.dispose]()
      endpoint.off('error', refused)
      this.connectMs = this.#context.clock.now() - askedMs
      this.#relay(endpoint)
    }
    endpoint.on('error', refused)
    endpoint.once('connect', connected)
    this.#deadline = this.#context.clock.after(decision.connectMs, () => retry('connect-timeout'))
  }

  #relay(endpoint: Socket): void {
    const client = this.#socket
    endpoint.on('error', (error) => this.#failed(endpoint, error, 'endpoint-reset'))
    endpoint.once('close', this.#closed)
    this.#open++
    client.on('data', (chunk: Buffer) => {
      if (this.#broken) {
        this.#discard(client, chunk)
        return
      }
      this.bytesFromClient += chunk.length
      this.#touch(true)
      if (!endpoint.write(chunk)) client.pause()
    })
    endpoint.on('data', (chunk: Buffer) => {
      if (this.#broken) {
        this.#discard(endpoint, chunk)
        return
      }
      this.bytesFromEndpoint += chunk.length
      this.#touch(false)
      if (!client.write(chunk)) endpoint.pause()
    })
    client.on('drain', () => {
      this.#touch(false)
      endpoint.resume()
    })
    endpoint.on('drain', () => {
      this.#touch(true)
      client.resume()
    })
    client.once('end', () => this.#halfClose(endpoint, 'client-closed'))
    endpoint.once('end', () => this.#halfClose(client, 'endpoint-closed'))
    this.#lastMs = this.#context.clock.now()
    this.#context.idle.add(this)
    client.resume()
  }

  #touch(fromClient: boolean): void {
    this.#lastMs = this.#context.clock.now()
    this.#lastFromClient = fromClient
  }

  #halfClose(to: Socket, end: SessionEnd): void {
    if (this.#broken) return
    this.#reason ??= end
    this.#lastMs = this.#context.clock.now()
    finish(to)
    // The deadline may have come nearer.
    this.#context.idle.add(this)
  }

  /** A socket of ours broke. What it sent before is still delivered; then the other side learns of it: by a reset where
   *  nothing can be lost to it, by a close where this engine cannot know, and by a reset after all if it goes on sending
   *  to nobody. Its socket stays open till then: one closed with bytes unread takes back what it had still to send. */
  #failed(broken: Socket, error: Error, end: SessionEnd): void {
    const other = broken === this.#socket ? this.#endpoint : this.#socket
    if (this.connectMs < 0 || !other) {
      this.#stop(end)
      return
    }
    if (this.#broken) return
    this.#broken = true
    this.#reason = errnoOf(error) === 'ETIMEDOUT' ? (IDLE_END[end] ?? end) : end
    this.#lastMs = this.#context.clock.now()
    const delivered = broken === this.#socket ? this.bytesFromClient : this.bytesFromEndpoint
    if (delivered === 0) reset(other)
    else {
      finish(other)
      other.resume()
      this.#context.idle.add(this)
    }
  }

  #discard(from: Socket, chunk: Buffer): void {
    this.#discardedBytes += chunk.length
    if (this.#discardedBytes > MOST_DISCARDED_BYTES) reset(from)
  }

  /** Cuts both sides: the client sees a reset, so that it does not take a session cut short for a finished one. */
  #stop(end: SessionEnd): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#broken = true
    this.#reason = end
    if (this.connectMs < 0) this.#giveUpDialling()
    else if (this.#endpoint) reset(this.#endpoint)
    reset(this.#socket)
  }

  /** Lets go of an endpoint that is not connected; whatever its socket still has to say concerns nobody. */
  #giveUpDialling(): void {
    this.#deadline?.[Symbol.dispose]()
    this.#deadline = undefined
    const endpoint = this.#endpoint
    if (!endpoint) return
    this.#endpoint = undefined
    endpoint.removeAllListeners()
    endpoint.on('error', () => {})
    endpoint.destroy()
  }

  readonly #closed = (): void => {
    if (--this.#open > 0) return
    if (this.connectMs < 0) this.#giveUpDialling()
    this.#context.idle.remove(this)
    this.endedMs = this.#context.clock.now()
    this.end = this.#reason ?? 'client-closed'
    this.#context.policy.ended(this)
    this.#onEnd(this)
  }
}
