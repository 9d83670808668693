// Runs in the worker threads of `rr.test.ts`: two of them pick from one list, as fast as they can.
import { parentPort, workerData } from 'node:worker_threads'
import { roundRobin } from '../../src/balancer/schedulers/rr.ts'
import type { RouteEndpoint } from '../../src/model/delta.ts'

export interface RaceData {
  readonly endpoints: readonly RouteEndpoint[]
  readonly rotations: Int32Array<SharedArrayBuffer>
  readonly gate: Int32Array<SharedArrayBuffer>
  readonly picks: number
}

const { endpoints, rotations, gate, picks } = workerData as RaceData
const picker = roundRobin(endpoints, { rotations, rotation: 1 })
const counts = endpoints.map(() => 0)
const client = { word0: 0, word1: 0, word2: 0xffff, word3: 1, port: 1 }

Atomics.add(gate, 0, 1)
while (Atomics.load(gate, 0) < 2);
for (let n = 0; n < picks; n++) {
  const position = picker.pick(client, [])
  counts[position] = (counts[position] ?? 0) + 1
}
parentPort?.postMessage(counts)
