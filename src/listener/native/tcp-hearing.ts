import { MSG_PEEK } from '../../lib/libc/constants.ts'
import { ERRNO } from '../../lib/libc/errno.ts'
import { LONGEST_HEADER_BYTES } from '../proxy-header.ts'
import { INCOMPLETE, MALFORMED, ProxyHeaderParser } from '../proxy-header-parser.ts'
import { MOST_INTERRUPTIONS, ownEnd } from './call-errors.ts'
import type { SessionOwner } from './tcp-endings.ts'
import { SESSION_MASK } from './tcp-relay.ts'
import { HEARING, HUNG_UP, type TcpTable } from './tcp-table.ts'
import type { TimerWheel } from './timer-wheel.ts'
import { KIND_SHIFT, KIND_TCP, type WorkerContext } from './worker-context.ts'

/** Hears who clients are, where they have to say so first. Their PROXY header is only looked at until it is whole, and then
 *  taken out of the socket by its length: what follows it stays there for the endpoint. */
export class TcpHearing {
  readonly #context: WorkerContext
  readonly #table: TcpTable
  readonly #wheel: TimerWheel
  readonly #owner: SessionOwner
  readonly #onIntroduced: (session: number, header: ProxyHeaderParser) => void
  readonly #parser = new ProxyHeaderParser()

  /** `onIntroduced` is told of each client that has said who it is, which stands in the table already. */
  constructor(
    context: WorkerContext,
    table: TcpTable,
    wheel: TimerWheel,
    owner: SessionOwner,
    onIntroduced: (session: number, header: ProxyHeaderParser) => void,
  ) {
    this.#context = context
    this.#table = table
    this.#wheel = wheel
    this.#owner = owner
    this.#onIntroduced = onIntroduced
  }

  /** Waits for the header of a new client for so long. */
  begin(session: number, withinMs: number): void {
    const table = this.#table
    const { clock } = this.#context
    const client = 2 * session
    table.flags[client] = (table.flags[client] as number) | HEARING
    table.askedMs[session] = clock.now()
    table.attemptMs[session] = withinMs
    if (this.look(session)) return
    const generation = table.generations[client] as number
    if (!this.#context.watch(table.fd(client), SESSION_MASK, (KIND_TCP << KIND_SHIFT) | client, generation)) {
      this.#owner.stop(session, 'over-limit')
      return
    }
    this.#wheel.set(session, clock.now() + withinMs)
  }

  /** Looks at what has come; false: that is not enough yet. */
  look(session: number): boolean {
    const table = this.#table
    const client = 2 * session
    const { arena, copyOffset } = this.#context
    const peeked = this.#receive(client, LONGEST_HEADER_BYTES, MSG_PEEK)
    if (peeked === -ERRNO.EAGAIN) return false
    if (peeked < 0) {
      this.#owner.stop(session, ownEnd(-peeked) ?? 'client-reset')
      return true
    }
    if (peeked === 0) {
      this.#owner.finish(session, 'client-closed')
      return true
    }
    const header = this.#parser
    const length = header.parse(arena.u8, copyOffset, copyOffset + peeked)
    if (length === INCOMPLETE && !((table.flags[client] as number) & HUNG_UP)) return false
    if (length === INCOMPLETE || length === MALFORMED) {
      this.#owner.stop(session, 'bad-header')
      return true
    }
    const taken = this.#receive(client, length, 0)
    if (taken !== length) {
      this.#owner.stop(session, ownEnd(-taken) ?? 'client-reset')
      return true
    }
    table.flags[client] = (table.flags[client] as number) & ~HEARING
    if (header.known) table.setClient(session, header.client)
    this.#onIntroduced(session, header)
    return true
  }

  /** How much is in the copy buffer now, or the negative errno. */
  #receive(client: number, bytes: number, flags: number): number {
    const { calls, copyAddress, errno } = this.#context
    for (let interrupted = 0; ; interrupted++) {
      const read = calls.recv(this.#table.fd(client), copyAddress, bytes, flags)
      if (read >= 0) return read
      const error = errno[0] as number
      if (error !== ERRNO.EINTR || interrupted === MOST_INTERRUPTIONS) return -error
    }
  }
}
