import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  SIOCINQ,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from '../../lib/libc/constants.ts'
import { ERRNO } from '../../lib/libc/errno.ts'
import type { Prelude } from '../../model/proxy-header.ts'
import { type ClientAddress, NO_TICKET, type Tried } from '../../model/session.ts'
import type { Decision } from '../listener.ts'
import type { ProxyHeaderParser } from '../proxy-header-parser.ts'
import { isExhaustion, MOST_INTERRUPTIONS, ownEnd } from './call-errors.ts'
import { Connector } from './connector.ts'
import type { EndpointAddresses } from './endpoint-addresses.ts'
import type { HandshakeAcks } from './handshake-acks.ts'
import { TcpDelays } from './tcp-delays.ts'
import type { SessionOwner } from './tcp-endings.ts'
import { TcpHearing } from './tcp-hearing.ts'
import { TcpPreludes } from './tcp-preludes.ts'
import { FAILED, SESSION_MASK, type TcpRelay } from './tcp-relay.ts'
import {
  ABORTED,
  CONNECTING,
  GONE,
  GREETED,
  HUNG_UP,
  PENDING,
  READABLE,
  type TcpTable,
  WATCHING_OUT,
  WRITABLE,
} from './tcp-table.ts'
import { TcpWaiting } from './tcp-waiting.ts'
import type { TimerWheel } from './timer-wheel.ts'
import { COPY_BYTES, KIND_SHIFT, KIND_TCP, type WorkerContext } from './worker-context.ts'

const SOCKET_TYPE = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC

type Forward = Extract<Decision, { readonly do: 'forward' }>

/** Finds an endpoint for each session: one attempt after another, as the policy says, while what the client has said
 *  already waits. */
export class TcpDialer {
  readonly hearing: TcpHearing
  readonly delays: TcpDelays
  readonly waiting: TcpWaiting
  readonly #context: WorkerContext
  readonly #table: TcpTable
  readonly #wheel: TimerWheel
  readonly #addresses: EndpointAddresses
  readonly #relay: TcpRelay
  readonly #acks: HandshakeAcks
  readonly #preludes: TcpPreludes
  readonly #owner: SessionOwner
  readonly #connector: Connector
  readonly #client: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }

  constructor(
    context: WorkerContext,
    table: TcpTable,
    wheel: TimerWheel,
    addresses: EndpointAddresses,
    relay: TcpRelay,
    acks: HandshakeAcks,
    owner: SessionOwner,
  ) {
    this.#context = context
    this.#table = table
    this.#wheel = wheel
    this.#addresses = addresses
    this.#relay = relay
    this.#acks = acks
    this.#owner = owner
    this.#preludes = new TcpPreludes(context, table)
    this.hearing = new TcpHearing(context, table, wheel, owner, (session, header) => this.#introduced(session, header))
    this.delays = new TcpDelays(context, table, wheel, owner, (session) => this.#waited(session))
    this.waiting = new TcpWaiting(context, table, wheel, owner)
    this.#connector = new Connector(context, addresses)
  }

  /** Asks for an endpoint for a session, and goes there. */
  ask(session: number): void {
    const listener = this.#table.listeners[session] as number
    this.#obey(session, this.#context.policy.decide(listener, this.#clientOf(session), this.#table.tried(session)))
  }

  /** Asks once more for a session that waits. */
  askAgain(session: number): void {
    const table = this.#table
    const tried = table.tried(session)
    const listener = table.listeners[session] as number
    const decision = this.#context.policy.decideAgain(session, listener, this.#clientOf(session), tried)
    if (decision.do !== 'wait') this.waiting.end(session)
    this.#obey(session, decision)
  }

  /** A client has said who it is. */
  #introduced(session: number, header: ProxyHeaderParser): void {
    const table = this.#table
    const decision = this.#context.policy.introduced(table.listeners[session] as number, this.#clientOf(session))
    const told = decision.do === 'wait' || (decision.do === 'forward' && decision.prelude)
    const introduction = told ? header.introduction() : undefined
    if (introduction) table.introductions.set(session, introduction)
    this.#obey(session, decision)
  }

  #obey(session: number, decision: Decision): void {
    const table = this.#table
    const ticket = this.#context.policy.takeTicket()
    if (ticket !== NO_TICKET) table.tickets[session] = ticket
    if (decision.do === 'refuse') {
      this.#owner.stop(session, decision.end)
      return
    }
    if (decision.do === 'hear') {
      this.hearing.begin(session, decision.withinMs)
      return
    }
    if (decision.do === 'drop' || decision.do === 'delay') {
      this.delays.begin(session, decision)
      return
    }
    if (decision.do === 'wait') {
      this.waiting.begin(session, decision)
      return
    }
    table.attempts[session] = (table.attempts[session] as number) + 1
    table.leases[session] = decision.lease
    table.attemptMs[session] = decision.connectMs
    this.#dial(session, decision)
  }

