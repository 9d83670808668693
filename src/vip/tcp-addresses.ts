import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { fillClientAddress } from '../model/address.ts'
import { familyOf, type Ip } from '../model/keys.ts'
import type { ClientAddress } from '../model/session.ts'

const TABLES: TcpTables = { 4: '/proc/net/tcp', 6: '/proc/net/tcp6' }
/** `TCP_TIME_WAIT`, `TCP_CLOSE` and `TCP_LISTEN` as the table writes them: nobody waits for a packet there. */
const NOT_CONNECTED = new Set(['06', '07', '0A'])

/** Where to look; tests put files here. */
export type TcpTables = { readonly [Family in 4 | 6]: string }

/** Which of these addresses TCP connections of this machine come to, whichever process they belong to: a connection whose
 *  address is no longer local hangs. Reads the kernel's table line by line; one that cannot be read says nothing. */
export async function addressesInUse(ips: Iterable<Ip>, tables = TABLES): Promise<ReadonlySet<Ip>> {
  const wanted = { 4: new Map<string, Ip>(), 6: new Map<string, Ip>() }
  for (const ip of ips) wanted[familyOf(ip)].set(tableForm(ip), ip)
  const found = new Set<Ip>()
  for (const family of [4, 6] as const) if (wanted[family].size > 0) await search(tables[family], wanted[family], found)
  return found
}

async function search(path: string, wanted: ReadonlyMap<string, Ip>, found: Set<Ip>): Promise<void> {
  try {
    for await (const line of createInterface({ input: createReadStream(path, 'latin1') })) {
      // `  12: 0A00600A:0050 0200000A:D431 01 …`
      const [, local, , state] = line.trim().split(' ', 4)
      const ip = wanted.get(local?.split(':', 1)[0] ?? '')
      if (ip !== undefined && !NOT_CONNECTED.has(state ?? '')) found.add(ip)
    }
  } catch {
    // No such family here.
  }
}

/** An address as these tables write it: words in the processor's order, which is little-endian wherever this runs. */
export function tableForm(ip: Ip): string {
  const words: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  fillClientAddress(ip, 0, words)
  const all = [words.word0, words.word1, words.word2, words.word3]
  return (familyOf(ip) === 4 ? all.slice(3) : all).map(swappedHex).join('')
}

function swappedHex(word: number): string {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, word, true)
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
    .join('')
    .toUpperCase()
}
