import type { MessagePort } from 'node:worker_threads'
import { receiveMessageOnPort } from 'node:worker_threads'
import { type Clock, systemClock } from '../../lib/clock.ts'
import {
  EPOLL_CTL_DEL,
  EPOLLEXCLUSIVE,
  EPOLLIN,
  SO_LINGER,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from '../../lib/libc/constants.ts'
import { ERRNO } from '../../lib/libc/errno.ts'
import type { Libc } from '../../lib/libc/load.ts'
import { LINGER_BYTES } from '../../lib/libc/option-values.ts'
import { SOCKET_ADDRESS_BYTES } from '../../lib/libc/socket-address.ts'
import type { ClientAddress } from '../../model/session.ts'
import type { SessionPolicy } from '../listener.ts'
import { EndpointAddresses, readPeer } from './endpoint-addresses.ts'
import { SESSIONS_WORD, STOP_WORD, type WorkerAnswer, type WorkerRequest, type WorkerStart } from './messages.ts'
import { MutableFacts } from './session-facts.ts'
import { TcpSessions } from './tcp-sessions.ts'
import { rosterBytes, TcpTable } from './tcp-table.ts'
import { TimerWheel } from './timer-wheel.ts'
import { type UdpDoor, UdpSessions } from './udp-sessions.ts'
import { UdpTable } from './udp-table.ts'
import {
  INDEX_MASK,
  KIND_SHIFT,
  KIND_TCP,
  KIND_TCP_LISTENER,
  KIND_UDP,
  KIND_UDP_LISTENER,
  KIND_WAKE,
  LoopClock,
  WorkerContext,
} from './worker-context.ts'

export type { WorkerStart } from './messages.ts'

const ACCEPT_FLAGS = SOCK_NONBLOCK | SOCK_CLOEXEC
/** Connections taken from one listener before it is another's turn. */
const ACCEPTS_PER_TURN = 64
/** How long accepting pauses when the system has no descriptor, port or memory left. */
const PAUSE_MS = 100

interface TcpDoor {
  readonly id: number
  readonly fd: number
  readonly shared: boolean
}

/** One worker's event loop. Between two `epoll_wait`s everything is synchronous; control messages are read when the
 *  eventfd says so, and then Node's own loop gets one turn. */
export class Loop {
  readonly #start: WorkerStart
  readonly #port: MessagePort
  readonly #context: WorkerContext
  readonly #control: Int32Array<SharedArrayBuffer>
  readonly #tcp: TcpSessions
  readonly #udp: UdpSessions
  readonly #tcpWheel: TimerWheel
  readonly #udpWheel: TimerWheel
  readonly #addresses: EndpointAddresses
  readonly #tcpDoors = new Map<number, TcpDoor>()
  readonly #udpDoors = new Map<number, UdpDoor>()
  readonly #client: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  readonly #facts = new MutableFacts()
  #paused = false
  #resumeMs = Number.POSITIVE_INFINITY
  #emptyTicket = -1
  #nextId: number

  /** `createPolicy` builds the policy around the loop's clock. */
  constructor(start: WorkerStart, port: MessagePort, libc: Libc, createPolicy: (clock: Clock) => SessionPolicy) {
    this.#start = start
    this.#port = port
    this.#control = new Int32Array(start.control)
    this.#nextId = start.idBase
    const clock = new LoopClock(systemClock)
    const policy = createPolicy(clock)
    const context = new WorkerContext(libc, policy, clock, () => ++this.#nextId, start.shared.endpointSlots)
    this.#context = context
    this.#addresses = new EndpointAddresses(context)
    this.#tcpWheel = new TimerWheel(start.tcpCapacity, clock.now(), (session) => this.#tcp.due(session))
    this.#udpWheel = new TimerWheel(start.udpCapacity, clock.now(), (session) => this.#udp.due(session))
    const ended = () => this.#ended()
    const tcpTable = new TcpTable(start.tcpCapacity, start.roster)
    this.#tcp = new TcpSessions(context, tcpTable, this.#tcpWheel, this.#addresses, start.mostPipes, ended)
    const udpTable = new UdpTable(start.udpCapacity, start.roster, rosterBytes(start.tcpCapacity))
    const hasRoom = () => this.#descriptorsLeft() >= 1
    this.#udp = new UdpSessions(context, udpTable, this.#udpWheel, this.#addresses, hasRoom, ended)
    context.watch(start.wakeFd, EPOLLIN, KIND_WAKE << KIND_SHIFT, 0)
  }

  /** Runs until the stop word is set; resolves then, with nothing left open. */
  async run(): Promise<void> {
    while (this.#control[STOP_WORD] === 0) {
      if (this.#turn()) await new Promise<void>((resolve) => setImmediate(resolve))
    }
    this.#tcp.cut({}, 'killed')
    this.#udp.cut({}, 'killed')
    this.#tcp[Symbol.dispose]()
    this.#udp[Symbol.dispose]()
    this.#context[Symbol.dispose]()
  }

  /** One round of events. True: control messages were read, Node's loop deserves a turn. */
  #turn(): boolean {
    const { calls, epoll, events, clock, errno } = this.#context
    const count = calls.epoll_wait(epoll, events.address, events.capacity, this.#waitMs())
    const now = clock.tick()
    if (count < 0 && errno[0] !== ERRNO.EINTR) return true
    let woken = false
    for (let n = 0; n < count; n++) {
      const token = events.fd(n)
      const index = token & INDEX_MASK
      switch (token >>> KIND_SHIFT) {
        case KIND_TCP:
          this.#tcp.event(index, events.generation(n), events.mask(n))
          break
        case KIND_UDP:
          this.#udp.fromEndpoint(index, events.generation(n))
          break
        case KIND_TCP_LISTENER:
          this.#accept(index, ACCEPTS_PER_TURN)
          break
        case KIND_UDP_LISTENER:
          this.#udp.fromClients(this.#udpDoors.get(index))
          break
        default:
          woken = true
      }
    }
    if (this.#tcp.relay.busy) this.#tcp.relay.runQueued()
    this.#tcp.relay.closeWriteSides()
    this.#tcpWheel.advance(now)
    this.#udpWheel.advance(now)
    if (now >= this.#resumeMs) this.#resume()
    if (woken) this.#readControl()
    return woken
  }

  #waitMs(): number {
    if (this.#tcp.relay.busy || this.#control[STOP_WORD] !== 0) return 0
    const now = this.#context.clock.now()
    let wait = this.#tcp.acks.run(now)
    wait = sooner(wait, this.#tcpWheel.waitMs(now))
    wait = sooner(wait, this.#udpWheel.waitMs(now))
    return this.#resumeMs === Number.POSITIVE_INFINITY ? wait : sooner(wait, Math.max(0, Math.ceil(this.#resumeMs - now)))
  }

  #accept(id: number, most: number): void {
    const door = this.#tcpDoors.get(id)
    if (!door || this.#paused) return
    const { calls, arena, peerAddress, peerLengthAddress, peerLengthOffset, errno } = this.#context
    for (let n = 0; n < most; n++) {
      arena.i32[peerLengthOffset >> 2] = SOCKET_ADDRESS_BYTES
      const fd = calls.accept4(door.fd, peerAddress, peerLengthAddress, ACCEPT_FLAGS)
      if (fd < 0) {
        const error = errno[0]
        if (error === ERRNO.EAGAIN) return
        // A client that left again, or a network error on its way in: the next one may be fine.
        if (error === ERRNO.ECONNABORTED || error === ERRNO.EINTR || error === ERRNO.EPROTO) continue
        this.#pause(PAUSE_MS)
        return
      }
      readPeer(this.#context, this.#client)
      if (this.#tcp.begin(fd, id, this.#client)) {
        Atomics.add(this.#control, SESSIONS_WORD, 1)
        if (this.#descriptorsLeft() >= 2) continue
        this.#pause(Number.POSITIVE_INFINITY)
        return
      }
      this.#turnAway(fd, id)
    }
  }

  /** Resets a client that there is no room for. */
  #turnAway(fd: number, listener: number): void {
    const { calls, values, policy, clock } = this.#context
    calls.setsockopt(fd, SOL_SOCKET, SO_LINGER, values.reset, LINGER_BYTES)
    calls.close(fd)
    const facts = this.#facts
    facts.id = this.#context.nextId()
    facts.listener = listener
    facts.client = this.#client
    facts.end = 'over-limit'
    facts.startedMs = clock.now()
    facts.endedMs = facts.startedMs
    policy.refused(facts)
  }

  #ended(): void {
    Atomics.store(this.#control, SESSIONS_WORD, this.#tcp.table.size + this.#udp.table.size)
    if (this.#paused && this.#resumeMs === Number.POSITIVE_INFINITY) this.#resume()
    if (this.#emptyTicket >= 0 && this.#isEmpty()) this.#answerEmpty()
  }

  #descriptorsLeft(): number {
    return this.#start.descriptors - 2 * this.#tcp.table.size - this.#udp.table.size
  }

  #isEmpty(): boolean {
    return this.#tcp.table.size + this.#udp.table.size === 0
  }

  #answerEmpty(): void {
    const ticket = this.#emptyTicket
    this.#emptyTicket = -1
    this.#answer({ ticket, count: 0 })
  }

  /** Stops accepting: a listener that stays readable would keep the loop spinning. */
  #pause(forMs: number): void {
    this.#paused = true
    this.#resumeMs = this.#context.clock.now() + forMs
    for (const door of this.#tcpDoors.values()) this.#forget(door.fd)
  }

  #resume(): void {
    this.#paused = false
    this.#resumeMs = Number.POSITIVE_INFINITY
    for (const door of this.#tcpDoors.values()) this.#watchTcp(door)
  }

  #watchTcp(door: TcpDoor): void {
    const mask = door.shared ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN
    this.#context.watch(door.fd, mask, (KIND_TCP_LISTENER << KIND_SHIFT) | door.id, 0)
  }

  #forget(fd: number): void {
    const { calls, epoll, change } = this.#context
    calls.epoll_ctl(epoll, EPOLL_CTL_DEL, fd, change.set(0, 0, 0))
  }

  #readControl(): void {
    const { calls, copyAddress } = this.#context
    calls.read(this.#start.wakeFd, copyAddress, 8)
    for (;;) {
      const received = receiveMessageOnPort(this.#port)
      if (!received) return
      this.#obey(received.message as WorkerRequest)
    }
  }

  #obey(request: WorkerRequest): void {
    let count = 0
    switch (request.do) {
      case 'publish':
        this.#addresses.apply(request.delta)
        this.#context.policy.apply(request.delta)
        break
      case 'listen':
        this.#listen(request.id, request.fd, request.protocol, request.shared)
        break
      case 'leave':
        this.#leave(request)
        break
      case 'cut':
        if (request.filter.protocol !== 'UDP') count += this.#tcp.cut(request.filter, request.end)
        if (request.filter.protocol !== 'TCP') count += this.#udp.cut(request.filter, request.end)
        break
      case 'drain':
        this.#drain()
        break
      case 'empty':
        this.#emptyTicket = request.ticket
        if (this.#isEmpty()) this.#answerEmpty()
        return
    }
    this.#answer({ ticket: request.ticket, count })
  }

  #listen(id: number, fd: number, protocol: string, shared: boolean): void {
    if (protocol === 'UDP') {
      const door: UdpDoor = { id, fd, sessions: new Map(), draining: false }
      this.#udpDoors.set(id, door)
      this.#udp.addDoor(door)
      this.#context.watch(fd, EPOLLIN, (KIND_UDP_LISTENER << KIND_SHIFT) | id, 0)
      return
    }
    const door = { id, fd, shared }
    this.#tcpDoors.set(id, door)
    if (!this.#paused) this.#watchTcp(door)
  }

  #leave(request: WorkerRequest & { do: 'leave' }): void {
    const tcp = this.#tcpDoors.get(request.id)
    if (tcp) {
      this.#tcpDoors.delete(request.id)
      if (!this.#paused) this.#forget(tcp.fd)
    }
    if (request.sessions === 'cut') this.#tcp.cut({ listeners: [request.id] }, request.end)
    const udp = this.#udpDoors.get(request.id)
    if (!udp) return
    this.#udpDoors.delete(request.id)
    this.#forget(udp.fd)
    this.#udp.removeDoor(request.id, request.end)
  }

  #drain(): void {
    for (const { id, fd } of this.#tcpDoors.values()) {
      this.#accept(id, Number.POSITIVE_INFINITY)
      this.#forget(fd)
    }
    this.#tcpDoors.clear()
    for (const door of this.#udpDoors.values()) door.draining = true
  }

  #answer(answer: WorkerAnswer): void {
    this.#port.postMessage(answer)
  }
}

function sooner(aMs: number, bMs: number): number {
  if (aMs < 0) return bMs
  return bMs < 0 ? aMs : Math.min(aMs, bMs)
}
