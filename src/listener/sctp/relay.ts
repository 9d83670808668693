import type { Clock } from '../../lib/clock.ts'
import type { Arena } from '../../lib/libc/arena.ts'
import type { Libc } from '../../lib/libc/load.ts'
import type { Random } from '../../lib/random.ts'
import type { RouteDelta } from '../../model/delta.ts'
import type { SocketAddress } from '../../model/keys.ts'
import type { SessionEnd } from '../../model/session.ts'
import type { SessionFilter, SessionPolicy } from '../listener.ts'
import { createAssociations } from './associations.ts'
import type { SctpColumns } from './flow-columns.ts'
import type { Packet } from './packet.ts'
import { RAW_PACKETS_BYTES, RawPackets } from './raw-packets.ts'
import type { Deadlines } from './sctp-sessions.ts'
import { SourceFinder } from './source-finder.ts'

/** What the loop that SCTP lives in lends it. */
export interface RelaySurroundings {
  readonly libc: Libc
  /** Another one may stand in its place from one call to the next. */
  readonly policy: () => SessionPolicy
  readonly clock: Clock
  readonly random: Random
  readonly columns: SctpColumns
  readonly deadlines: Deadlines
  readonly nextId: () => number
  readonly onCount: () => void
  /** Told of an error of ours, which costs no more than the packet or the deadline that it came with. */
  readonly onFault: (error: unknown) => void
  /** Memory that goes with the loop. */
  readonly openArena: (bytes: number) => Arena
}

/** All SCTP of a process: raw sockets get every packet, so there is one of these, in one worker. Every call is short and synchronous;
 *  what is to be sent goes out with {@link flush}. */
export class SctpRelay {
  readonly #packets: RawPackets
  readonly #onFault: (error: unknown) => void
  readonly #associations: ReturnType<typeof createAssociations>

  constructor({ libc, openArena, clock, onFault, ...rest }: RelaySurroundings) {
    this.#onFault = onFault
    const arena = openArena(RAW_PACKETS_BYTES)
    const finder = new SourceFinder(libc, arena, clock)
    this.#packets = new RawPackets(libc, arena, (packet: Packet) => {
      try {
        this.#associations.translator.receive(packet)
      } catch (error) {
        onFault(error)
      }
    })
    this.#associations = createAssociations({
      ...rest,
      clock,
      output: this.#packets,
      sourceFor: (endpoint, into) => finder.find(endpoint, into),
    })
  }

  /** Sessions that run. */
  get size(): number {
    return this.#associations.table.size
  }

  /** Uses these raw sockets, which stay their owner's; -1: there is none. */
  attach(fd4: number, fd6: number): void {
    this.#packets.attach(fd4, fd6)
  }

  /** Takes new routes: endpoints that send to us are known by them. The policy has them already. */
  apply(delta: RouteDelta): void {
    this.#associations.book.apply(delta)
  }

  /** Sessions of these listeners may be due sooner than was noted. */
  hasten(listeners: readonly number[]): void {
    this.#associations.sessions.hasten(listeners)
  }

  /** Lets clients come to an address. */
  open(id: number, address: SocketAddress): void {
    this.#associations.doors.open(id, address)
  }

  /** Gives an address up: its sessions are told that they are over, for nothing more will come in for them. */
  close(id: number, end: SessionEnd): void {
    this.#associations.doors.close(id)
    this.#associations.sessions.cut({ listeners: [id] }, end)
    this.flush()
  }

  /** Takes no new association anywhere. */
  drain(): void {
    this.#associations.translator.draining = true
  }

  /** Ends sessions and tells both sides; returns how many. */
  cut(filter: SessionFilter, end: SessionEnd): number {
    const count = this.#associations.sessions.cut(filter, end)
    this.flush()
    return count
  }

  /** Takes what a raw socket has received. */
  readable(fd: number): void {
    this.#packets.receive(fd)
  }

  /** A deadline has come. */
  due(flow: number): void {
    try {
      this.#associations.sessions.due(flow)
    } catch (error) {
      this.#onFault(error)
    }
  }

  /** Sends what waits: at the end of a turn, for what came of deadlines. */
  flush(): void {
    this.#packets.flush()
  }
}
