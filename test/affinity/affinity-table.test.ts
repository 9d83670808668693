import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { AffinityTable, NO_ENDPOINT } from '../../src/affinity/affinity-table.ts'
import type { ClientAddress } from '../../src/model/session.ts'
import { CLIENT_ENTRY_BYTES, CLIENT_TABLE_HEADER_BYTES } from '../../src/model/shared-layout.ts'

const TIMEOUT_MS = 10_000

function buffer(entries: number): SharedArrayBuffer {
  return new SharedArrayBuffer(CLIENT_TABLE_HEADER_BYTES + entries * CLIENT_ENTRY_BYTES)
}

/** 10.x.y.z and some port. */
function client(n: number, port = 1): ClientAddress {
  return { word0: 0, word1: 0, word2: 0xffff, word3: 0x0a000000 + n, port }
}

describe('affinity table', () => {
  it('remembers one endpoint per client and Service port', () => {
    const table = new AffinityTable(buffer(1024))
    table.remember(1, client(1), 7, 0, TIMEOUT_MS)
    table.remember(2, client(1), 8, 0, TIMEOUT_MS)
    expect(table.find(1, client(1), 1, TIMEOUT_MS)).toBe(7)
    expect(table.find(2, client(1), 1, TIMEOUT_MS)).toBe(8)
    expect(table.find(1, client(2), 1, TIMEOUT_MS)).toBe(NO_ENDPOINT)
  })

  it('does not look at the port of the client', () => {
    const table = new AffinityTable(buffer(1024))
    table.remember(1, client(1, 1000), 7, 0, TIMEOUT_MS)
    expect(table.find(1, client(1, 2000), 0, TIMEOUT_MS)).toBe(7)
  })

  // Case 26.
  it('keeps and renews a client that comes back just before the timeout', () => {
    const table = new AffinityTable(buffer(1024))
    table.remember(1, client(1), 7, 0, TIMEOUT_MS)
    expect(table.find(1, client(1), TIMEOUT_MS - 1, TIMEOUT_MS)).toBe(7)
    expect(table.find(1, client(1), 2 * TIMEOUT_MS - 2, TIMEOUT_MS)).toBe(7)
  })

  // Case 27.
  it('forgets a client that stayed away for the timeout', () => {
    const table = new AffinityTable(buffer(1024))
    table.remember(1, client(1), 7, 0, TIMEOUT_MS)
    expect(table.find(1, client(1), TIMEOUT_MS, TIMEOUT_MS)).toBe(NO_ENDPOINT)
  })

  // Case 28.
  it('never moves a client that keeps coming within the timeout', () => {
    const table = new AffinityTable(buffer(1024))
    table.remember(1, client(1), 7, 0, TIMEOUT_MS)
    for (let now = 0; now <= 10 * TIMEOUT_MS; now += TIMEOUT_MS / 2) expect(table.find(1, client(1), now, TIMEOUT_MS)).toBe(7)
  })

  it('takes a thread whose clock is a moment behind for one that comes now', () => {
    const table = new AffinityTable(buffer(1024))
    table.remember(1, client(1), 7, 1_000, TIMEOUT_MS)
    expect(table.find(1, client(1), 999, TIMEOUT_MS)).toBe(7)
    expect(table.remember(1, client(1), 8, 998, TIMEOUT_MS)).toBe(7)
    expect(table.sweep(997, { timeoutOf: () => TIMEOUT_MS, isLive: () => true })).toBe(1)
  })

  it('applies a changed timeout to records it already holds', () => {
    const table = new AffinityTable(buffer(1024))
    table.remember(1, client(1), 7, 0, TIMEOUT_MS)
    expect(table.find(1, client(1), 500, 400)).toBe(NO_ENDPOINT)
    expect(table.find(1, client(1), 500, 600)).toBe(7)
  })

  it('moves a client to another endpoint', () => {
    const table = new AffinityTable(buffer(1024))
    table.remember(1, client(1), 7, 0, TIMEOUT_MS)
    table.move(1, client(1), 9, 1, TIMEOUT_MS)
    expect(table.find(1, client(1), 2, TIMEOUT_MS)).toBe(9)
  })

  it('lets the first choice stand when two are made for one client', () => {
    const table = new AffinityTable(buffer(1024))
    expect(table.remember(1, client(1), 7, 0, TIMEOUT_MS)).toBe(7)
    expect(table.remember(1, client(1), 9, 1, TIMEOUT_MS)).toBe(7)
    expect(table.remember(1, client(1), 9, TIMEOUT_MS + 1, TIMEOUT_MS)).toBe(9)
  })

  it('forgets on request', () => {
    const table = new AffinityTable(buffer(1024))
    table.remember(1, client(1), 7, 0, TIMEOUT_MS)
    table.forget(1, client(1), 7)
    expect(table.find(1, client(1), 0, TIMEOUT_MS)).toBe(NO_ENDPOINT)
  })

  it('does not forget a client that has moved to another endpoint meanwhile', () => {
    const table = new AffinityTable(buffer(1024))
    table.remember(1, client(1), 7, 0, TIMEOUT_MS)
    table.move(1, client(1), 8, 0, TIMEOUT_MS)
    table.forget(1, client(1), 7)
    expect(table.find(1, client(1), 0, TIMEOUT_MS)).toBe(8)
  })

  // Case 32.
  it('drops only what is expired when it is swept', () => {
    const table = new AffinityTable(buffer(1024))
    table.remember(1, client(1), 7, 0, TIMEOUT_MS)
    table.remember(1, client(2), 8, TIMEOUT_MS - 1, TIMEOUT_MS)
    expect(table.sweep(TIMEOUT_MS, { timeoutOf: () => TIMEOUT_MS, isLive: () => true })).toBe(1)
    expect(table.find(1, client(1), 0, TIMEOUT_MS)).toBe(NO_ENDPOINT)
    expect(table.find(1, client(2), TIMEOUT_MS, TIMEOUT_MS)).toBe(8)
  })

  it("drops what names an endpoint that is nobody's when it is swept", () => {
    const table = new AffinityTable(buffer(1024))
    table.remember(1, client(1), 7, 0, TIMEOUT_MS)
    table.remember(1, client(2), 8, 0, TIMEOUT_MS)
    expect(table.sweep(1, { timeoutOf: () => TIMEOUT_MS, isLive: (slot) => slot === 8 })).toBe(1)
    expect(table.find(1, client(1), 1, TIMEOUT_MS)).toBe(NO_ENDPOINT)
    expect(table.find(1, client(2), 1, TIMEOUT_MS)).toBe(8)
  })

  // Case 36.
  it('tells IPv6 clients apart by all of their address', () => {
    const table = new AffinityTable(buffer(1024))
    const one = { word0: 0x20010db8, word1: 0, word2: 0, word3: 0xfffffff1, port: 1 }
    const two = { word0: 0x20010db8, word1: 1, word2: 0, word3: 0xfffffff1, port: 1 }
    table.remember(1, one, 7, 0, TIMEOUT_MS)
    table.remember(1, two, 8, 0, TIMEOUT_MS)
    expect(table.find(1, one, 0, TIMEOUT_MS)).toBe(7)
    expect(table.find(1, two, 0, TIMEOUT_MS)).toBe(8)
  })

  it('stays within its size and gives up the longest unused clients first', () => {
    const table = new AffinityTable(buffer(1024))
    for (let n = 0; n < 10_000; n++) table.remember(1, client(n), 7, n, 1_000_000)
    expect(table.evictions()).toBeGreaterThan(8_900)
    expect(table.find(1, client(9_999), 10_000, 1_000_000)).toBe(7)
    let old = 0
    for (let n = 0; n < 5_000; n++) if (table.find(1, client(n), 10_000, 1_000_000) !== NO_ENDPOINT) old++
    expect(old).toBeLessThan(50)
  })

  it('holds a million clients in 64 MB almost without eviction', () => {
    const table = new AffinityTable(buffer(2 ** 21))
    for (let n = 0; n < 1_000_000; n++) table.remember(1, client(n), n % 10, 0, TIMEOUT_MS)
    expect(table.evictions()).toBeLessThan(1_000)
    for (let n = 0; n < 1_000_000; n += 9_973) expect(table.find(1, client(n), 1, TIMEOUT_MS)).toBe(n % 10)
  })

  it('never lets two threads disagree about a client', async () => {
    const shared = buffer(2 ** 14)
    const clients = 5_000
    const start = new SharedArrayBuffer(4)
    const code = `
      import { parentPort, workerData } from 'node:worker_threads'
      import { AffinityTable } from ${JSON.stringify(new URL('../../src/affinity/affinity-table.ts', import.meta.url).href)}
      const { shared, start, clients, me } = workerData
      const table = new AffinityTable(shared)
      const gate = new Int32Array(start)
      Atomics.add(gate, 0, 1)
      while (Atomics.load(gate, 0) < 2) {}
      const chosen = []
      for (let n = 0; n < clients; n++) {
        const client = { word0: 0, word1: 0, word2: 0xffff, word3: 0x0a000000 + n, port: 1 }
        const known = table.find(1, client, 0, 1000)
        chosen.push(known >= 0 ? known : table.remember(1, client, me, 0, 1000))
      }
      parentPort.postMessage(chosen)
    `
    const runs = [1, 2].map(
      (me) =>
        new Promise<number[]>((resolve, reject) => {
          const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
            workerData: { shared, start, clients, me },
          })
          worker.once('message', resolve)
          worker.once('error', reject)
        }),
    )
    const [one, two] = await Promise.all(runs)
    expect(one).toHaveLength(clients)
    expect(one).toEqual(two)
  })
})
