import type { ClientAddress } from '../model/session.ts'

/** Addresses of clients by session: four words and a port each. */
export interface ClientColumns {
  readonly words: Uint32Array
  readonly ports: Uint16Array
}

export function writeClientWords({ words, ports }: ClientColumns, session: number, client: ClientAddress): void {
  const at = 4 * session
  words[at] = client.word0
  words[at + 1] = client.word1
  words[at + 2] = client.word2
  words[at + 3] = client.word3
  ports[session] = client.port
}

export function readClientWords({ words, ports }: ClientColumns, session: number, into: ClientAddress): void {
  const at = 4 * session
  into.word0 = words[at] as number
  into.word1 = words[at + 1] as number
  into.word2 = words[at + 2] as number
  into.word3 = words[at + 3] as number
  into.port = ports[session] as number
}
