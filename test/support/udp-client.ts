import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { SocketAddress } from '../../src/model/keys.ts'
import { eventually } from './eventually.ts'

/** How often a client asks again: datagrams may be lost, most of all while an endpoint is being left. */
const ASK_AGAIN_MS = 100

/** A UDP client with a port of its own. Replies are taken from the address it sends to and from no other. */
export class UdpClient implements AsyncDisposable {
  readonly replies: Buffer[] = []
  /** System names of errors the socket heard of: `ECONNREFUSED` is an ICMP answer. */
  readonly errors: string[] = []
  readonly port: number
  readonly #socket: Socket
  #open = true

  private constructor(socket: Socket) {
    this.#socket = socket
    this.port = socket.address().port
    socket.on('message', (datagram) => this.replies.push(datagram))
    socket.on('error', (error: NodeJS.ErrnoException) => this.errors.push(error.code ?? ''))
  }

  /** On a free port, of the address `from` if given. */
  static async open(to: SocketAddress, from?: string): Promise<UdpClient> {
    const socket = createSocket({ type: to.ip.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 4 * 2 ** 20 })
    if (from !== undefined) {
      socket.bind({ address: from })
      await once(socket, 'listening')
    }
    socket.connect(to.port, to.ip)
    await once(socket, 'connect')
    return new UdpClient(socket)
  }

  send(datagram: string | Uint8Array): void {
    this.#socket.send(datagram, (error) => {
      if (error) this.errors.push((error as NodeJS.ErrnoException).code ?? '')
    })
  }

  /** Sends one datagram and resolves with the next reply; it must come. */
  async ask(datagram: string | Uint8Array): Promise<Buffer> {
    const before = this.replies.length
    this.send(datagram)
    return await eventually(() => this.#reply(before))
  }

  /** Sends until there is a reply, as clients do that expect loss. */
  async askAgain(datagram: string | Uint8Array): Promise<Buffer> {
    const before = this.replies.length
    let sentMs = Number.NEGATIVE_INFINITY
    return await eventually(() => {
      if (this.replies.length === before && performance.now() - sentMs > ASK_AGAIN_MS) {
        this.send(datagram)
        sentMs = performance.now()
      }
      return this.#reply(before)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()))
  }

  #reply(index: number): Buffer {
    const reply = this.replies[index]
    if (!reply) throw new Error(`no reply to ${this.port}; ${this.errors.join(' ') || 'no error'}`)
    return reply
  }
}