  #waited(session: number): void {
    this.#obey(session, this.#context.policy.delayed(this.#table.listeners[session] as number, this.#clientOf(session)))
  }

  /** Connects to an endpoint. What the client has said already travels with the handshake. */
  #dial(session: number, decision: Forward): void {
    const table = this.#table
    const { calls, clock, errno } = this.#context
    const endpoint = 2 * session + 1
    const fd = calls.socket(this.#addresses.family(decision.lease), SOCKET_TYPE, 0)
    if (fd < 0) {
      this.#failed(session, errno[0] as number)
      return
    }
    table.fds[endpoint] = fd + 1
    table.askedMs[session] = clock.now()
    this.#acks.holdBack(fd)
    const userTimeoutMs = table.userTimeoutMs[session] as number
    if (userTimeoutMs > 0) this.#context.limitSilence(fd, userTimeoutMs)
    const error = this.#connector.connect(fd, decision, this.#clientOf(session))
    const connected = error === 0
    // Interrupted, it goes on by itself.
    if (error !== 0 && error !== ERRNO.EINPROGRESS && error !== ERRNO.EINTR) {
      this.#failed(session, error)
      return
    }
    const pending = (table.flags[endpoint] as number) & PENDING
    table.flags[endpoint] = pending | (connected ? WRITABLE : CONNECTING)
    if (!((table.flags[2 * session] as number) & GREETED)) {
      this.#greet(session, connected, decision.prelude)
      return
    }
    if (!pending) this.#acks.expect(endpoint)
    if (this.#watchEndpoint(session, connected) && connected) this.#flow(session)
  }

  /** The first look at the client, and both sockets into epoll. A prelude goes ahead of what the client has said, and is
   *  kept with it for further attempts; it is no byte of the client's. */
  #greet(session: number, connected: boolean, prelude: Prelude | undefined): void {
    const table = this.#table
    const client = 2 * session
    const endpoint = client + 1
    table.flags[client] = (table.flags[client] as number) | GREETED
    const read = this.#hear(client)
    if (read < 0) {
      this.#owner.stop(session, ownEnd(-read) ?? 'client-reset')
      return
    }
    let reached = connected
    let failed = false
    const ahead = prelude === undefined ? 0 : this.#preludes.put(session, prelude)
    if (ahead < 0) {
      this.#owner.stop(session, ownEnd(-ahead) ?? 'client-reset')
      return
    }
    const bytes = ahead + read
    if (bytes > 0) {
      const { copyAddress, copyOffset } = this.#context
      // An endpoint on a near network has answered by now, whatever connect(2) said: writing tells.
      const written = this.#relay.write(endpoint, copyAddress - ahead, bytes)
      if (written >= 0) {
        reached = true
        table.flags[endpoint] = ((table.flags[endpoint] as number) & ~CONNECTING) | WRITABLE
      } else failed = written === FAILED
      if (written < bytes) {
        const done = Math.max(written, 0)
        this.#relay.keep(endpoint, copyOffset - ahead + done, bytes - done)
        table.flags[endpoint] = (table.flags[endpoint] as number) & ~WRITABLE
      }
    } else if (!((table.flags[client] as number) & HUNG_UP)) this.#acks.expect(endpoint)
    const generation = table.generations[client] as number
    if (!this.#watchClient(client, generation)) {
      this.#owner.stop(session, 'over-limit')
      return
    }
    if (failed) {
      this.#failed(session, this.#relay.writeError)
      return
    }
    if (!this.#watchEndpoint(session, reached)) return
    if (reached && (table.flags[client] as number) & READABLE) this.#relay.pump(client)
  }

  /** It is in epoll already if its header was waited for; asked again, that tells of what has come since. */
  #watchClient(client: number, generation: number): boolean {
    const context = this.#context
    const fd = this.#table.fd(client)
    const token = (KIND_TCP << KIND_SHIFT) | client
    if (context.watch(fd, SESSION_MASK, token, generation)) return true
    return context.errno[0] === ERRNO.EEXIST && context.rewatch(fd, SESSION_MASK, token, generation)
  }

  /** Reads what the client has said so far into the copy buffer: how much, or the negative errno. */
  #hear(client: number): number {
    const table = this.#table
    const { calls, copyAddress, errno, clock } = this.#context
    for (let interrupted = 0; ; interrupted++) {
      const read = calls.recv(table.fd(client), copyAddress, COPY_BYTES, 0)
      if (read > 0) {
        table.bytes[client] = read
        table.lastSide[client >> 1] = 0
        table.lastMs[client >> 1] = clock.now()
        if (read === COPY_BYTES) table.flags[client] = (table.flags[client] as number) | READABLE
        return read
      }
      if (read === 0) {
        table.flags[client] = (table.flags[client] as number) | READABLE | HUNG_UP
        return 0
      }
      const error = errno[0] as number
      if (error === ERRNO.EAGAIN) return 0
      if (error !== ERRNO.EINTR || interrupted === MOST_INTERRUPTIONS) return -error
    }
  }

  /** False: it could not be done, and the session is over. */
  #watchEndpoint(session: number, connected: boolean): boolean {
    const table = this.#table
    const endpoint = 2 * session + 1
    const wantOut = !connected || (table.flags[endpoint] as number) & PENDING
    if (wantOut) table.flags[endpoint] = (table.flags[endpoint] as number) | WATCHING_OUT
    const mask = wantOut ? SESSION_MASK | EPOLLOUT : SESSION_MASK
    const token = (KIND_TCP << KIND_SHIFT) | endpoint
    if (!this.#context.watch(table.fd(endpoint), mask, token, table.generations[endpoint] as number)) {
      this.#owner.stop(session, 'over-limit')
      return false
    }
    if (connected) this.#connected(session)
    else this.#wheel.set(session, (table.askedMs[session] as number) + (table.attemptMs[session] as number))
    return true
  }

  #connected(session: number): void {
    const table = this.#table
    const now = this.#context.clock.now()
    table.connectMs[session] = Math.max(0, now - (table.askedMs[session] as number))
    table.lastMs[session] = now
    table.clearTried(session)
    this.#context.policy.connected(table.leases[session] as number)
    this.#wheel.set(session, Math.min(now + (table.idleMs[session] as number), table.lifeEndMs[session] as number))
  }

  /** The handshake with an endpoint has an outcome. */
  dialled(endpoint: number, mask: number): void {
    const table = this.#table
    const relay = this.#relay
    const session = endpoint >> 1
    if (mask & (EPOLLERR | EPOLLHUP) && !this.#hasSpoken(endpoint)) {
      this.#failed(session, this.#context.takeError(table.fd(endpoint)))
      return
    }
    const generation = table.generations[endpoint]
    table.flags[endpoint] = ((table.flags[endpoint] as number) & ~CONNECTING) | WRITABLE
    this.#connected(session)
    this.#flow(session)
    if (table.generations[endpoint] === generation && mask & (EPOLLIN | EPOLLRDHUP)) {
      table.flags[endpoint] = (table.flags[endpoint] as number) | READABLE
      relay.pump(endpoint)
    }
    if (mask & EPOLLERR) relay.endings.aborted(endpoint, generation as number)
  }

  /** Sends what the client has said while the endpoint was being reached. */
  #flow(session: number): void {
    const { flags, generations } = this.#table
    const client = 2 * session
    const endpoint = client + 1
    const generation = generations[endpoint]
    if ((flags[endpoint] as number) & PENDING) this.#relay.flush(endpoint)
    if (generations[endpoint] !== generation) return
    if ((flags[client] as number) & (READABLE | HUNG_UP | ABORTED)) this.#relay.pump(client)
  }

  attemptFailed(session: number, end: Tried['end']): void {
    const table = this.#table
    const endpoint = 2 * session + 1
    const fd = table.fd(endpoint)
    table.fds[endpoint] = 0
    if (fd >= 0) this.#context.calls.close(fd)
    // What the client has said so far waits for the next endpoint.
    table.flags[endpoint] = GONE | ((table.flags[endpoint] as number) & PENDING)
    table.generations[endpoint] = ((table.generations[endpoint] as number) + 1) | 0
    const tried: Tried = { lease: table.leases[session] as number, end }
    table.leases[session] = -1
    this.#context.policy.connectFailed(table.listeners[session] as number, this.#clientOf(session), tried)
    table.addTried(session, tried)
    this.ask(session)
  }

  /** An attempt failed: for a reason of ours, which ends the session, or of the endpoint's, and there may be others. */
  #failed(session: number, error: number): void {
    if (isExhaustion(error) || error === ERRNO.EAGAIN) {
      // The next ones would fare no better: they wait in the kernel's queue meanwhile.
      if (error === ERRNO.EMFILE || error === ERRNO.ENFILE) this.#context.outOfDescriptors = true
      this.#owner.stop(session, 'over-limit')
    } else this.attemptFailed(session, error === ERRNO.ETIMEDOUT ? 'connect-timeout' : 'connect-refused')
  }

  /** An endpoint that spoke and then broke off was there: what it said is the client's. */
  #hasSpoken(endpoint: number): boolean {
    const { calls, values } = this.#context
    return calls.ioctl(this.#table.fd(endpoint), SIOCINQ, values.cellAddress) === 0 && values.cell > 0
  }

  #clientOf(session: number): ClientAddress {
    this.#table.readClient(session, this.#client)
    return this.#client
  }
}
