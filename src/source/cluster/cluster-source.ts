import { Worker } from 'node:worker_threads'
import { createBackoff } from '../../lib/backoff.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Random } from '../../lib/random.ts'
import { createLatest } from '../latest.ts'
import type { Source, SourceState } from '../source.ts'
import { createClusterMemory } from './cluster-memory.ts'
import type { ClusterMessage, ClusterRequest, ClusterSettings, ClusterStatus } from './cluster-messages.ts'
import { CLUSTER, clusterProblem } from './cluster-problem.ts'

export type { ClusterScope } from './api-kinds.ts'
export type { ClusterSettings } from './cluster-messages.ts'
export type { ClusterAccess } from './credentials.ts'

/** What a cluster source needs. */
export interface ClusterSourceOptions {
  readonly clock: Clock
  readonly random: Random
  /** What runs in its thread; left out: the real one. */
  readonly workerUrl?: URL
}

/** When a thread that died is replaced. */
const RESTART = { firstMs: 1_000, longestMs: 60_000 }
const WORKER_URL = new URL(import.meta.url.endsWith('.ts') ? './cluster-worker.ts' : './cluster-worker.js', import.meta.url)

/** Opens the source of a cluster's Services, endpoints and this Node, followed in a thread of its own. It is synced once
 *  all of them were read, and never holds less because something failed: what was known stays until it is known better. */
export function openClusterSource(
  settings: ClusterSettings,
  { clock, random, workerUrl = WORKER_URL }: ClusterSourceOptions,
): Source {
  const states = createLatest<SourceState>()
  const backoff = createBackoff({ ...RESTART, random })
  const memory = createClusterMemory()
  let version = 0
  let synced = false
  let heardAtMs: number | undefined
  let restart: Timer | undefined
  let worker: Worker | undefined
  let disposed = false

  function publish({ problems, ...status }: ClusterStatus): void {
    // A thread that begins anew has read nothing yet, but what its predecessor read still holds.
    synced ||= status.synced
    const objects = memory.objects()
    states.set({ version: String(++version), synced, objects, problems, readAtMs: heardAtMs ?? clock.wall() })
  }

  function hear(message: ClusterMessage, from: Worker): void {
    if (disposed) return
    if (message.kind === 'heard') {
      heardAtMs = message.atMs
      return
    }
    const status = memory.take(message)
    from.postMessage({ kind: 'taken' } satisfies ClusterRequest)
    if (!status) return
    if (status.synced) backoff.reset()
    publish(status)
  }

  function start(): void {
    restart = undefined
    let reason = 'its thread ended'
    const started = new Worker(workerUrl, { execArgv: [], workerData: settings })
    worker = started
    started.on('message', (message: ClusterMessage) => hear(message, started))
    started.on('error', (error) => {
      reason = messageOf(error)
    })
    started.on('exit', () => {
      if (disposed) return
      memory.restarted()
      const kept = synced ? 'what it held before stays in force' : 'nothing of it is in force yet'
      publish({
        synced: false,
        problems: [clusterProblem('error', 'cluster-died', `is followed again soon: ${reason}; ${kept}`)],
      })
      restart = clock.after(backoff.next(), start)
    })
  }

  start()
  return {
    name: CLUSTER,
    watch: (signal) => states.watch(signal),
    refresh: () => worker?.postMessage({ kind: 'refresh' } satisfies ClusterRequest),
    heardAtMs: () => heardAtMs,
    async [Symbol.asyncDispose]() {
      disposed = true
      restart?.[Symbol.dispose]()
      states.close()
      await worker?.terminate()
    },
  }
}
