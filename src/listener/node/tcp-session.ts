import { connect, type Socket } from 'node:net'
import type { Timer } from '../../lib/clock.ts'
import type { Expiring } from '../../lib/coarse-timer.ts'
import { errnoOf } from '../../lib/errors.ts'
import type { Prelude } from '../../model/proxy-header.ts'
import type { ClientAddress, SessionEnd, SessionFacts, Tried } from '../../model/session.ts'
import type { Decision } from '../listener.ts'
import type { Introduction } from '../proxy-header.ts'
import type { ProxyHeaderParser } from '../proxy-header-parser.ts'
import { isPortless, type NodeContext, OWN_ERRORS } from './context.ts'
import { HeaderReader, type HeaderTaker } from './header-reader.ts'
import type { Newcomer } from './newcomers.ts'
import { sendPrelude } from './prelude.ts'
import { abandon, brokenEnd, discard, finish, keepAlive, release, reset, socketAddress } from './socket-ends.ts'
import { TcpPace } from './tcp-pace.ts'
import type { WaitingSession } from './waiting-room.ts'

const NOTHING_TRIED: readonly Tried[] = []
/** Sessions that live so long get keep-alive probes; most do not, and are spared the system calls. */
const YOUNG_MS = 60_000
/** What goes out at once in any case. A socket that sends more, or again, must be told not to wait. */
const MOST_IN_ONE_SEGMENT = 1_000

/** One TCP session: a client's socket, attempts to reach an endpoint, then bytes both ways until both have closed.
 *  Takes the client's socket, which must be paused and allow half-open. */
export class TcpSession implements SessionFacts, Expiring, Newcomer, HeaderTaker, WaitingSession {
  readonly id: number
  readonly listener: number
  readonly client: ClientAddress
  readonly startedMs: number
  lease = -1
  ticket = 0
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
  #reader: HeaderReader | undefined
  #introduction: Introduction | undefined
  #endpoint: Socket | undefined
  #tried: readonly Tried[] = NOTHING_TRIED
  /** When the attempt that runs is over. */
  #deadlineMs = 0
  #deadline: Timer | undefined
  /** The reason of the first thing that ended either direction. */
  reason: SessionEnd | undefined
  #askedMs = 0
  readonly #pace: TcpPace
  /** A side broke: what is on its way to the other is delivered, nothing else. */
  #broken = false
  #discardedBytes = 0
  /** Its sockets send no keep-alive probes yet. */
  #young = true
  /** It has no timers of its own yet: most sessions end before they need one. */
  #newcomer = true
  /** Its idleness is watched. */
  #watched = false
  /** Both sides were told to go. */
  #stopped = false
  /** Sockets whose close has not been seen yet. */
  #open = 1

  constructor(context: NodeContext, listener: number, socket: Socket, onEnd: (session: TcpSession) => void) {
    this.#context = context
    this.#socket = socket
    this.#onEnd = onEnd
    this.id = context.nextId()
    this.listener = listener
    this.startedMs = context.clock.now()
    this.#pace = new TcpPace(context.policy, listener, this.id, this.startedMs)
    this.client = socketAddress(socket.remoteAddress, socket.remotePort)
  }

  get lastMs(): number {
    return this.#pace.lastMs
  }

