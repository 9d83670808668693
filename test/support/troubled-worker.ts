import { type MessagePort, workerData } from 'node:worker_threads'
import { type Libc, loadLibc } from '../../src/lib/libc/load.ts'
import { Loop, type WorkerStart } from '../../src/listener/native/loop.ts'
import { RouteSessionPolicy } from '../../src/listener/session-policy.ts'
import type { SharedState } from '../../src/model/shared-layout.ts'
import { takes, troubledLibc } from './trouble.ts'

/** The entry of a native worker that a test can trouble: its calls fail, it stands still, it dies. */
const { start, port } = workerData as { readonly start: WorkerStart; readonly port: MessagePort }
const { trouble } = start.shared as SharedState & { readonly trouble: Int32Array<SharedArrayBuffer> }

class TroubledPolicy extends RouteSessionPolicy {
  override apply(...given: Parameters<RouteSessionPolicy['apply']>): readonly number[] {
    const hurried = super.apply(...given)
    if (takes(trouble, 'death')) throw new Error('killed by a test')
    return hurried
  }

  override connectFailed(...given: Parameters<RouteSessionPolicy['connectFailed']>): void {
    super.connectFailed(...given)
    if (takes(trouble, 'fault')) throw new Error('troubled by a test')
  }
}

const libc = troubledLibc(loadLibc().libc as Libc, trouble)
await new Loop(start, port, libc, (clock) => new TroubledPolicy(start.shared, start.row, clock)).run()
port.close()
