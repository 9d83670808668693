import { availableParallelism } from 'node:os'
import type { Clock } from '../lib/clock.ts'
import { ProxyError } from '../lib/errors.ts'
import type { Libc } from '../lib/libc/load.ts'
import { loadLibc } from '../lib/libc/load.ts'
import type { Engine } from '../listener/listener.ts'
import { openNativeEngine } from '../listener/native/engine.ts'
import { openNodeEngine } from '../listener/node/engine.ts'
import { RouteSessionPolicy } from '../listener/session-policy.ts'
import type { SharedState } from '../model/shared-layout.ts'

const WORKER_URL = new URL(import.meta.url.endsWith('.ts') ? './native-worker.ts' : './native-worker.js', import.meta.url)

/** Which engine runs the sessions, why that one, and in how many threads: so many rows the shared state needs. */
export interface EnginePlan {
  readonly name: 'node' | 'native'
  readonly reason: string
  readonly workers: number
  readonly libc: Libc | undefined
}

export interface EngineOptions {
  readonly shared: SharedState
  /** Descriptors that sessions may hold. */
  readonly descriptors: number
  readonly clock: Clock
  /** Told when a thread that runs sessions died and is replaced. */
  readonly onDeath: (row: number, reason: string) => void
}

/** Chooses the engine that was asked for, or the best one that works here. `workers` undefined: as many as there are
 *  cores but one.
 *  @throws ProxyError E_ENGINE when `native` was asked for and cannot run; it never falls back. */
export function planEngine(wanted: 'auto' | 'node' | 'native', workers: number | undefined): EnginePlan {
  if (wanted === 'node') return { name: 'node', reason: 'it was asked for', workers: 1, libc: undefined }
  const { libc, ...refused } = loadLibc()
  if (libc) {
    const reason = wanted === 'native' ? 'it was asked for' : `it works here (${libc.name})`
    return { name: 'native', reason, workers: workers ?? Math.max(1, availableParallelism() - 1), libc }
  }
  const why = 'reason' in refused ? refused.reason : 'unknown'
  if (wanted === 'native') throw new ProxyError('E_ENGINE', 'system', `engine native: ${why}; use --engine node`)
  return { name: 'node', reason: `native does not work here: ${why}`, workers: 1, libc: undefined }
}

/** Opens the planned engine. The caller owns it. */
export function openEngine(plan: EnginePlan, { shared, descriptors, clock, onDeath }: EngineOptions): Engine {
  if (!plan.libc) return openNodeEngine({ policy: new RouteSessionPolicy(shared, 0, clock), descriptors, clock })
  return openNativeEngine({
    libc: plan.libc,
    shared,
    workers: plan.workers,
    workerUrl: WORKER_URL,
    descriptors,
    after: (delayMs, run) => void clock.after(delayMs, run),
    onDeath,
  })
}