  /** Asks for an endpoint and goes on from there. */
  start(): void {
    this.#socket.on('error', (error) => this.#failed(this.#socket, error, 'client-reset'))
    this.#socket.on('close', this.#closed)
    this.#context.newcomers.add(this)
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

  stayed(): void {
    this.#newcomer = false
    if (this.#stopped) return
    if (this.connectMs >= 0) this.#watch()
    else this.#armDeadline()
  }

  /** A timeout became shorter. */
  hasten(): void {
    this.#pace.read()
    if (this.#watched && !this.#stopped) this.#context.idle.add(this)
  }

  dueMs(): number {
    return this.#young ? Math.min(this.#paceDueMs(), this.startedMs + YOUNG_MS) : this.#paceDueMs()
  }

  expired(): void {
    // Annotations may have changed since: a longer limit holds for sessions that already run.
    this.#pace.read()
    const now = this.#context.clock.now()
    if (this.#paceDueMs() > now) {
      if (this.#young) for (const socket of [this.#socket, this.#endpoint]) if (socket) keepAlive(socket)
      this.#young = false
      this.#context.idle.add(this)
      return
    }
    if (this.#broken) this.#stop(this.reason ?? 'internal')
    else if (this.#pace.isOver(now)) this.#stop('max-duration')
    else if (this.#halfClosed()) this.#stop('half-close-timeout')
    else this.#stop(this.#pace.fromClient ? 'endpoint-idle' : 'client-idle')
  }

  #paceDueMs(): number {
    return this.#pace.dueMs(this.#halfClosed())
  }

  #halfClosed(): boolean {
    return this.#broken || this.#socket.readableEnded || this.#endpoint?.readableEnded === true
  }

  introduced(header: ProxyHeaderParser): void {
    if (header.known) Object.assign(this.client, header.client)
    this.#introduction = header.introduction()
    this.#obey(this.#context.policy.introduced(this.listener, this.client))
  }

  askAgain(): void {
    this.#obey(this.#context.policy.decideAgain(this.id, this.listener, this.client, this.#tried))
  }

  gaveUp(end: SessionEnd): void {
    this.#context.waitingRoom.end(this)
    if (end === 'client-closed') this.#socket.end()
    else this.#stop(end)
  }

  #ask(): void {
    this.#obey(this.#context.policy.decide(this.listener, this.client, this.#tried))
  }

  #obey(decision: Decision): void {
    const { policy, clock, waitingRoom } = this.#context
    this.ticket ||= policy.takeTicket()
    if (decision.do !== 'forward') this.#leaveNewcomers()
    if (decision.do !== 'wait') waitingRoom.end(this)
    if (decision.do === 'forward') {
      this.attempts++
      this.lease = decision.lease
      this.#dial(decision)
    } else if (decision.do === 'refuse') this.#stop(decision.end)
    else if (decision.do === 'wait') waitingRoom.begin(this, this.#socket, decision)
    else if (decision.do === 'hear') this.#reader = new HeaderReader(this.#socket, clock, decision.withinMs, this)
    else this.#deadline = clock.after(decision.forMs, () => this.#waited(decision))
  }

  /** It was left without an answer, and goes on, or was turned away all along. */
  #waited(decision: Extract<Decision, { do: 'drop' | 'delay' }>): void {
    if (decision.do === 'drop') this.#stop(decision.end)
    else this.#obey(this.#context.policy.delayed(this.listener, this.client))
  }

  #dial(decision: Decision & { do: 'forward' }, source = decision.sources?.turn()): void {
    const { ip, port } = decision.endpoint.address
    const endpoint = connect({ host: ip, port, allowHalfOpen: true, ...(source && { localAddress: source.ip }) })
    this.#endpoint = endpoint
    this.#askedMs = this.#context.clock.now()
    this.#deadlineMs = this.#askedMs + decision.connectMs
    if (!this.#newcomer) this.#armDeadline()
    endpoint.on('error', (error) => {
      if (this.connectMs >= 0) this.#failed(endpoint, error, 'endpoint-reset')
      else if (!OWN_ERRORS.has(errnoOf(error) ?? '')) this.#retry('connect-refused')
      else if (isPortless(error) && source?.next()) {
        this.#giveUpDialling()
        this.#dial(decision, source)
      } else this.#stop('over-limit')
    })
    endpoint.on('connect', () => {
      this.#deadline?.[Symbol.dispose]()
      this.connectMs = this.#context.clock.now() - this.#askedMs
      this.#context.policy.connected(this.lease)
      this.#relay(endpoint, decision.prelude)
    })
  }

  #armDeadline(): void {
    const { clock } = this.#context
    this.#deadline = clock.after(this.#deadlineMs - clock.now(), () => this.#retry('connect-timeout'))
  }

  #retry(end: Tried['end']): void {
    this.#giveUpDialling()
    this.#leaveNewcomers()
    const tried: Tried = { lease: this.lease, end }
    this.lease = -1
    this.#context.policy.connectFailed(this.listener, this.client, tried)
    this.#tried = [...this.#tried, tried]
    this.#ask()
  }

  #leaveNewcomers(): void {
    if (this.#newcomer) this.#context.newcomers.remove(this)
    this.#newcomer = false
  }

  #relay(endpoint: Socket, prelude: Prelude | undefined): void {
    const client = this.#socket
    endpoint.on('close', this.#closed)
    this.#open++
    if (prelude) sendPrelude(endpoint, prelude, this, client, this.#introduction)
    this.#carry(client, endpoint, true)
    this.#carry(endpoint, client, false)
    this.#pace.lastMs = this.#askedMs + this.connectMs
    if (!this.#newcomer) this.#watch()
    client.resume()
  }

  /** Carries bytes one way, no faster than they are taken. A client may have closed right behind its PROXY header. */
  #carry(from: Socket, to: Socket, fromClient: boolean): void {
    let first = true
    let untaken: Buffer | undefined
    from.on('data', (chunk: Buffer) => {
      if (this.#broken) {
        this.#discardedBytes = discard(from, chunk, this.#discardedBytes)
        return
      }
      if (!first || chunk.length > MOST_IN_ONE_SEGMENT) to.setNoDelay()
      first = false
      if (fromClient) this.bytesFromClient += chunk.length
      else this.bytesFromEndpoint += chunk.length
      this.#touch(fromClient)
      if (!to.write(chunk)) {
        from.pause()
        untaken = chunk
      } else if (to.writableLength === 0) release(chunk)
    })
    to.on('drain', () => {
      this.#touch(!fromClient)
      if (untaken) release(untaken)
      untaken = undefined
      from.resume()
    })
    const ended = () => this.#halfClose(to, fromClient ? 'client-closed' : 'endpoint-closed')
    if (from.readableEnded) ended()
    else from.on('end', ended)
  }

  #touch(fromClient: boolean): void {
    this.#pace.lastMs = this.#context.clock.now()
    this.#pace.fromClient = fromClient
  }

  /** Sees to its deadlines from now on, and again after one came nearer. */
  #watch(): void {
    this.#watched = true
    this.#context.idle.add(this)
  }

