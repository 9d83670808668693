import { writeChecksum } from './checksum.ts'
import type { FlowTable } from './flow-table.ts'
import { ABORT, HEADER_BYTES, Packet, type SHUTDOWN_COMPLETE, T_BIT, writeU16, writeU32 } from './packet.ts'
import { copyWire } from './wire-address.ts'

/** Bytes of the longest packet with an INIT that is passed on; usual ones have a hundred. */
export const LONGEST_INIT = 1400

/** Takes packets that go out. */
export interface PacketOutput {
  /** Sends it soon, or not at all: SCTP repeats what is lost. The packet is the caller's again when this returns; its bytes are
   *  not to be changed before the next packet is received if it is the one that was received last. */
  send(packet: Packet): void
}

/** Writes and sends the packets that did not come from a peer: ABORT, SHUTDOWN COMPLETE, and an INIT that is sent again. */
export class OwnPackets {
  readonly #output: PacketOutput
  readonly #packet = new Packet(new Uint8Array(LONGEST_INIT))

  constructor(output: PacketOutput) {
    this.#output = output
  }

  /** Tells the client of a flow that its association is no more. */
  abortClient(table: FlowTable, flow: number): void {
    copyWire(table.locals, 4 * flow, this.#packet.addresses, 0)
    copyWire(table.clients, 4 * flow, this.#packet.addresses, 4)
    const port = table.localPorts[flow] as number
    this.#sendSmall(ABORT, 0, port, table.clientPort(flow), table.clientTags[flow] as number)
  }

  /** Tells the endpoint, where it may have an association. */
  abortEndpoint(table: FlowTable, flow: number): void {
    const tag = table.endpointTags[flow] as number
    if (tag === 0) return
    copyWire(table.sources, 4 * flow, this.#packet.addresses, 0)
    copyWire(table.endpoints, 4 * flow, this.#packet.addresses, 4)
    this.#sendSmall(ABORT, 0, table.sourcePorts[flow] as number, table.endpointPorts[flow] as number, tag)
  }

  /** Refuses an INIT. `tag` is the one it asks for. */
  refuse(init: Packet, source: number, destination: number, tag: number): void {
    this.#turn(init)
    this.#sendSmall(ABORT, 0, destination, source, tag)
  }

  /** Answers a packet out of the blue (RFC 9260, 8.4), with the tag that it had. */
  answer(packet: Packet, type: typeof ABORT | typeof SHUTDOWN_COMPLETE, source: number, destination: number, tag: number): void {
    this.#turn(packet)
    this.#sendSmall(type, T_BIT, destination, source, tag)
  }

  /** Sends the client's INIT to the endpoint that the flow has now. */
  sendInit(table: FlowTable, flow: number): void {
    const init = table.inits[flow]
    if (init === undefined) return
    const { bytes, addresses } = this.#packet
    bytes.set(init)
    writeU16(bytes, 0, table.sourcePorts[flow] as number)
    writeU16(bytes, 2, table.endpointPorts[flow] as number)
    copyWire(table.sources, 4 * flow, addresses, 0)
    copyWire(table.endpoints, 4 * flow, addresses, 4)
    this.#send(init.length)
  }

  #turn({ addresses }: Packet): void {
    copyWire(addresses, 4, this.#packet.addresses, 0)
    copyWire(addresses, 0, this.#packet.addresses, 4)
  }

  #sendSmall(type: number, flags: number, source: number, destination: number, tag: number): void {
    const { bytes } = this.#packet
    writeU16(bytes, 0, source)
    writeU16(bytes, 2, destination)
    writeU32(bytes, 4, tag)
    bytes[HEADER_BYTES] = type
    bytes[HEADER_BYTES + 1] = flags
    writeU16(bytes, HEADER_BYTES + 2, 4)
    this.#send(HEADER_BYTES + 4)
  }

  #send(end: number): void {
    this.#packet.start = 0
    this.#packet.end = end
    writeChecksum(this.#packet.bytes, 0, end)
    this.#output.send(this.#packet)
  }
}
