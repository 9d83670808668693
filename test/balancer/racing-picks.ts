import { Worker } from 'node:worker_threads'
import type { PickerState } from '../../src/balancer/picker.ts'
import type { RouteEndpoint } from '../../src/model/delta.ts'
import type { Ip } from '../../src/model/keys.ts'
import type { SchedulerName } from '../../src/model/service.ts'
import type { SharedState } from '../../src/model/shared-layout.ts'
import { PickerWorld, ROTATION, SERVICE_SLOT } from '../support/picker-world.ts'

/** What a racing thread is given. */
export interface RaceData {
  readonly scheduler: SchedulerName
  readonly endpoints: readonly RouteEndpoint[]
  readonly shared: SharedState
  readonly row: number
  readonly state: Pick<PickerState, 'serviceSlot' | 'rotation' | 'ip'>
  readonly gate: Int32Array<SharedArrayBuffer>
  readonly threads: number
  readonly picks: number
  /** Whether what is picked counts as a session that goes on. */
  readonly stay: boolean
}

const THREADS = 2

/** Lets two threads pick from one list at once, `picksEach` times each; returns how often each position was picked. */
export async function racingPicks(
  scheduler: SchedulerName,
  endpoints: readonly RouteEndpoint[],
  picksEach: number,
  stay = false,
): Promise<number[]> {
  const { shared } = new PickerWorld({ rows: THREADS })
  const gate = new Int32Array(new SharedArrayBuffer(4))
  const state = { serviceSlot: SERVICE_SLOT, rotation: ROTATION, ip: '192.0.2.1' as Ip }
  const runs = Array.from(
    { length: THREADS },
    (_, row) =>
      new Promise<number[]>((resolve, reject) => {
        const race: RaceData = { scheduler, endpoints, shared, row, state, gate, threads: THREADS, picks: picksEach, stay }
        const worker = new Worker(new URL('./racing-worker.ts', import.meta.url), { workerData: race })
        worker.once('message', resolve)
        worker.once('error', reject)
      }),
  )
  const [one, two] = (await Promise.all(runs)) as [number[], number[]]
  return one.map((count, position) => count + (two[position] as number))
}
