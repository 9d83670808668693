import { type ClientAddress, NO_TICKET, type Tried } from '../../model/session.ts'
import { readClientWords, writeClientWords } from '../client-words.ts'
import { Chains } from './chains.ts'
import type { SctpColumns } from './flow-columns.ts'
import type { WireWords } from './packet.ts'
import { copyWire, fromWire, sameWire } from './wire-address.ts'

const NONE = -1
const NO_TRIES: readonly Tried[] = []

/** States of a flow. */
export const FREE = 0
/** The INIT was passed on; the endpoint has not answered. */
export const WAITING = 1
/** The INIT ACK was passed back; the association is not set up. */
export const ANSWERED = 2
export const ESTABLISHED = 3
/** One side has begun to shut the association down. */
export const CLOSING = 4
/** The session is over. What is still under way is passed on, and the ports are not used again yet. */
export const CLOSED = 5
/** We ended the session: whoever goes on is told so. */
export const CUT = 6

/** State of all SCTP associations that pass through, by flow. A flow is found by the client's packets (its address and port, ours
 *  and the Service's) and by the endpoint's (our port, its port and address). */
export class FlowTable {
  readonly capacity: number
  readonly columns: SctpColumns
  readonly states: Uint8Array
  /** Addresses, four words each: the client's, the one it sends to, the endpoint's, and ours that the endpoint knows. */
  readonly clients: WireWords
  readonly locals: WireWords
  readonly endpoints: WireWords
  readonly sources: WireWords
  readonly localPorts: Uint16Array
  readonly endpointPorts: Uint16Array
  readonly sourcePorts: Uint16Array
  /** Tags of packets to the client and to the endpoint; 0: not known. */
  readonly clientTags: Uint32Array
  readonly endpointTags: Uint32Array
  /** Tags of an association that may take the place of this one: one side has begun anew. */
  readonly nextClientTags: Uint32Array
  readonly nextEndpointTags: Uint32Array
  /** Whether the client has echoed the cookie of that association: it is the one who asked for it. */
  readonly proven: Uint8Array
  /** When anything was passed on last. */
  readonly lastMs: Float64Array
  /** When the attempt under way began. */
  readonly attemptMs: Float64Array
  /** Whether the client was the one that began to shut down. */
  readonly closedByClient: Uint8Array
  /** The client's INIT, for the next endpoint; kept until one has answered. */
  readonly inits: (Uint8Array | undefined)[] = []
  readonly #tried = new Map<number, Tried[]>()
  readonly #byClient: Chains
  readonly #byEndpoint: Chains
  readonly #seed: number
  readonly #clientPorts: Uint16Array
  /** Which of the two chains a flow is in: bits. */
  readonly #linked: Uint8Array
  readonly #client: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  readonly #free: Int32Array
  #freeCount = 0
  #used = 0
  #size = 0

  /** Takes columns that nobody else writes. `seed` keeps clients from choosing who shares a bucket. */
  constructor(columns: SctpColumns, seed: number) {
    const capacity = columns.ids.length
    this.capacity = capacity
    this.columns = columns
    this.states = columns.states
    this.clients = new Int32Array(4 * capacity)
    this.locals = new Int32Array(4 * capacity)
    this.endpoints = new Int32Array(4 * capacity)
    this.sources = new Int32Array(4 * capacity)
    this.localPorts = new Uint16Array(capacity)
    this.endpointPorts = new Uint16Array(capacity)
    this.sourcePorts = new Uint16Array(capacity)
    this.clientTags = new Uint32Array(capacity)
    this.endpointTags = new Uint32Array(capacity)
    this.nextClientTags = new Uint32Array(capacity)
    this.nextEndpointTags = new Uint32Array(capacity)
    this.proven = new Uint8Array(capacity)
    this.lastMs = columns.lastMs
    this.attemptMs = new Float64Array(capacity)
    this.closedByClient = new Uint8Array(capacity)
    this.#byClient = new Chains(capacity)
    this.#byEndpoint = new Chains(capacity)
    this.#seed = seed | 0
    this.#clientPorts = columns.ports
    this.#linked = new Uint8Array(capacity)
    this.#free = new Int32Array(capacity)
  }

