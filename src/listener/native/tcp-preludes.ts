import { SOCKET_ADDRESS_BYTES } from '../../lib/libc/socket-address.ts'
import type { Prelude } from '../../model/proxy-header.ts'
import type { ClientAddress } from '../../model/session.ts'
import { type HeaderFacts, writeProxyHeader } from '../proxy-header-writer.ts'
import { readPeer } from './endpoint-addresses.ts'
import type { TcpTable } from './tcp-table.ts'
import type { WorkerContext } from './worker-context.ts'

/** Puts what endpoints are sent first right before the copy buffer, so that one write takes it along with what the client
 *  has said. */
export class TcpPreludes {
  readonly #context: WorkerContext
  readonly #table: TcpTable
  readonly #facts: { -readonly [Fact in keyof HeaderFacts]: HeaderFacts[Fact] }
  readonly #local: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }

  constructor(context: WorkerContext, table: TcpTable) {
    this.#context = context
    this.#table = table
    const client: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
    this.#facts = { id: 0, client, local: this.#local, receivedTlvs: undefined }
  }

  /** Writes a session's prelude; returns how many bytes before the copy buffer it begins, or the negative errno. */
  put(session: number, prelude: Prelude): number {
    const table = this.#table
    const { arena, copyOffset, preludeOffset } = this.#context
    const facts = this.#facts
    const introduction = table.introductions.get(session)
    facts.id = table.ids[session] as number
    table.readClient(session, facts.client)
    if (introduction === undefined && !this.#askLocal(session)) return -(this.#context.errno[0] as number)
    facts.local = introduction?.local ?? this.#local
    facts.receivedTlvs = introduction?.tlvs
    const bytes = writeProxyHeader(prelude, facts, arena.u8, preludeOffset)
    arena.u8.copyWithin(copyOffset - bytes, preludeOffset, preludeOffset + bytes)
    if (introduction) table.introductions.delete(session)
    return bytes
  }

  /** Where the client connected to. Only its socket knows, where the listener has every address of the machine. */
  #askLocal(session: number): boolean {
    const { calls, arena, peerAddress, peerLengthAddress, peerLengthOffset } = this.#context
    arena.i32[peerLengthOffset >> 2] = SOCKET_ADDRESS_BYTES
    if (calls.getsockname(this.#table.fd(2 * session), peerAddress, peerLengthAddress) < 0) return false
    readPeer(this.#context, this.#local)
    return true
  }
}
