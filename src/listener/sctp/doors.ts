import { fillClientAddress } from '../../model/address.ts'
import type { SocketAddress } from '../../model/keys.ts'
import type { ClientAddress } from '../../model/session.ts'
import type { WireWords } from './packet.ts'
import { sameWire, toWire } from './wire-address.ts'

/** An address that clients send to. */
interface Door {
  readonly id: number
  readonly words: WireWords
  readonly port: number
}

/** The SCTP listeners, by address. Asked for packets that belong to no association only. */
export class Doors {
  readonly #byId = new Map<number, Door>()
  readonly #byPort = new Map<number, Door[]>()

  open(id: number, address: SocketAddress): void {
    const door = { id, words: wireOf(address), port: address.port }
    this.#byId.set(id, door)
    const others = this.#byPort.get(door.port)
    if (others) others.push(door)
    else this.#byPort.set(door.port, [door])
  }

  close(id: number): void {
    const door = this.#byId.get(id)
    if (!door) return
    this.#byId.delete(id)
    const left = (this.#byPort.get(door.port) as Door[]).filter((other) => other !== door)
    if (left.length > 0) this.#byPort.set(door.port, left)
    else this.#byPort.delete(door.port)
  }

  /** The listener on the address at `at`, or -1. */
  find(words: WireWords, at: number, port: number): number {
    const doors = this.#byPort.get(port)
    if (doors === undefined) return -1
    for (let n = 0; n < doors.length; n++) {
      const door = doors[n] as Door
      if (sameWire(door.words, 0, words, at)) return door.id
    }
    return -1
  }
}

/** An address as packets have it. */
export function wireOf(address: SocketAddress): WireWords {
  const numbers: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  fillClientAddress(address.ip, address.port, numbers)
  const words = new Int32Array(4)
  toWire(numbers, words, 0)
  return words
}
