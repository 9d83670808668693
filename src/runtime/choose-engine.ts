import { availableParallelism } from 'node:os'
import type { Clock } from '../lib/clock.ts'
import { descriptorLimit } from '../lib/descriptor-limit.ts'
import { ProxyError } from '../lib/errors.ts'
import type { Libc } from '../lib/libc/load.ts'
import { loadLibc } from '../lib/libc/load.ts'
import { systemRandom } from '../lib/random.ts'
import type { Engine } from '../listener/listener.ts'
import { openNativeEngine } from '../listener/native/engine.ts'
import { openNodeEngine } from '../listener/node/engine.ts'
import { RouteSessionPolicy } from '../listener/session-policy.ts'
import { createSharedState, type SharedState } from '../model/shared-layout.ts'

/** Descriptors that are not for sessions: logs, watchers, probe clients, the runtime's own. */
const RESERVED_DESCRIPTORS = 200
const WORKER_URL = new URL(import.meta.url.endsWith('.ts') ? './native-worker.ts' : './native-worker.js', import.meta.url)

/** How many of `limit` descriptors sessions may hold. */
export function descriptorsForSessions(limit: number): number {
  return Math.max(limit - RESERVED_DESCRIPTORS, RESERVED_DESCRIPTORS)
}

/** Which engine runs the sessions, why that one, and in how many threads: so many rows the shared state needs. */
export interface EnginePlan {
  readonly name: 'node' | 'native'
  readonly reason: string
  readonly workers: number
  readonly libc: Libc | undefined
}

/** An engine that is open, with the memory it shares with its threads. */
export interface PreparedEngine extends AsyncDisposable {
  readonly plan: EnginePlan
  readonly engine: Engine
  readonly shared: SharedState
  /** Descriptors that sessions may hold. */
  readonly descriptors: number
  /** Calls `tell` whenever a thread that runs sessions has died and will be replaced. */
  onDeath(tell: (row: number, reason: string) => void): void
  /** Calls `tell` whenever another thread has taken the place of a dead one. */
  onRevival(tell: (row: number) => void): void
  /** Calls `tell` whenever an error of ours ended one session. */
  onFault(tell: (row: number, reason: string) => void): void
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

/** Opens an engine. Its threads take a while to start, so a program that has more to load calls this first. The caller
 *  owns it, until it gives it to a proxy.
 *  @throws ProxyError E_ENGINE as {@link planEngine} does. */
export function prepareEngine(
  { engine: wanted, workers }: { readonly engine: 'auto' | 'node' | 'native'; readonly workers: number | undefined },
  clock: Clock,
): PreparedEngine {
  const plan = planEngine(wanted, workers)
  const shared = createSharedState({ rows: plan.workers })
  const descriptors = descriptorsForSessions(descriptorLimit())
  let tellDeath = (_row: number, _reason: string): void => {}
  let tellRevival = (_row: number): void => {}
  let tellFault = tellDeath
  const engine = plan.libc
    ? openNativeEngine({
        libc: plan.libc,
        shared,
        workers: plan.workers,
        workerUrl: WORKER_URL,
        descriptors,
        clock,
        createPolicy: (row) => new RouteSessionPolicy(shared, row, clock, systemRandom),
        onDeath: (row, reason) => tellDeath(row, reason),
        onRevival: (row) => tellRevival(row),
        onFault: (row, reason) => tellFault(row, reason),
      })
    : openNodeEngine({ policy: new RouteSessionPolicy(shared, 0, clock, systemRandom), descriptors, clock })
  return {
    plan,
    engine,
    shared,
    descriptors,
    onDeath(tell) {
      tellDeath = tell
    },
    onRevival(tell) {
      tellRevival = tell
    },
    onFault(tell) {
      tellFault = tell
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
}
