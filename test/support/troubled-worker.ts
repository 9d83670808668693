import { type MessagePort, workerData } from 'node:worker_threads'
import { type Libc, loadLibc } from '../../src/lib/libc/load.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { Loop, type WorkerStart } from '../../src/listener/native/loop.ts'
import { RouteSessionPolicy } from '../../src/listener/session-policy.ts'
import type { SharedState } from '../../src/model/shared-layout.ts'
import { startTroubled, takesDeath, takesFault, troubledLibc } from './trouble.ts'

/** The entry of a native worker that a test can trouble: its calls fail, it stands still, it dies. */
const { start, port } = workerData as { readonly start: WorkerStart; readonly port: MessagePort }
const { trouble } = start.shared as SharedState & { readonly trouble: Int32Array<SharedArrayBuffer> }

class TroubledPolicy extends RouteSessionPolicy {
  override apply(...given: Parameters<RouteSessionPolicy['apply']>): readonly number[] {
    const hurried = super.apply(...given)
    if (takesDeath(trouble, start.row, 'publish')) throw new Error('killed by a test')
    return hurried
  }

  // An error would end one session. Here the thread ends in the middle of what it does.
  override released(...given: Parameters<RouteSessionPolicy['released']>): number {
    if (takesDeath(trouble, start.row, 'release')) process.exit(1)
    return super.released(...given)
  }

  override adopted(...given: Parameters<RouteSessionPolicy['adopted']>): void {
    if (takesDeath(trouble, start.row, 'adoption')) process.exit(1)
    super.adopted(...given)
  }

  override connectFailed(...given: Parameters<RouteSessionPolicy['connectFailed']>): void {
    super.connectFailed(...given)
    if (takesFault(trouble)) throw new Error('troubled by a test')
  }
}

const libc = troubledLibc(
  startTroubled(trouble, () => loadLibc().libc as Libc),
  trouble,
)
await new Loop(start, port, libc, (clock) => new TroubledPolicy(start.shared, start.row, clock, systemRandom)).run()
port.close()
