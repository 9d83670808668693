import { createSocket, type Socket } from 'node:dgram'
import type { Expiring } from '../../lib/coarse-timer.ts'
import { errnoOf } from '../../lib/errors.ts'
import { fillClientAddress } from '../../model/address.ts'
import { familyOf, type SocketAddress } from '../../model/keys.ts'
import type { ClientAddress, SessionEnd, SessionFacts, Tried } from '../../model/session.ts'
import { lifeEndMs } from '../life-end.ts'
import type { SessionTimeouts } from '../listener.ts'
import type { SourceTurn } from '../source-pool.ts'
import { isPortless, NO_ROUTE_TIMEOUTS, type NodeContext, OWN_ERRORS } from './context.ts'

/** Datagrams kept while the socket to the endpoint is being made; it takes one turn of the event loop. */
const MOST_WAITING = 64
/** A question that got its answer needs no long memory. */
const ONE_EXCHANGE_MS = 10_000
/** Errors that say nothing about the endpoint: the datagram was too long for the path, or there was no room for it. */
const PASSING_ERRORS = new Set(['EMSGSIZE', 'EAGAIN', 'EINTR'])

/** What a UDP session asks of the listener it belongs to. */
export interface UdpOwner {
  /** Sends a reply from the address the client used. */
  reply(client: { readonly address: string; readonly port: number }, datagram: Uint8Array): void
  ended(session: UdpSession): void
}

/** Resolving is not our sockets' business: they are only ever given addresses. */
export function asGiven(
  address: string,
  _options: unknown,
  done: (error: Error | null, address: string, family: number) => void,
): void {
  done(null, address, address.includes(':') ? 6 : 4)
}

/** One UDP client at one listener: a connected socket to one endpoint at a time. When the endpoint is unreachable or has
 *  left, the next datagram goes to another one. */
export class UdpSession implements SessionFacts, Expiring {
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
  datagramsFromClient = 0
  datagramsFromEndpoint = 0
  /** Neighbours in the order of last use; kept by the listeners' common list. */
  older: UdpSession | undefined
  newer: UdpSession | undefined

  readonly key: string
  readonly #context: NodeContext
  readonly #owner: UdpOwner
  readonly #peer: { readonly address: string; readonly port: number }
  #socket: Socket | undefined
  /** Datagrams that wait for the socket; undefined once it is connected. */
  #waiting: Uint8Array[] | undefined
  #tried: readonly Tried[] = []
  #timeouts: SessionTimeouts
  lastMs: number
  #over = false

  constructor(
    context: NodeContext,
    listener: number,
    key: string,
    peer: { readonly address: string; readonly port: number },
    owner: UdpOwner,
  ) {
    this.#context = context
    this.#owner = owner
    this.#peer = { address: peer.address, port: peer.port }
    this.key = key
    this.id = context.nextId()
    this.listener = listener
    this.startedMs = context.clock.now()
    this.lastMs = this.startedMs
    this.#timeouts = context.policy.timeouts(listener) ?? NO_ROUTE_TIMEOUTS
    this.client = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
    fillClientAddress(peer.address, peer.port, this.client)
  }

