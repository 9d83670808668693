import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import type { Ip, Port, SocketAddress } from '../../src/model/keys.ts'
import { connectTcp } from './tcp-client.ts'
import { TcpPeer } from './tcp-peer.ts'
import { parseTcpScript } from './tcp-script.ts'
import { within } from './within.ts'

/** Something that a route may name as an endpoint. */
export interface TestEndpoint extends AsyncDisposable {
  readonly address: SocketAddress
}

/** A TCP endpoint that plays the same script with everyone who connects. */
export class TcpEndpoint implements TestEndpoint {
  readonly address: SocketAddress
  /** Every session that ever came, in order. */
  readonly sessions: TcpPeer[] = []
  readonly #stop: () => Promise<void>
  #waiting: (() => void)[] = []

  private constructor(address: SocketAddress, stop: () => Promise<void>) {
    this.address = address
    this.#stop = stop
  }

  /** Listens on a free port of `ip`, or the port given. */
  static async open(ip: string, script: string, port = 0): Promise<TcpEndpoint> {
    const { run } = parseTcpScript(script)
    const server = createServer({ allowHalfOpen: true, noDelay: true })
    server.listen({ host: ip, port, backlog: 4096 })
    await once(server, 'listening')
    const endpoint = new TcpEndpoint(addressOf(server.address() as AddressInfo), () =>
      endpoint.#closeServer(() => server.close()),
    )
    server.on('connection', (socket: Socket) => {
      const peer = new TcpPeer(socket)
      endpoint.sessions.push(peer)
      // A session that ends before its script does is what many tests are about.
      run(peer).catch(() => {})
      for (const resolve of endpoint.#waiting.splice(0)) resolve()
    })
    return endpoint
  }

  /** The n-th session, as soon as it is there. */
  async session(n = 0): Promise<TcpPeer> {
    while (this.sessions.length <= n) {
      await within(`session ${n} at ${this.address.ip}`, new Promise<void>((resolve) => this.#waiting.push(resolve)))
    }
    return this.sessions[n] as TcpPeer
  }

  /** Stops listening and leaves every session. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#stop()
  }

  async #closeServer(close: () => void): Promise<void> {
    close()
    await Promise.all(this.sessions.map((session) => session[Symbol.asyncDispose]()))
  }
}

function addressOf({ address, port }: AddressInfo): SocketAddress {
  return { ip: address as Ip, port: port as Port }
}

/** An address of `ip` where nobody listens: connections are refused, datagrams answered with ICMP. */
export async function openRefusing(ip: string): Promise<TestEndpoint> {
  const endpoint = await TcpEndpoint.open(ip, 'close')
  await endpoint[Symbol.asyncDispose]()
  return { address: endpoint.address, [Symbol.asyncDispose]: async () => {} }
}

/** Listens, then sleeps: its thread is stuck, so that only the system answers. */
const BLACK_HOLE = `
  const { parentPort, workerData } = require('node:worker_threads')
  const server = require('node:net').createServer().listen({ host: workerData, port: 0, backlog: 1 }, () => {
    parentPort.postMessage(server.address())
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })
`
/** A queue of length n takes n + 1 connections. */
const FILLERS = 2

/** An endpoint that never answers a connection attempt: it listens, and its queue is full. Linux drops what then comes. */
export async function openBlackHole(ip: string): Promise<TestEndpoint> {
  const worker = new Worker(BLACK_HOLE, { eval: true, workerData: ip })
  const [address] = (await once(worker, 'message')) as [AddressInfo]
  const fillers: TcpPeer[] = []
  for (let n = 0; n < FILLERS; n++) fillers.push(await connectTcp(addressOf(address)))
  return {
    address: addressOf(address),
    async [Symbol.asyncDispose]() {
      await worker.terminate()
      for (const filler of fillers) await filler[Symbol.asyncDispose]()
    },
  }
}

/** How a UDP endpoint answers a datagram: with nothing, where it returns undefined. */
export type UdpAnswer = (datagram: Buffer) => Buffer | undefined

/** A UDP endpoint. */
export class UdpEndpoint implements TestEndpoint {
  readonly address: SocketAddress
  /** Every datagram, in order, with where it came from. */
  readonly received: { readonly datagram: Buffer; readonly ip: string; readonly port: number }[] = []
  readonly #socket: UdpSocket
  #open = true

  private constructor(socket: UdpSocket, answer: UdpAnswer) {
    this.#socket = socket
    this.address = addressOf(socket.address())
    socket.on('error', () => {})
    socket.on('message', (datagram, from: RemoteInfo) => {
      this.received.push({ datagram, ip: from.address, port: from.port })
      const reply = answer(datagram)
      if (reply) socket.send(reply, from.port, from.address)
    })
  }

  /** Listens on a free port of `ip`, or the port given. */
  static async open(ip: string, answer: UdpAnswer, port = 0): Promise<UdpEndpoint> {
    const socket = createSocket({ type: ip.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 4 * 2 ** 20 })
    socket.bind(port, ip)
    await once(socket, 'listening')
    return new UdpEndpoint(socket, answer)
  }

  /** A datagram nobody asked for, to whoever sent from this port. */
  push(datagram: Buffer, port: number): void {
    this.#socket.send(datagram, port, '127.0.0.1')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()))
  }
}

/** Sends every datagram back. */
export const echoDatagram: UdpAnswer = (datagram) => datagram
/** Takes datagrams and says nothing. */
export const silent: UdpAnswer = () => undefined
/** Answers every datagram with a name. */
export function sayName(name: string): UdpAnswer {
  return () => Buffer.from(name)
}