  #halfClose(to: Socket, end: SessionEnd): void {
    if (this.#broken) return
    this.reason ??= end
    this.#pace.lastMs = this.#context.clock.now()
    finish(to)
    if (this.#watched) this.#watch()
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
    this.reason = brokenEnd(error, end)
    this.#pace.lastMs = this.#context.clock.now()
    const delivered = broken === this.#socket ? this.bytesFromClient : this.bytesFromEndpoint
    if (delivered === 0) reset(other)
    else {
      finish(other)
      other.resume()
      if (this.#watched) this.#watch()
    }
  }

  /** Cuts both sides: the client sees a reset, so that it does not take a session cut short for a finished one. */
  #stop(end: SessionEnd): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#broken = true
    this.reason = end
    if (this.connectMs < 0) this.#giveUpDialling()
    else if (this.#endpoint) reset(this.#endpoint)
    reset(this.#socket)
  }

  /** Lets go of an endpoint that is not connected; whatever its socket still has to say concerns nobody. */
  #giveUpDialling(): void {
    this.#context.waitingRoom.end(this)
    this.#reader?.[Symbol.dispose]()
    this.#deadline?.[Symbol.dispose]()
    this.#deadline = undefined
    if (this.#endpoint) abandon(this.#endpoint)
    this.#endpoint = undefined
  }

  readonly #closed = (): void => {
    if (--this.#open > 0) return
    if (this.connectMs < 0) this.#giveUpDialling()
    this.#leaveNewcomers()
    if (this.#watched) this.#context.idle.remove(this)
    this.endedMs = this.#context.clock.now()
    this.end = this.reason ?? 'client-closed'
    this.#context.policy.ended(this)
    this.#context.waitingRoom.stir()
    this.#onEnd(this)
  }
}