  /** Sessions that run. */
  get size(): number {
    return this.#size
  }

  /** Flows, those that are over among them. */
  get flows(): number {
    return this.#used - this.#freeCount
  }

  /** Flows to walk through; some of them may not be alive. */
  get end(): number {
    return this.#used
  }

  /** Whether the flow has a session that runs. */
  alive(flow: number): boolean {
    return this.columns.ids[flow] !== 0
  }

  /** A flow for a client, found by its packets from now on; -1 when the table is full. `addresses`: the client's, then ours. */
  open(addresses: WireWords, clientPort: number, localPort: number, listener: number, id: number, nowMs: number): number {
    let flow: number
    if (this.#freeCount > 0) flow = this.#free[--this.#freeCount] as number
    else if (this.#used < this.capacity) flow = this.#grow()
    else return NONE
    const { columns } = this
    copyWire(addresses, 0, this.clients, 4 * flow)
    copyWire(addresses, 4, this.locals, 4 * flow)
    this.localPorts[flow] = localPort
    fromWire(addresses, 0, clientPort, this.#client)
    writeClientWords(columns, flow, this.#client)
    columns.listeners[flow] = listener
    columns.leases[flow] = NONE
    columns.tickets[flow] = NO_TICKET
    columns.attempts[flow] = 0
    columns.startedMs[flow] = nowMs
    columns.connectMs[flow] = -1
    columns.bytesFromClient[flow] = 0
    columns.bytesFromEndpoint[flow] = 0
    columns.messagesFromClient[flow] = 0
    columns.messagesFromEndpoint[flow] = 0
    this.#size++
    this.states[flow] = WAITING
    this.endpointTags[flow] = 0
    this.nextClientTags[flow] = 0
    this.nextEndpointTags[flow] = 0
    this.proven[flow] = 0
    this.lastMs[flow] = nowMs
    this.closedByClient[flow] = 0
    // Last: whoever reads the columns meanwhile finds a session whole, or none.
    columns.ids[flow] = id
    this.#byClient.add(this.#clientHash(addresses, 0, addresses, 4, clientPort, localPort), flow)
    this.#linked[flow] = 1
    return flow
  }

  /** Whether packets to the client carry this tag. */
  isClientTag(flow: number, tag: number): boolean {
    return tag !== 0 && (tag === this.clientTags[flow] || tag === this.nextClientTags[flow])
  }

  /** Whether packets to the endpoint carry this tag. */
  isEndpointTag(flow: number, tag: number): boolean {
    return tag !== 0 && (tag === this.endpointTags[flow] || tag === this.nextEndpointTags[flow])
  }

  /** The flow that a client's packet belongs to, or -1. */
  findByClient(addresses: WireWords, clientPort: number, localPort: number): number {
    const chains = this.#byClient
    let flow = chains.first(this.#clientHash(addresses, 0, addresses, 4, clientPort, localPort))
    for (; flow !== NONE; flow = chains.next(flow)) {
      if (
        this.#clientPorts[flow] === clientPort &&
        this.localPorts[flow] === localPort &&
        sameWire(this.clients, 4 * flow, addresses, 0) &&
        sameWire(this.locals, 4 * flow, addresses, 4)
      )
        return flow
    }
    return NONE
  }

  /** The flow that an endpoint's packet belongs to, or -1. An endpoint that has several addresses may answer from another one than
   *  it was sent to: then the tag tells. */
  findByEndpoint(addresses: WireWords, endpointPort: number, sourcePort: number, tag: number): number {
    const chains = this.#byEndpoint
    let byTag = NONE
    let flow = chains.first(this.#endpointHash(sourcePort, endpointPort))
    for (; flow !== NONE; flow = chains.next(flow)) {
      if (this.sourcePorts[flow] !== sourcePort || this.endpointPorts[flow] !== endpointPort) continue
      if (!sameWire(this.sources, 4 * flow, addresses, 4)) continue
      if (sameWire(this.endpoints, 4 * flow, addresses, 0)) return flow
      if (this.isClientTag(flow, tag)) byTag = flow
    }
    return byTag
  }

  /** Whether the port can be used towards this endpoint. */
  isPortFree(endpoint: WireWords, endpointPort: number, sourcePort: number): boolean {
    const chains = this.#byEndpoint
    let flow = chains.first(this.#endpointHash(sourcePort, endpointPort))
    for (; flow !== NONE; flow = chains.next(flow)) {
      if (this.sourcePorts[flow] !== sourcePort || this.endpointPorts[flow] !== endpointPort) continue
      if (sameWire(this.endpoints, 4 * flow, endpoint, 0)) return false
    }
    return true
  }

  /** Sends a flow to an endpoint, from an address and a port of ours: it is found by the endpoint's packets from now on. */
  connect(flow: number, endpoint: WireWords, endpointPort: number, source: WireWords, sourcePort: number): void {
    this.disconnect(flow)
    copyWire(endpoint, 0, this.endpoints, 4 * flow)
    copyWire(source, 0, this.sources, 4 * flow)
    this.endpointPorts[flow] = endpointPort
    this.sourcePorts[flow] = sourcePort
    this.#byEndpoint.add(this.#endpointHash(sourcePort, endpointPort), flow)
    this.#linked[flow] = (this.#linked[flow] as number) | 2
  }

  /** It is no longer found by the endpoint's packets. */
  disconnect(flow: number): void {
    if (((this.#linked[flow] as number) & 2) === 0) return
    this.#byEndpoint.remove(this.#endpointHash(this.sourcePorts[flow] as number, this.endpointPorts[flow] as number), flow)
    this.#linked[flow] = (this.#linked[flow] as number) & ~2
  }

  /** It is no longer found by the client's packets: the client's port is free for another. */
  forgetClient(flow: number): void {
    if (((this.#linked[flow] as number) & 1) === 0) return
    const at = 4 * flow
    const clientPort = this.#clientPorts[flow] as number
    const hash = this.#clientHash(this.clients, at, this.locals, at, clientPort, this.localPorts[flow] as number)
    this.#byClient.remove(hash, flow)
    this.#linked[flow] = (this.#linked[flow] as number) & ~1
  }

  /** The session is over, and was told of; the flow stays for a while. */
  retire(flow: number, state: typeof CLOSED | typeof CUT): void {
    this.columns.ids[flow] = 0
    this.states[flow] = state
    this.inits[flow] = undefined
    this.#tried.delete(flow)
    this.#size--
  }

  /** Gives up a retired flow. */
  release(flow: number): void {
    this.forgetClient(flow)
    this.disconnect(flow)
    this.states[flow] = FREE
    this.#free[this.#freeCount++] = flow
  }

  readClient(flow: number, into: ClientAddress): void {
    readClientWords(this.columns, flow, into)
  }

  clientPort(flow: number): number {
    return this.#clientPorts[flow] as number
  }

  tried(flow: number): readonly Tried[] {
    return this.#tried.get(flow) ?? NO_TRIES
  }

  addTried(flow: number, tried: Tried): void {
    const list = this.#tried.get(flow)
    if (list) list.push(tried)
    else this.#tried.set(flow, [tried])
  }

  #grow(): number {
    this.columns.used[0] = this.#used + 1
    return this.#used++
  }

  #clientHash(client: WireWords, at: number, local: WireWords, localAt: number, clientPort: number, localPort: number): number {
    let hash = mix(this.#seed, (clientPort << 16) | localPort)
    hash = mix(hash, client[at + 3] as number)
    hash = mix(hash, (client[at] as number) ^ (client[at + 1] as number))
    hash = mix(hash, client[at + 2] as number)
    return mix(hash, local[localAt + 3] as number)
  }

  #endpointHash(sourcePort: number, endpointPort: number): number {
    return mix(this.#seed, (sourcePort << 16) | endpointPort)
  }
}

function mix(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x9e3779b1)
  return mixed ^ (mixed >>> 15)
}
