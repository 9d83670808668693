import { type MessagePort, workerData } from 'node:worker_threads'
import { ProxyError } from '../lib/errors.ts'
import { loadLibc } from '../lib/libc/load.ts'
import { systemRandom } from '../lib/random.ts'
import { Loop, type WorkerStart } from '../listener/native/loop.ts'
import { RouteSessionPolicy } from '../listener/session-policy.ts'

/** The entry of a native worker: builds the policy where the sessions live, and runs the engine's loop until told to
 *  stop. */
const { start, port } = workerData as { readonly start: WorkerStart; readonly port: MessagePort }
const loaded = loadLibc()
if (!loaded.libc) throw new ProxyError('E_ENGINE', 'system', loaded.reason)
await new Loop(start, port, loaded.libc, (clock) => new RouteSessionPolicy(start.shared, start.row, clock, systemRandom)).run()
port.close()
