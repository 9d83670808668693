import { cookieAck, cookieEcho, init, initAck, sctpPacket } from './sctp-packets.ts'
import { ENDPOINT_PORT, NODE, type SctpWorld, VIP, VIP_PORT } from './sctp-world.ts'

/** Both ends of an association, by hand: what a client says to the Service, and what the endpoint it was given answers. */
export class ScriptedAssociation {
  readonly client: string
  readonly port: number
  /** The tag that packets to the client, and those to the endpoint, carry. */
  clientTag: number
  endpointTag: number
  /** Where it was sent, and from which port of ours; known after {@link ask}. */
  endpoint = ''
  sourcePort = 0
  readonly #world: SctpWorld

  constructor(world: SctpWorld, port = 40_000, client = '192.0.2.7', clientTag = 111, endpointTag = 222) {
    this.#world = world
    this.port = port
    this.client = client
    this.clientTag = clientTag
    this.endpointTag = endpointTag
  }

  /** The client says something, under its endpoint's tag. */
  say(...chunks: readonly Uint8Array[]): string[] {
    return this.sayUnder(this.endpointTag, ...chunks)
  }

  sayUnder(tag: number, ...chunks: readonly Uint8Array[]): string[] {
    this.#world.receive(this.client, VIP, sctpPacket(this.port, VIP_PORT, tag, ...chunks))
    return this.#world.takeTexts()
  }

  /** The endpoint says something, under the client's tag. */
  reply(...chunks: readonly Uint8Array[]): string[] {
    return this.replyUnder(this.clientTag, ...chunks)
  }

  replyUnder(tag: number, ...chunks: readonly Uint8Array[]): string[] {
    this.#world.receive(this.endpoint, NODE, sctpPacket(ENDPOINT_PORT, this.sourcePort, tag, ...chunks))
    return this.#world.takeTexts()
  }

  /** Sends an INIT and notes where it came out. */
  ask(...parameters: readonly Uint8Array[]): void {
    this.#world.receive(this.client, VIP, sctpPacket(this.port, VIP_PORT, 0, init(this.clientTag, ...parameters)))
    this.follow()
  }

  /** Notes where the INIT that came out last went. */
  follow(): void {
    const last = this.#world.takeSent().at(-1)
    this.endpoint = last?.to.split(':')[0] ?? ''
    this.sourcePort = Number(last?.from.split(':')[1] ?? 0)
  }

  /** The whole handshake. */
  establish(): this {
    this.ask()
    this.reply(initAck(this.endpointTag))
    this.say(cookieEcho())
    this.reply(cookieAck())
    return this
  }
}
