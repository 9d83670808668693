import { AffinityTable } from '../../src/affinity/affinity-table.ts'
import { CLIENT_ENTRY_BYTES, CLIENT_TABLE_HEADER_BYTES } from '../../src/model/shared-layout.ts'

/** What a look-up costs in a table of a million clients, and how much memory that is. Run: node bench/micro/affinity.ts */
const CLIENTS = 1_000_000
const ENTRIES = 2 ** 21
const ROUNDS = 5
const TIMEOUT_MS = 10_000

const buffer = new SharedArrayBuffer(CLIENT_TABLE_HEADER_BYTES + ENTRIES * CLIENT_ENTRY_BYTES)
const table = new AffinityTable(buffer)
const client = { word0: 0, word1: 0, word2: 0xffff, word3: 0, port: 1 }

function measured(run: (n: number) => void): number {
  const startedMs = performance.now()
  for (let n = 0; n < CLIENTS; n++) run(n)
  return ((performance.now() - startedMs) * 1e6) / CLIENTS
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] as number
}

const insertNs = measured((n) => {
  client.word3 = Math.imul(n, 2654435761) >>> 0
  table.remember(1, client, n % 10, 0, TIMEOUT_MS)
})
let missed = 0
const finds: number[] = []
for (let round = 0; round < ROUNDS; round++) {
  finds.push(
    measured((n) => {
      client.word3 = Math.imul(n, 2654435761) >>> 0
      if (table.find(1, client, 1, TIMEOUT_MS) < 0) missed++
    }),
  )
}
console.log(`clients           ${CLIENTS}`)
console.log(`table             ${(buffer.byteLength / 2 ** 20).toFixed(1)} MiB`)
console.log(`evicted, missed   ${table.evictions()}, ${missed / ROUNDS}`)
console.log(`remember          ${insertNs.toFixed(0)} ns`)
console.log(`find              ${median(finds).toFixed(0)} ns (median of ${ROUNDS} rounds, every client once, random places)`)
