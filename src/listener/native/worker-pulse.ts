import type { Clock } from '../../lib/clock.ts'
import { kernelFiles } from '../../lib/kernel-files.ts'
import type { WorkerPulse } from '../../model/worker-pulse.ts'
import type { WorkerHandle } from './worker-handle.ts'

/** A worker that has not answered by then is busy, whatever it does. */
const PATIENCE_MS = 1000
const NS_PER_MS = 1e6

/** Asks one worker how it is; nothing but the question costs it anything. */
export async function feelPulse(worker: WorkerHandle, clock: Clock): Promise<WorkerPulse> {
  if (worker.over) return { answered: false, cpuMs: undefined, answerMs: undefined }
  const askedMs = clock.now()
  const late = Promise.withResolvers<undefined>()
  using _patience = clock.after(PATIENCE_MS, () => late.resolve(undefined))
  const answer = await Promise.race([worker.ask({ do: 'pulse' }), late.promise])
  const answerMs = answer ? clock.now() - askedMs : PATIENCE_MS
  return { answered: answer !== undefined, cpuMs: answer && cpuOf(answer.count), answerMs }
}

/** How long a thread of this process has run, as the scheduler counts it. */
function cpuOf(thread: number): number | undefined {
  const ns = Number.parseInt(kernelFiles().text(`/proc/self/task/${thread}/schedstat`) ?? '', 10)
  return Number.isNaN(ns) ? undefined : ns / NS_PER_MS
}
