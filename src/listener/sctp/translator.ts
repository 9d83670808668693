import type { Clock } from '../../lib/clock.ts'
import { isIntact, rewritePorts, writeChecksum } from './checksum.ts'
import type { Doors } from './doors.ts'
import type { EndpointBook } from './endpoint-book.ts'
import { ANSWERED, CLOSED, CLOSING, CUT, ESTABLISHED, type FlowTable, WAITING } from './flow-table.ts'
import { initiateTag, stripAddresses } from './handshake.ts'
import { LONGEST_INIT, type OwnPackets, type PacketOutput } from './own-packets.ts'
import {
  ABORT,
  CHUNK_BYTES,
  COOKIE_ACK,
  HEADER_BYTES,
  INIT,
  INIT_ACK,
  type Packet,
  readU16,
  readU32,
  SEEN,
  SHUTDOWN_ACK,
  SHUTDOWN_COMPLETE,
  Survey,
  survey,
  T_BIT,
} from './packet.ts'
import type { SctpSessions } from './sctp-sessions.ts'
import { FIRST_SOURCE_PORT } from './source-ports.ts'
import type { Tally } from './tally.ts'
import { copyWire } from './wire-address.ts'

const NONE = -1

/** What a translator works with. */
export interface TranslatorParts {
  readonly clock: Pick<Clock, 'now'>
  readonly table: FlowTable
  readonly doors: Doors
  readonly book: EndpointBook
  readonly sessions: SctpSessions
  readonly own: OwnPackets
  readonly output: PacketOutput
  readonly tally: Tally
}

/** Packets in, packets out: gives packets of clients to endpoints and back, under other addresses and ports, as long as they belong
 *  to an association whose handshake passed through here. It has no part in the association itself: streams, order, sizes of
 *  messages, repeats and flow control stay between the two ends. */
export class Translator {
  readonly #parts: TranslatorParts
  readonly #survey = new Survey()
  /** Takes no new associations. */
  draining = false

  constructor(parts: TranslatorParts) {
    this.#parts = parts
  }

  /** Deals with a packet that came in. It may be changed in place and handed to the output. */
  receive(packet: Packet): void {
    const { table, doors, tally } = this.#parts
    const { bytes, start, end, addresses } = packet
    if (end - start < HEADER_BYTES + CHUNK_BYTES) {
      tally.malformed++
      return
    }
    const source = readU16(bytes, start)
    const destination = readU16(bytes, start + 2)
    const tag = readU32(bytes, start + 4)
    let flow = table.findByClient(addresses, source, destination)
    if (flow !== NONE) {
      this.#fromClient(flow, packet, tag)
      return
    }
    flow = table.findByEndpoint(addresses, source, destination, tag)
    if (flow !== NONE) {
      this.#fromEndpoint(flow, packet, tag)
      return
    }
    const listener = doors.find(addresses, 4, destination)
    if (listener !== NONE) this.#fromStranger(listener, packet, source, destination, tag)
    else this.#fromNowhere(packet, source, destination, tag)
  }

