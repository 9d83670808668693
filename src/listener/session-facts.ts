import type { ClientAddress, SessionEnd, SessionFacts } from '../model/session.ts'

/** Facts of one ended session; one object is filled again and again. */
export class MutableFacts implements SessionFacts {
  id = 0
  listener = 0
  client: ClientAddress = { word0: 0, word1: 0, word2: 0, word3: 0, port: 0 }
  lease = -1
  ticket = 0
  attempts = 0
  end: SessionEnd = 'internal'
  startedMs = 0
  endedMs = 0
  connectMs = -1
  bytesFromClient = 0
  bytesFromEndpoint = 0
  datagramsFromClient = 0
  datagramsFromEndpoint = 0
}
