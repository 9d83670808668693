import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { errnoOf, messageOf } from '../../lib/errors.ts'
import { familyOf } from '../../model/keys.ts'
import type { SessionEnd } from '../../model/session.ts'
import { bindFailure } from '../bind-failure.ts'
import type { ListenerSpec, ListenerStatus, SessionFilter } from '../listener.ts'
import type { NodeContext } from './context.ts'
import type { UdpOrder } from './udp-order.ts'
import { asGiven, type UdpOwner, UdpSession } from './udp-session.ts'

/** What the kernel may hold for us while the event loop is busy. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024

/** One UDP address and its clients' sessions. */
export class UdpListener {
  readonly spec: ListenerSpec
  readonly #context: NodeContext
  readonly #order: UdpOrder
  readonly #sessions = new Map<string, UdpSession>()
  readonly #owner: UdpOwner = {
    // Nobody waits for a reply to be sent: without a callback it is one system call and no more.
    reply: (client, datagram) => this.#socket?.send(datagram, client.port, client.address),
    ended: (session) => this.#ended(session),
  }
  #socket: Socket | undefined
  #draining = false
  #whenEmpty: (() => void)[] = []

  constructor(context: NodeContext, order: UdpOrder, spec: ListenerSpec) {
    this.#context = context
    this.#order = order
    this.spec = spec
  }

  get sessions(): number {
    return this.#sessions.size
  }

  async open(): Promise<ListenerStatus> {
    const { ip, port } = this.spec.address
    if (this.#socket) return { state: 'listening', address: this.spec.address }
    const socket = createSocket({
      type: familyOf(ip) === 6 ? 'udp6' : 'udp4',
      ipv6Only: familyOf(ip) === 6,
      recvBufferSize: RECEIVE_BUFFER_BYTES,
      lookup: asGiven,
    })
    const failure = await new Promise<Error | undefined>((resolve) => {
      socket.once('error', resolve)
      socket.bind({ address: ip, port, exclusive: true }, () => resolve(undefined))
    })
    if (failure) {
      socket.close()
      return bindFailure(this.spec, errnoOf(failure), messageOf(failure))
    }
    socket.removeAllListeners('error')
    // A client that went away answers a reply with ICMP: nobody's failure.
    socket.on('error', () => {})
    socket.on('message', (datagram, from) => this.#fromClient(datagram, from))
    this.#socket = socket
    return { state: 'listening', address: this.spec.address }
  }

  /** Closes the socket; its sessions end, for their replies have no address to leave from. */
  async stopListening(end: SessionEnd): Promise<void> {
    this.cut({}, end)
    const socket = this.#socket
    this.#socket = undefined
    if (socket) await new Promise<void>((resolve) => socket.close(() => resolve()))
  }

  /** Takes no new clients; known ones are served until they fall silent. Resolves when the last session has ended. */
  async drain(): Promise<void> {
    this.#draining = true
    await this.whenEmpty()
    await this.stopListening('drained')
  }

  /** Resolves when no session runs. */
  async whenEmpty(): Promise<void> {
    if (this.#sessions.size > 0) await new Promise<void>((resolve) => this.#whenEmpty.push(resolve))
  }

  /** Its sessions that run. */
  get running(): Iterable<UdpSession> {
    return this.#sessions.values()
  }

  /** A timeout of its sessions became shorter. */
  hasten(): void {
    for (const session of this.#sessions.values()) session.hasten()
  }

  cut(filter: SessionFilter, end: SessionEnd): number {
    let count = 0
    for (const session of [...this.#sessions.values()]) {
      if (filter.ids && !filter.ids.has(session.id)) continue
      if (filter.leases && !filter.leases.includes(session.lease)) continue
      session.cut(end)
      count++
    }
    return count
  }

  #fromClient(datagram: Uint8Array, from: RemoteInfo): void {
    // Nothing can be sent to port 0.
    if (from.port === 0) return
    const key = `${from.address}|${from.port}`
    let session = this.#sessions.get(key)
    if (session && !this.#draining && !session.current) {
      session.cut('endpoint-removed')
      session = undefined
    }
    if (session?.fromClient(datagram)) {
      if (!session.over) this.#order.used(session)
      return
    }
    if (!this.#draining) this.#begin(key, from)?.fromClient(datagram)
  }

  #begin(key: string, from: RemoteInfo): UdpSession | undefined {
    const session = new UdpSession(this.#context, this.spec.id, key, from, this.#owner)
    const { budget, idle } = this.#context
    let room = budget.openUdp()
    if (!room && this.#order.oldest) {
      this.#order.oldest.cut('over-limit')
      room = budget.openUdp()
    }
    if (!room) {
      session.refuse('over-limit')
      return undefined
    }
    this.#sessions.set(key, session)
    this.#order.used(session)
    idle.add(session)
    return session
  }

  #ended(session: UdpSession): void {
    this.#context.budget.closeUdp()
    this.#order.remove(session)
    this.#sessions.delete(session.key)
    if (this.#sessions.size > 0) return
    const waiting = this.#whenEmpty
    this.#whenEmpty = []
    for (const resolve of waiting) resolve()
  }
}
