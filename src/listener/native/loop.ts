import { readlinkSync } from 'node:fs'
import type { MessagePort } from 'node:worker_threads'
import { receiveMessageOnPort } from 'node:worker_threads'
import { type Clock, systemClock } from '../../lib/clock.ts'
import { messageOf, ProxyError } from '../../lib/errors.ts'
import { EPOLLIN } from '../../lib/libc/constants.ts'
import { ERRNO, errnoName } from '../../lib/libc/errno.ts'
import type { Libc } from '../../lib/libc/load.ts'
import type { RouteDelta } from '../../model/delta.ts'
import type { SessionEnd } from '../../model/session.ts'
import type { SessionFilter, SessionPolicy, TraceOrder } from '../listener.ts'
import { TracedPolicy } from '../traced-policy.ts'
import { EndpointAddresses } from './endpoint-addresses.ts'
import { ADOPTED_WORD, BUDGET_WORD, LOOPING_WORD, MESSAGE_WORD, SESSIONS_WORD, STOP_WORD } from './estate.ts'
import type { WorkerAnswer, WorkerFault, WorkerRequest, WorkerStart } from './messages.ts'
import { SctpPart } from './sctp-part.ts'
import { TcpDoors } from './tcp-doors.ts'
import { TcpMover } from './tcp-mover.ts'
import { TcpSessions } from './tcp-sessions.ts'
import { TcpTable } from './tcp-table.ts'
import { TimerWheel } from './timer-wheel.ts'
import { UdpDoors } from './udp-doors.ts'
import { UdpRelay } from './udp-relay.ts'
import { UdpSessions } from './udp-sessions.ts'
import { UdpTable } from './udp-table.ts'
import {
  INDEX_MASK,
  KIND_BELL,
  KIND_SCTP,
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

/** Descriptors that a TCP session takes. */
const PER_TCP_SESSION = 2
/** What an eventfd is read in. */
const WAKE_BYTES = 8

/** One worker's event loop. Between two `epoll_wait`s everything is synchronous; control messages are read when the
 *  eventfd says so, and then Node's own loop gets one turn. */
export class Loop {
  readonly #start: WorkerStart
  readonly #port: MessagePort
  readonly #context: WorkerContext
  readonly #policy: SessionPolicy
  readonly #control: Int32Array<SharedArrayBuffer>
  readonly #tcp: TcpSessions
  readonly #tcpDoors: TcpDoors
  readonly #tcpMover: TcpMover
  readonly #tcpWheel: TimerWheel
  readonly #udp: UdpSessions
  readonly #udpDoors: UdpDoors
  readonly #udpRelay: UdpRelay
  readonly #udpWheel: TimerWheel
  readonly #sctp: SctpPart
  readonly #addresses: EndpointAddresses
  /** Who waits for the last session to end. */
  #emptyTickets: number[] = []
  readonly #thread = threadNumber()
  #nextId: number
  /** Sessions that are in the count shared with main. */
  #known = 0

  /** `createPolicy` builds the policy around the loop's clock. */
  constructor(start: WorkerStart, port: MessagePort, libc: Libc, createPolicy: (clock: Clock) => SessionPolicy) {
    const { estate } = start
    this.#start = start
    this.#port = port
    this.#control = estate.control
    this.#nextId = start.idBase
    const clock = new LoopClock(systemClock)
    this.#policy = createPolicy(clock)
    const context = new WorkerContext({
      libc,
      policy: this.#policy,
      clock,
      estate,
      endpointSlots: start.shared.endpointSlots,
      nextId: () => ++this.#nextId,
      onFault: (error) => this.#tell({ ticket: 0, fault: messageOf(error) }),
    })
    this.#context = context
    this.#addresses = new EndpointAddresses(context)
    const left = () => this.#descriptorsLeft()
    const counted = () => this.#counted()
    const tcpTable = new TcpTable(estate.tcp)
    this.#tcpWheel = new TimerWheel(tcpTable.capacity, clock.now(), (session) => this.#tcp.due(session))
    this.#tcp = new TcpSessions(context, tcpTable, this.#tcpWheel, this.#addresses, counted)
    this.#tcpDoors = new TcpDoors(context, this.#tcp, left)
    this.#tcpMover = new TcpMover(context, this.#tcp, this.#tcpWheel, this.#addresses, () => this.#adopted())
    const udpTable = new UdpTable(estate.udp)
    this.#udpWheel = new TimerWheel(udpTable.capacity, clock.now(), (session) => this.#udp.due(session))
    this.#udpDoors = new UdpDoors(context)
    this.#udp = new UdpSessions(context, udpTable, this.#udpWheel, this.#addresses, this.#udpDoors, left, counted)
    this.#udpRelay = new UdpRelay(context, this.#udp, this.#udpDoors)
    this.#sctp = new SctpPart(context, estate.sctp, counted)
    const bell = start.bells[start.row] as number
    const watched = context.watch(bell, EPOLLIN, KIND_BELL << KIND_SHIFT, 0)
    if (!watched || !context.watch(start.wakeFd, EPOLLIN, KIND_WAKE << KIND_SHIFT, 0)) {
      throw new ProxyError('E_ENGINE', 'system', `epoll_ctl: ${errnoName(context.errno[0] as number)}`)
    }
  }

  /** Runs until the stop word is set; resolves then, with nothing left open. */
  async run(): Promise<void> {
    Atomics.store(this.#control, LOOPING_WORD, 1)
    while (this.#control[STOP_WORD] === 0) {
      if (this.#turn()) await new Promise<void>((resolve) => setImmediate(resolve))
    }
    this.#tcp.cut({}, 'killed')
    this.#udp.cut({}, 'killed')
    this.#sctp.relay?.cut({}, 'killed')
    this.#tcp[Symbol.dispose]()
    this.#context[Symbol.dispose]()
  }

  /** One round of events. True: control messages were read, Node's loop deserves a turn. */
  #turn(): boolean {
    const { calls, epoll, events, clock, errno, copyAddress } = this.#context
    const count = calls.epoll_wait(epoll, events.address, events.capacity, this.#waitMs())
    const error = count < 0 ? (errno[0] as number) : 0
    const now = clock.tick()
    if (error !== 0 && error !== ERRNO.EINTR) throw new ProxyError('E_ENGINE', 'system', `epoll_wait: ${errnoName(error)}`)
    const told = Atomics.load(this.#control, MESSAGE_WORD) !== 0
    if (told) this.#readControl()
    for (let n = 0; n < count; n++) {
      const token = events.fd(n)
      const index = token & INDEX_MASK
      switch (token >>> KIND_SHIFT) {
        case KIND_TCP:
          this.#tcp.event(index, events.generation(n), events.mask(n))
          break
        case KIND_UDP:
          this.#udpRelay.fromEndpoint(index, events.generation(n))
          break
        case KIND_TCP_LISTENER:
          this.#tcpDoors.knocked(index)
          break
        case KIND_UDP_LISTENER:
          this.#udpRelay.fromClients(index)
          break
        case KIND_SCTP:
          this.#sctp.relay?.readable(index)
          break
        case KIND_BELL:
          calls.read(this.#start.bells[this.#start.row] as number, copyAddress, WAKE_BYTES)
          this.#context.policy.waiting.heed()
          break
        default:
          // What it was written for has been read already.
          calls.read(this.#start.wakeFd, copyAddress, WAKE_BYTES)
      }
    }
    const { relay } = this.#tcp
    if (relay.busy) relay.runQueued()
    this.#tcpWheel.advance(now)
    this.#udpWheel.advance(now)
    this.#tcpDoors.tick(now)
    this.#udpDoors.tick(now)
    this.#sctp.advance(now)
    if (this.#context.policy.waiting.restless) this.#seeToWaiting()
    // Last, for all of the above may have brought a direction to its end.
    relay.endings.closeWriteSides()
    return told
  }

  #waitMs(): number {
    const now = this.#context.clock.now()
    let wait = this.#tcp.acks.run(now)
    // What came since it was looked at last has its wake-up read away already.
    const told = Atomics.load(this.#control, STOP_WORD) | Atomics.load(this.#control, MESSAGE_WORD)
    if (told !== 0 || this.#tcp.relay.busy || this.#context.policy.waiting.restless) return 0
    wait = sooner(wait, this.#tcpWheel.waitMs(now))
    wait = sooner(wait, this.#udpWheel.waitMs(now))
    wait = sooner(wait, this.#sctp.waitMs(now))
    wait = sooner(wait, this.#tcpDoors.waitMs(now))
    return sooner(wait, this.#udpDoors.waitMs(now))
  }

  /** Gives sessions that wait their turn, here or in other workers. */
  #seeToWaiting(): void {
    const { calls, policy, one } = this.#context
    this.#tcp.askWaiting()
    for (let row = policy.waiting.takeWake(); row >= 0; row = policy.waiting.takeWake()) {
      calls.write(this.#start.bells[row] as number, one, WAKE_BYTES)
    }
  }

  /** A session began or ended. */
  #counted(): void {
    const sessions = this.#tcp.table.size + this.#udp.table.size + this.#sctp.size
    Atomics.add(this.#control, SESSIONS_WORD, sessions - this.#known)
    this.#known = sessions
    this.#tcpDoors.roomMade()
    if (sessions > 0 || this.#emptyTickets.length === 0) return
    for (const ticket of this.#emptyTickets.splice(0)) this.#tell({ ticket, count: 0 })
  }

  /** A session that main sent, and has counted, is this worker's. */
  #adopted(): void {
    this.#known++
    Atomics.add(this.#control, ADOPTED_WORD, 1)
  }

  #descriptorsLeft(): number {
    const budget = Atomics.load(this.#control, BUDGET_WORD)
    return budget - PER_TCP_SESSION * this.#tcp.table.size - this.#udp.table.size
  }

  #readControl(): void {
    Atomics.store(this.#control, MESSAGE_WORD, 0)
    for (;;) {
      const received = receiveMessageOnPort(this.#port)
      if (!received) break
      this.#obey(received.message as WorkerRequest)
    }
    this.#tcpDoors.roomMade()
  }

  #obey(request: WorkerRequest): void {
    let count = 0
    switch (request.do) {
      case 'publish':
        this.#publish(request.delta)
        break
      case 'listen':
        if (request.protocol === 'UDP') this.#udpDoors.open(request.id, request.fd, request.draining)
        else this.#tcpDoors.open(request.id, request.fd, request.shared)
        break
      case 'leave':
        this.#leave(request)
        break
      case 'take-sctp':
        this.#sctp.take(request.fd4, request.fd6, request.routes)
        break
      case 'open-sctp':
        this.#sctp.relay?.open(request.id, request.address)
        break
      case 'cut':
        count += this.#cut(request.filter, request.end)
        break
      case 'drain':
        this.#tcpDoors.drain()
        this.#udpDoors.drain()
        this.#sctp.relay?.drain()
        break
      case 'give': {
        const given = this.#tcpMover.give(request.filter, request.from, request.most)
        this.#tell({ ticket: request.ticket, count: given.sessions.length, given })
        return
      }
      case 'forget':
        this.#tcpMover.forget(request.places)
        this.#known -= request.places.length
        this.#counted()
        break
      case 'adopt':
        this.#tcpMover.adopt(request.sessions)
        break
      case 'trace':
        this.#trace(request.order)
        break
      case 'pulse':
        count = this.#thread
        break
      case 'empty':
        this.#emptyTickets.push(request.ticket)
        this.#counted()
        return
    }
    this.#tell({ ticket: request.ticket, count })
  }

  #cut(filter: SessionFilter, end: SessionEnd): number {
    const { protocol } = filter
    let count = 0
    if (protocol === undefined || protocol === 'TCP') count += this.#tcp.cut(filter, end)
    if (protocol === undefined || protocol === 'UDP') count += this.#udp.cut(filter, end)
    if (protocol === undefined || protocol === 'SCTP') count += this.#sctp.relay?.cut(filter, end) ?? 0
    return count
  }

  #publish(delta: RouteDelta): void {
    this.#addresses.apply(delta)
    this.#sctp.apply(delta)
    const hurried = this.#context.policy.apply(delta)
    if (hurried.length === 0) return
    hasten(this.#tcp.table, this.#tcpWheel, hurried)
    hasten(this.#udp.table, this.#udpWheel, hurried)
    this.#sctp.relay?.hasten(hurried)
  }

  #trace(order: TraceOrder | undefined): void {
    const context = this.#context
    context.policy = order ? new TracedPolicy(this.#policy, context.clock, order, this.#start.row) : this.#policy
  }

  #leave({ id, sessions, end }: WorkerRequest & { do: 'leave' }): void {
    this.#tcpDoors.close(id)
    this.#sctp.relay?.close(id, end)
    if (sessions === 'cut') this.#tcp.cut({ listeners: [id] }, end)
    const door = this.#udpDoors.get(id)
    if (!door) return
    this.#udp.leave(door, end)
    this.#udpDoors.close(id)
  }

  #tell(message: WorkerAnswer | WorkerFault): void {
    this.#port.postMessage(message)
  }
}

function sooner(aMs: number, bMs: number): number {
  if (aMs < 0) return bMs
  return bMs < 0 ? aMs : Math.min(aMs, bMs)
}

/** Looks at every session of these listeners soon. */
function hasten(table: TcpTable | UdpTable, wheel: TimerWheel, listeners: readonly number[]): void {
  for (let session = 0; session < table.end; session++) {
    if (table.alive(session) && listeners.includes(table.listeners[session] as number)) wheel.set(session, 0)
  }
}

/** What the kernel calls this thread; NaN where it does not say. */
function threadNumber(): number {
  try {
    return Number(readlinkSync('/proc/thread-self').split('/').pop())
  } catch {
    return Number.NaN
  }
}
