import type { Libc } from '../../src/lib/libc/load.ts'
import { loadLibc } from '../../src/lib/libc/load.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { type NativeEngine, openNativeEngine } from '../../src/listener/native/engine.ts'
import { RouteSessionPolicy } from '../../src/listener/session-policy.ts'
import type { TestEngineOptions } from './engine-world.ts'

const loaded = loadLibc()
/** The C library of the test's own thread; undefined where the native engine cannot run. */
export const { libc } = loaded
/** Ends the name of what is skipped without it. */
export const WITHOUT_NATIVE = 'reason' in loaded ? ` (skipped: no native engine here, ${loaded.reason})` : ''

const WORKER_URL = new URL('../../src/runtime/native-worker.ts', import.meta.url)
/** Its sessions may be troubled by the test: see `troubled-worker.ts`. */
const TROUBLED_WORKER_URL = new URL('./troubled-worker.ts', import.meta.url)

/** What an engine told that no test expected. */
function unexpected(what: string): void {
  throw new Error(what)
}

export interface NativeTestOptions {
  readonly workers: number
  readonly onDeath?: (row: number, reason: string) => void
  readonly onRevival?: (row: number) => void
  readonly onFault?: (row: number, reason: string) => void
  /** Words shared with the workers, whose entry is then `troubled-worker.ts`. */
  readonly trouble?: Int32Array<SharedArrayBuffer>
  /** The library as main sees it. */
  readonly mainLibc?: Libc
}

/** Opens native engines for an `EngineWorld`. */
export function nativeEngine({
  workers,
  onDeath,
  onRevival,
  onFault,
  trouble,
  mainLibc,
}: NativeTestOptions): (options: TestEngineOptions) => NativeEngine {
  return ({ shared, descriptors, clock }) =>
    openNativeEngine({
      libc: mainLibc ?? (libc as Libc),
      // Everything in it is cloned to the workers, what a test adds too.
      shared: trouble ? ({ ...shared, trouble } as typeof shared) : shared,
      workers,
      workerUrl: trouble ? TROUBLED_WORKER_URL : WORKER_URL,
      descriptors,
      clock,
      createPolicy: (row) => new RouteSessionPolicy(shared, row, clock, systemRandom),
      onDeath: onDeath ?? ((row, reason) => unexpected(`worker ${row} died: ${reason}`)),
      onRevival: onRevival ?? (() => {}),
      onFault: onFault ?? ((row, reason) => unexpected(`worker ${row}: ${reason}`)),
    })
}
