import { AF_INET, AF_INET6, IPPROTO_SCTP } from '../../lib/libc/constants.ts'
import type { Libc } from '../../lib/libc/load.ts'
import { openRawSocket } from '../../lib/libc/raw-socket.ts'
import type { Sockets } from '../../lib/libc/sockets.ts'
import { fillClientAddress } from '../../model/address.ts'
import type { PublishedRoute } from '../../model/delta.ts'
import { showAddress } from '../../model/keys.ts'
import type { ClientAddress } from '../../model/session.ts'
import { bindFailure } from '../bind-failure.ts'
import type { ListenerSpec, ListenerStatus } from '../listener.ts'
import { sctpRefusal } from '../sctp/refusal.ts'
import { takeSctp } from './sctp-lock.ts'
import type { WorkerHandle } from './worker-handle.ts'

/** What the kernel may hold of packets for us, if it lets us ask for so much. */
const BUFFER_BYTES = 8 * 1024 * 1024

export interface SctpFrontOptions {
  readonly libc: Libc
  readonly sockets: Sockets
  /** The worker that has all SCTP. */
  readonly worker: () => WorkerHandle
  /** Every route in force. */
  readonly routes: () => Iterable<PublishedRoute>
}

/** Main's side of SCTP: opens and owns the raw sockets, with the first listener, and knows which addresses are open. */
export class SctpFront implements Disposable {
  readonly #options: SctpFrontOptions
  readonly #open = new Map<number, ListenerSpec>()
  #fd4 = -1
  #fd6 = -1
  #lock: Disposable | undefined
  /** Under way: listeners are opened several at a time. */
  #beginning: Promise<{ readonly code: string; readonly reason: string } | undefined> | undefined
  /** Whether the worker has the sockets. */
  #taken = false

  constructor(options: SctpFrontOptions) {
    this.#options = options
  }

  has(id: number): boolean {
    return this.#open.has(id)
  }

  /** Lets clients come to an address. A listener without endpoints stays open, and the policy refuses whoever comes. */
  async open(spec: ListenerSpec): Promise<ListenerStatus> {
    const status: ListenerStatus = { state: 'listening', address: spec.address }
    if (this.#open.has(spec.id)) return status
    const failure = (await this.#begin(spec)) ?? this.#look(spec)
    if (failure) return failure
    this.#open.set(spec.id, spec)
    if (!this.#taken) await this.#take()
    await this.#options.worker().ask({ do: 'open-sctp', id: spec.id, address: spec.address })
    return status
  }

  /** Gives an address up; its sessions have to be ended by whoever asked for this. */
  close(id: number): void {
    this.#open.delete(id)
  }

  /** Tells a worker that took a dead one's place. */
  revive(): void {
    if (!this.#taken) return
    void this.#take()
    for (const { id, address } of this.#open.values()) void this.#options.worker().ask({ do: 'open-sctp', id, address })
  }

  [Symbol.dispose](): void {
    for (const fd of [this.#fd4, this.#fd6]) if (fd >= 0) this.#options.libc.calls.close(fd)
    this.#fd4 = -1
    this.#fd6 = -1
    this.#lock?.[Symbol.dispose]()
    this.#open.clear()
  }

  async #take(): Promise<void> {
    const { worker, routes } = this.#options
    this.#taken = true
    const fds = { fd4: this.#fd4, fd6: this.#fd6 }
    await worker().ask({ do: 'take-sctp', ...fds, routes: [...routes()].filter(({ protocol }) => protocol === 'SCTP') })
  }

  /** Opens the raw sockets, unless they are; why not, as the status of a listener. */
  async #begin(spec: ListenerSpec): Promise<ListenerStatus | undefined> {
    // Somebody may have loaded the kernel's own since.
    const refusal = sctpRefusal(this.#options.libc)
    if (refusal !== undefined) return bindFailure(spec, undefined, refusal)
    if (this.#fd4 >= 0) return undefined
    this.#beginning ??= this.#openSockets().finally(() => {
      this.#beginning = undefined
    })
    const failed = await this.#beginning
    if (!failed) return undefined
    const message = `listen sctp ${showAddress(spec.address)}: ${failed.reason}`
    return { state: 'failed', code: failed.code, message, retryAtMs: 0 }
  }

  async #openSockets(): Promise<{ readonly code: string; readonly reason: string } | undefined> {
    const { libc, sockets } = this.#options
    this.#lock ??= await takeSctp()
    if (!this.#lock) return { code: 'EADDRINUSE', reason: 'another portald in this network has SCTP until it ends' }
    const opened = openRawSocket(libc, sockets.options, AF_INET, IPPROTO_SCTP, BUFFER_BYTES)
    if (opened.failed) return { code: opened.failed.errno, reason: `${opened.failed.call}: ${opened.failed.errno}` }
    this.#fd4 = opened.value
    // A machine without IPv6 has no clients that would miss it.
    const opened6 = openRawSocket(libc, sockets.options, AF_INET6, IPPROTO_SCTP, BUFFER_BYTES)
    this.#fd6 = opened6.failed ? -1 : opened6.value
    return undefined
  }

  /** Whether packets to the address come to this machine: a raw socket would never notice. */
  #look(spec: ListenerSpec): ListenerStatus | undefined {
    const { sockets, libc } = this.#options
    const address: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
    fillClientAddress(spec.address.ip, 0, address)
    const bound = sockets.bindUdp({ address, freeBind: spec.freeBind })
    if (bound.failed) return bindFailure(spec, bound.failed.errno, `${bound.failed.call}: ${bound.failed.errno}`)
    libc.calls.close(bound.value.fd)
    return undefined
  }
}
