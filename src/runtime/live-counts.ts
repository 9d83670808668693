import type { MovedSoFar } from '../listener/listener.ts'
import { CONNECT_BUCKETS_MS, connectBucket } from '../model/shared-layout.ts'

/** What running sessions have moved so far, added up: the ledger counts that when they end. */
export class LiveCounts {
  bytesFromClient = 0
  bytesFromEndpoint = 0
  datagramsFromClient = 0
  datagramsFromEndpoint = 0
  connected = 0
  connectMsSum = 0
  readonly connectTimes: number[] = Array(CONNECT_BUCKETS_MS.length + 1).fill(0)

  add({ bytesFromClient, bytesFromEndpoint, datagramsFromClient, datagramsFromEndpoint, connectMs }: MovedSoFar): void {
    this.bytesFromClient += bytesFromClient
    this.bytesFromEndpoint += bytesFromEndpoint
    this.datagramsFromClient += datagramsFromClient
    this.datagramsFromEndpoint += datagramsFromEndpoint
    if (connectMs < 0) return
    const bucket = connectBucket(connectMs)
    this.connected++
    this.connectMsSum += connectMs
    this.connectTimes[bucket] = (this.connectTimes[bucket] as number) + 1
  }

  merge(other: LiveCounts): void {
    this.bytesFromClient += other.bytesFromClient
    this.bytesFromEndpoint += other.bytesFromEndpoint
    this.datagramsFromClient += other.datagramsFromClient
    this.datagramsFromEndpoint += other.datagramsFromEndpoint
    this.connected += other.connected
    this.connectMsSum += other.connectMsSum
    for (const [bucket, count] of other.connectTimes.entries()) {
      this.connectTimes[bucket] = (this.connectTimes[bucket] as number) + count
    }
  }
}

/** Running sessions by the slot of their endpoint. */
export type LiveByLease = ReadonlyMap<number, LiveCounts>

export function countLive(tally: (look: (session: MovedSoFar) => void) => void): LiveByLease {
  const counts = new Map<number, LiveCounts>()
  tally((session) => {
    if (session.lease < 0) return
    let here = counts.get(session.lease)
    if (!here) {
      here = new LiveCounts()
      counts.set(session.lease, here)
    }
    here.add(session)
  })
  return counts
}