  #fromClient(flow: number, packet: Packet, tag: number): void {
    const { table, sessions, own, tally } = this.#parts
    const { bytes, start } = packet
    const type = bytes[start + HEADER_BYTES] as number
    if (type === INIT) {
      this.#initAgain(flow, packet)
      return
    }
    const right = isReflected(bytes, start) ? table.isClientTag(flow, tag) : table.isEndpointTag(flow, tag)
    if (!right) {
      tally.wrongTag++
      return
    }
    if (table.states[flow] === CUT) {
      tally.afterCut++
      if (wantsAnswer(type)) own.abortClient(table, flow)
      return
    }
    const found = this.#survey
    if (!survey(packet, found)) {
      tally.malformed++
      return
    }
    tally.fromClient++
    const { columns } = table
    table.lastMs[flow] = this.#parts.clock.now()
    this.#toEndpoint(flow, packet)
    if (!table.alive(flow)) return
    if (found.dataBytes > 0) {
      columns.bytesFromClient[flow] = (columns.bytesFromClient[flow] as number) + found.dataBytes
      columns.messagesFromClient[flow] = (columns.messagesFromClient[flow] as number) + found.messages
    }
    if (found.seen === 0) return
    if (found.seen & SEEN.cookieEcho && tag === table.nextEndpointTags[flow]) {
      table.proven[flow] = 1
      // Of several answers to its INIT the client took this one.
      if (table.states[flow] === ANSWERED) table.endpointTags[flow] = tag
    }
    if (found.seen & SEEN.abort) sessions.over(flow, 'client-reset')
    else this.#shutdown(flow, found.seen, true)
  }

  #fromEndpoint(flow: number, packet: Packet, tag: number): void {
    const { table, sessions, own, tally } = this.#parts
    const { bytes, start } = packet
    const type = bytes[start + HEADER_BYTES] as number
    const right = isReflected(bytes, start) ? table.isEndpointTag(flow, tag) : table.isClientTag(flow, tag)
    if (!right) {
      tally.wrongTag++
      return
    }
    if (table.states[flow] === CUT) {
      tally.afterCut++
      if (wantsAnswer(type)) own.abortEndpoint(table, flow)
      return
    }
    if (type === INIT_ACK) {
      this.#initAck(flow, packet)
      return
    }
    const found = this.#survey
    if (!survey(packet, found)) {
      tally.malformed++
      return
    }
    if (table.states[flow] === WAITING) {
      // Nothing but its answer makes sense now; a refusal is one.
      if (found.seen & SEEN.abort) {
        tally.turnedDown++
        sessions.next(flow, 'connect-refused')
      } else tally.outOfState++
      return
    }
    tally.fromEndpoint++
    const { columns } = table
    table.lastMs[flow] = this.#parts.clock.now()
    this.#toClient(flow, packet)
    if (!table.alive(flow)) return
    if (found.dataBytes > 0) {
      columns.bytesFromEndpoint[flow] = (columns.bytesFromEndpoint[flow] as number) + found.dataBytes
      columns.messagesFromEndpoint[flow] = (columns.messagesFromEndpoint[flow] as number) + found.messages
    }
    if (found.seen === 0) return
    if (found.seen & SEEN.cookieAck) this.#confirmed(flow, tag)
    if (found.seen & SEEN.abort) sessions.over(flow, 'endpoint-reset')
    else this.#shutdown(flow, found.seen, false)
  }

  /** An INIT of a client that has an association, or had one. */
  #initAgain(flow: number, packet: Packet): void {
    const { table, doors, sessions, tally } = this.#parts
    const state = table.states[flow] as number
    const { bytes, start, addresses } = packet
    if (state === CLOSED || state === CUT) {
      // The client's port is used anew, or the listener is no more.
      const listener = doors.find(addresses, 4, table.localPorts[flow] as number)
      const [source, destination] = [table.clientPort(flow), table.localPorts[flow] as number]
      table.forgetClient(flow)
      if (listener === NONE) tally.ignored++
      else this.#fromStranger(listener, packet, source, destination, readU32(bytes, start + 4))
      return
    }
    const tag = this.#readInit(packet)
    if (tag === 0) return
    if (state === WAITING) {
      // One who guesses the ports must not get the client's place; the client itself begins anew a little later.
      if (tag !== table.clientTags[flow]) tally.outOfState++
      else {
        tally.fromClient++
        sessions.again(flow)
      }
      return
    }
    // The association stays what it is until the endpoint has agreed and the client has proved that it was asked.
    table.nextClientTags[flow] = tag
    table.proven[flow] = 0
    tally.fromClient++
    writeChecksum(bytes, packet.start, packet.end)
    this.#toEndpoint(flow, packet)
  }

  #initAck(flow: number, packet: Packet): void {
    const { table, sessions, tally } = this.#parts
    const tag = this.#readInit(packet)
    if (tag === 0) return
    if (table.states[flow] === WAITING) {
      table.endpointTags[flow] = tag
      sessions.answered(flow)
    } else if (table.states[flow] === CLOSED) {
      tally.outOfState++
      return
    } else if (tag !== table.endpointTags[flow]) table.nextEndpointTags[flow] = tag
    tally.fromEndpoint++
    writeChecksum(packet.bytes, packet.start, packet.end)
    this.#toClient(flow, packet)
  }

  /** The endpoint has the association that the client asked for: the first, or one in its place. */
  #confirmed(flow: number, tag: number): void {
    const { table, sessions, tally } = this.#parts
    const anew = tag === table.nextClientTags[flow] && table.proven[flow] === 1
    if (anew) {
      if (tag !== table.clientTags[flow]) tally.restarted++
      table.clientTags[flow] = tag
      table.endpointTags[flow] = table.nextEndpointTags[flow] as number
    }
    const first = table.states[flow] === ANSWERED
    if (!anew && !first) return
    table.nextClientTags[flow] = 0
    table.nextEndpointTags[flow] = 0
    table.proven[flow] = 0
    if (first) sessions.established(flow)
    else table.states[flow] = ESTABLISHED
  }

  #shutdown(flow: number, seen: number, byClient: boolean): void {
    const { table, sessions } = this.#parts
    if (seen & SEEN.shutdownComplete) {
      const first = table.states[flow] === CLOSING ? table.closedByClient[flow] === 1 : byClient
      sessions.over(flow, first ? 'client-closed' : 'endpoint-closed')
    } else if (seen & SEEN.shutdown && table.states[flow] === ESTABLISHED) sessions.closing(flow, byClient)
  }

  /** A packet to a listener, of a client that has no association. */
  #fromStranger(listener: number, packet: Packet, source: number, destination: number, tag: number): void {
    const { sessions, own, tally } = this.#parts
    if (packet.bytes[packet.start + HEADER_BYTES] !== INIT) {
      this.#answer(packet, source, destination, tag)
      return
    }
    const wanted = this.#readInit(packet)
    if (wanted === 0) return
    if (this.draining) {
      tally.outOfTheBlue++
      tally.refused++
      own.refuse(packet, source, destination, wanted)
    } else if (packet.end - packet.start > LONGEST_INIT) tally.malformed++
    else sessions.begin(packet, source, destination, listener, wanted)
  }

  /** A packet to no address of ours, but for one case: an endpoint has an association that we do not know any more. Other programs
   *  here may speak SCTP, too; an endpoint that sends to a port of those that we use means us. */
  #fromNowhere(packet: Packet, source: number, destination: number, tag: number): void {
    const { book, tally } = this.#parts
    if (destination >= FIRST_SOURCE_PORT && book.has(packet.addresses, 0, source)) this.#answer(packet, source, destination, tag)
    else tally.ignored++
  }

  /** Tells the sender of a packet out of the blue that there is no such association (RFC 9260, 8.4). */
  #answer(packet: Packet, source: number, destination: number, tag: number): void {
    const { own, tally } = this.#parts
    const type = packet.bytes[packet.start + HEADER_BYTES]
    if (type === ABORT || type === SHUTDOWN_COMPLETE || type === INIT || type === COOKIE_ACK || !survey(packet, this.#survey)) {
      tally.unanswered++
    } else if (this.#survey.seen & SEEN.abort) tally.unanswered++
    else {
      tally.outOfTheBlue++
      own.answer(packet, type === SHUTDOWN_ACK ? SHUTDOWN_COMPLETE : ABORT, source, destination, tag)
    }
  }

  /** The tag in an INIT or INIT ACK, which has no other addresses in it afterwards; 0: it was counted and is not to be used. */
  #readInit(packet: Packet): number {
    const { tally } = this.#parts
    const tag = initiateTag(packet)
    if (tag === 0) {
      tally.malformed++
      return 0
    }
    // It gets a checksum of ours, which would make a damaged one look whole.
    if (!isIntact(packet.bytes, packet.start, packet.end)) {
      tally.damaged++
      return 0
    }
    const end = stripAddresses(packet)
    if (end < 0) {
      tally.malformed++
      return 0
    }
    packet.end = end
    return tag
  }

  #toEndpoint(flow: number, packet: Packet): void {
    const { table, output } = this.#parts
    const { bytes, start, end, addresses } = packet
    rewritePorts(bytes, start, end, table.sourcePorts[flow] as number, table.endpointPorts[flow] as number)
    copyWire(table.sources, 4 * flow, addresses, 0)
    copyWire(table.endpoints, 4 * flow, addresses, 4)
    output.send(packet)
  }

  #toClient(flow: number, packet: Packet): void {
    const { table, output } = this.#parts
    const { bytes, start, end, addresses } = packet
    rewritePorts(bytes, start, end, table.localPorts[flow] as number, table.clientPort(flow))
    copyWire(table.locals, 4 * flow, addresses, 0)
    copyWire(table.clients, 4 * flow, addresses, 4)
    output.send(packet)
  }
}

/** Whether a packet carries its sender's own tag (RFC 9260, 8.5.1). */
function isReflected(bytes: Uint8Array, start: number): boolean {
  const type = bytes[start + HEADER_BYTES]
  return (type === ABORT || type === SHUTDOWN_COMPLETE) && ((bytes[start + HEADER_BYTES + 1] as number) & T_BIT) !== 0
}

/** Whether the sender of a packet to an association that is no more has to be told so. */
function wantsAnswer(type: number): boolean {
  return type !== ABORT && type !== SHUTDOWN_COMPLETE
}
