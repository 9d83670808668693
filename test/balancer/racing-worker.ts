// Runs in the worker threads of `racing-picks.ts`: they pick from one list, as fast as they can.
import { parentPort, workerData } from 'node:worker_threads'
import { createPicker } from '../../src/balancer/tiers.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { groupOf, ledgerViews } from '../../src/model/shared-layout.ts'
import type { RaceData } from './racing-picks.ts'

const { scheduler, endpoints, shared, row, state, gate, threads, picks, stay } = workerData as RaceData
const ledger = ledgerViews(shared)
const picker = createPicker(scheduler, endpoints, {
  ...state,
  ledger,
  row,
  panicPercent: 0,
  random: seededRandom(row),
  now: () => performance.now(),
})
const counts = endpoints.map(() => 0)
const client = { word0: 0, word1: 0, word2: 0xffff, word3: 1, port: 1 }
const { active, changes } = ledger.rows[row] as (typeof ledger.rows)[number]

Atomics.add(gate, 0, 1)
while (Atomics.load(gate, 0) < threads);
for (let n = 0; n < picks; n++) {
  const position = picker.pick(client, [])
  counts[position] = (counts[position] ?? 0) + 1
  const slot = endpoints[position]?.slot as number
  if (!stay) continue
  active[slot] = (active[slot] as number) + 1
  changes[groupOf(slot)] = (changes[groupOf(slot)] as number) + 1
}
parentPort?.postMessage(counts)
