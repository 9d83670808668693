import type { ClientPrefix } from '../model/client-limits.ts'
import type { ClientAddress } from '../model/session.ts'

/** Takes clients of one network for one client. */
export class PrefixMask {
  readonly #ipv4: number
  readonly #ipv6: readonly [number, number, number, number]
  /** Filled again and again. */
  readonly #masked: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }

  constructor({ ipv4, ipv6 }: ClientPrefix) {
    this.#ipv4 = maskWord(ipv4)
    this.#ipv6 = [maskWord(ipv6), maskWord(ipv6 - 32), maskWord(ipv6 - 64), maskWord(ipv6 - 96)]
  }

  /** The network of a client, as an address; good until the next call. */
  apply(client: ClientAddress): ClientAddress {
    const masked = this.#masked
    if (client.word0 === 0 && client.word1 === 0 && client.word2 === 0xffff) {
      masked.word0 = 0
      masked.word1 = 0
      masked.word2 = 0xffff
      masked.word3 = (client.word3 & this.#ipv4) >>> 0
      return masked
    }
    const mask = this.#ipv6
    masked.word0 = (client.word0 & mask[0]) >>> 0
    masked.word1 = (client.word1 & mask[1]) >>> 0
    masked.word2 = (client.word2 & mask[2]) >>> 0
    masked.word3 = (client.word3 & mask[3]) >>> 0
    return masked
  }
}

/** The first `bits` of a word; all of them above 32, none below 1. */
function maskWord(bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? -1 : -1 << (32 - bits)
}
