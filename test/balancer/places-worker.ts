// Runs in the worker threads of `places.test.ts`: they take places and give them back, as fast as they can.
import { parentPort, workerData } from 'node:worker_threads'
import { Places } from '../../src/balancer/places.ts'
import { ledgerViews, type SharedState } from '../../src/model/shared-layout.ts'
import { lineViews } from '../../src/model/shared-lines.ts'

/** What a racing thread is given. */
export interface PlacesRace {
  readonly shared: SharedState
  readonly row: number
  readonly rows: number
  readonly rounds: number
  readonly limits: { readonly maxSessions: number | undefined; readonly maxPerEndpoint: number | undefined }
  /** How many arrived at the start; then, by endpoint and in all, who holds a place. */
  readonly holders: Int32Array<SharedArrayBuffer>
}

const { shared, row, rows, rounds, limits, holders } = workerData as PlacesRace
const SERVICE = 2
const places = new Places(ledgerViews(shared), lineViews(shared), row)
places.count(SERVICE)
const most = [0, 0, 0]
let taken = 0

function hold(cell: number, change: 1 | -1): void {
  const now = Atomics.add(holders, 1 + cell, change) + change
  if (now > (most[cell] as number)) most[cell] = now
}

Atomics.add(holders, 0, 1)
while (Atomics.load(holders, 0) < rows);
for (let n = 0; n < rounds || taken === 0; n++) {
  const endpoint = n % 2
  if (!places.take(SERVICE, 4 + endpoint, limits)) continue
  taken++
  hold(endpoint, 1)
  hold(2, 1)
  hold(2, -1)
  hold(endpoint, -1)
  places.change(SERVICE, 4 + endpoint, -1)
}
parentPort?.postMessage({ taken, most })
