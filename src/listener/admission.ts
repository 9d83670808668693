import { fillClientAddress } from '../model/address.ts'
import type { Cidr } from '../model/keys.ts'
import type { ClientAddress } from '../model/session.ts'

/** A range as eight words: the address, then the mask. */
type Range = Int32Array

function compileRange(cidr: Cidr): Range {
  const [ip, length] = cidr.split('/') as [string, string]
  const address: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  fillClientAddress(ip, 0, address)
  const bits = Number(length) + (ip.includes(':') ? 0 : 96)
  const range = Int32Array.of(address.word0, address.word1, address.word2, address.word3, 0, 0, 0, 0)
  for (let word = 0; word < 4; word++) {
    const inWord = Math.min(Math.max(bits - 32 * word, 0), 32)
    range[4 + word] = inWord === 0 ? 0 : -1 << (32 - inWord)
  }
  return range
}

/** Many ranges of client addresses, asked for every session. `::/0` contains IPv4 as well. */
export class ClientRanges {
  readonly #ranges: readonly Range[]
  /** Single addresses by their last word: a machine may have thousands. */
  readonly #addresses = new Map<number, Range[]>()

  constructor(ranges: readonly Cidr[]) {
    const wide: Range[] = []
    for (const range of ranges.map(compileRange)) {
      const last = range[3] as number
      if (range[7] !== -1) wide.push(range)
      else this.#addresses.set(last, [...(this.#addresses.get(last) ?? []), range])
    }
    this.#ranges = wide
  }

  contains(client: ClientAddress): boolean {
    if (isInside(client, this.#ranges)) return true
    const addresses = this.#addresses.get(client.word3 | 0)
    return addresses !== undefined && isInside(client, addresses)
  }
}

function isInside(client: ClientAddress, ranges: readonly Range[]): boolean {
  for (let n = 0; n < ranges.length; n++) {
    const range = ranges[n] as Range
    if (
      (((client.word0 ^ (range[0] as number)) & (range[4] as number)) |
        ((client.word1 ^ (range[1] as number)) & (range[5] as number)) |
        ((client.word2 ^ (range[2] as number)) & (range[6] as number)) |
        ((client.word3 ^ (range[3] as number)) & (range[7] as number))) ===
      0
    ) {
      return true
    }
  }
  return false
}

/** Whether a client may use a listener at all, by its address. */
export class Admission {
  readonly #ranges: ClientRanges | undefined

  /** `ranges` empty: everyone may. */
  constructor(ranges: readonly Cidr[]) {
    this.#ranges = ranges.length > 0 ? new ClientRanges(ranges) : undefined
  }

  permits(client: ClientAddress): boolean {
    return this.#ranges === undefined || this.#ranges.contains(client)
  }
}