  /** Takes a datagram of the client's, and its buffer. False: it did not, every attempt is used up and the session over. */
  fromClient(datagram: Uint8Array): boolean {
    if (!this.#socket && !this.#connect()) return false
    this.datagramsFromClient++
    this.bytesFromClient += datagram.length
    this.#touch()
    this.#forward(datagram)
    return true
  }

  /** Whether it has ended. */
  get over(): boolean {
    return this.#over
  }

  /** Turns the client away without asking for an endpoint. */
  refuse(end: SessionEnd): void {
    this.#over = true
    this.end = end
    this.endedMs = this.startedMs
    this.#context.policy.refused(this)
  }

  /** Whether its endpoint still serves new sessions of its listener. */
  get current(): boolean {
    return this.lease < 0 || this.#context.policy.serves(this.listener, this.lease, this.client)
  }

  cut(end: SessionEnd): void {
    if (this.#over) return
    this.#over = true
    this.#closeSocket()
    this.#context.idle.remove(this)
    this.endedMs = this.#context.clock.now()
    this.end = end
    this.#context.policy.ended(this)
    this.#owner.ended(this)
  }

  dueMs(): number {
    const { udpIdleMs } = this.#timeouts
    const oneExchange = this.datagramsFromClient <= 1 && this.datagramsFromEndpoint >= 1
    const idleMs = oneExchange ? Math.min(udpIdleMs, ONE_EXCHANGE_MS) : udpIdleMs
    return Math.min(this.lastMs + idleMs, this.#lifeEndMs())
  }

  /** A timeout became shorter. */
  hasten(): void {
    this.#timeouts = this.#context.policy.timeouts(this.listener) ?? this.#timeouts
    if (!this.#over) this.#context.idle.add(this)
  }

  expired(): void {
    this.#timeouts = this.#context.policy.timeouts(this.listener) ?? this.#timeouts
    const now = this.#context.clock.now()
    if (this.dueMs() > now) this.#context.idle.add(this)
    else if (now >= this.#lifeEndMs()) this.cut('max-duration')
    else this.cut(this.datagramsFromEndpoint === 0 ? 'endpoint-idle' : 'client-idle')
  }

  #lifeEndMs(): number {
    return lifeEndMs(this.id, this.startedMs, this.#timeouts.maxSessionMs)
  }

  #touch(): void {
    this.lastMs = this.#context.clock.now()
  }

  /** Chooses an endpoint and begins to connect to it; ends the session where there is none. */
  #connect(): boolean {
    const { policy } = this.#context
    const decision = policy.decide(this.listener, this.client, this.#tried)
    this.ticket ||= policy.takeTicket()
    if (decision.do !== 'forward') {
      this.cut(decision.do === 'refuse' ? decision.end : 'internal')
      return false
    }
    this.attempts++
    this.lease = decision.lease
    this.#open(decision.endpoint.address, decision.sources?.turn())
    return true
  }

  /** Opens a socket to an endpoint; what waits for it goes out when it is there. */
  #open(address: SocketAddress, source: SourceTurn | undefined): void {
    const socket = createSocket({ type: familyOf(address.ip) === 6 ? 'udp6' : 'udp4', lookup: asGiven })
    this.#socket = socket
    this.#waiting ??= []
    const startedMs = this.#context.clock.now()
    const failed = (error: Error) => {
      if (this.#socket === socket && this.#waiting && isPortless(error) && source?.next()) {
        this.#letGo(socket)
        this.#open(address, source)
      } else this.#failed(socket, error)
    }
    socket.on('error', failed)
    socket.on('message', (datagram) => this.#fromEndpoint(datagram))
    const connected = (error?: Error) => {
      if (this.#socket !== socket) return
      const waiting = this.#waiting ?? []
      if (error) {
        failed(error)
        // Another address is tried.
        if (this.#waiting) return
        for (const datagram of waiting) this.#sendAgain(datagram)
        return
      }
      this.#waiting = undefined
      if (this.connectMs < 0) this.connectMs = this.#context.clock.now() - startedMs
      for (const datagram of waiting) this.#send(socket, datagram)
    }
    const connect = () => socket.connect(address.port, address.ip, connected)
    if (source) socket.bind({ address: source.ip, port: 0, exclusive: true }, connect)
    else connect()
  }

  #forward(datagram: Uint8Array): void {
    if (!this.#waiting) {
      if (this.#socket) this.#send(this.#socket, datagram)
    } else if (this.#waiting.length < MOST_WAITING) this.#waiting.push(datagram)
  }

  #send(socket: Socket, datagram: Uint8Array): void {
    socket.send(datagram, (error) => {
      // The error is an earlier datagram's; this one was not sent.
      if (!error || this.#over) return
      this.#failed(socket, error)
      if (!OWN_ERRORS.has(errnoOf(error) ?? '')) this.#sendAgain(datagram)
    })
  }

  /** Sends what could not be sent, for the last time where its endpoint is still the same. */
  #sendAgain(datagram: Uint8Array): void {
    const socket = this.#socket
    if (socket && !this.#waiting) socket.send(datagram, (error) => error && this.#failed(socket, error))
    else if (!this.#over && (socket || this.#connect())) this.#forward(datagram)
  }

  #fromEndpoint(datagram: Uint8Array): void {
    this.datagramsFromEndpoint++
    this.bytesFromEndpoint += datagram.length
    this.#tried = []
    this.#context.policy.connected(this.lease)
    this.#touch()
    this.#owner.reply(this.#peer, datagram)
    const { udpResponses } = this.#timeouts
    if (udpResponses !== undefined && this.datagramsFromEndpoint >= udpResponses) this.cut('completed')
    else if (this.datagramsFromEndpoint === 1) this.#context.idle.add(this)
  }

  /** The endpoint answered that nobody is there, or cannot be reached. The session moves with the next datagram. */
  #failed(socket: Socket, error: Error): void {
    if (this.#socket !== socket || this.#over) return
    const errno = errnoOf(error) ?? ''
    if (!this.#waiting && PASSING_ERRORS.has(errno)) return
    if (OWN_ERRORS.has(errno)) {
      // Out of descriptors, ports or memory: a datagram is lost, but a session that gets no socket is over.
      if (this.#waiting) this.cut('over-limit')
      return
    }
    this.#closeSocket()
    const tried: Tried = { lease: this.lease, end: 'connect-refused' }
    this.lease = -1
    this.#context.policy.connectFailed(this.listener, this.client, tried)
    this.#tried = [...this.#tried, tried]
  }

  #closeSocket(): void {
    const socket = this.#socket
    this.#socket = undefined
    this.#waiting = undefined
    if (socket) this.#letGo(socket)
  }

  #letGo(socket: Socket): void {
    socket.removeAllListeners()
    socket.on('error', () => {})
    socket.close()
  }
}
