import type { Clock, Timer } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Problem } from '../../model/problem.ts'
import type { ApiItem } from './api-item.ts'
import { type ClusterCopy, readCopy, touchCopy, writeCopy } from './cluster-copy.ts'
import { clusterProblem } from './cluster-problem.ts'

/** Keeps the copy on disk as old as what is known. */
export interface CopyKeeper extends Disposable {
  /** What the last process left; undefined: nothing that is of use. */
  read(): Promise<ClusterCopy | undefined>
  /** Something changed; it is on disk some seconds later. */
  changed(): void
  /** What is known held at this time, in milliseconds since 1970. */
  heard(atMs: number): void
  /** What is wrong with writing. */
  problem(): Problem | undefined
}

export interface CopyKeeperOptions {
  readonly path: string
  /** Of which cluster, and which part of it. */
  readonly identity: string
  readonly clock: Clock
  readonly items: () => readonly ApiItem[]
  /** Told when `problem` says something else. */
  readonly onChange: () => void
}

/** How long after a change, and after the last time, the copy is written. */
const WRITE_MS = 10_000
/** How often a copy in which nothing changed is given the time. */
const TOUCH_MS = 60_000

/** Makes one. */
export function createCopyKeeper({ path, identity, clock, items, onChange }: CopyKeeperOptions): CopyKeeper {
  let timer: Timer | undefined
  let written = false
  let dirty = false
  let touchedMs = Number.NEGATIVE_INFINITY
  let failure: string | undefined
  let disposed = false

  async function write(): Promise<void> {
    const before = failure
    dirty = false
    try {
      await writeCopy(path, identity, items())
      written = true
      failure = undefined
    } catch (error) {
      failure = messageOf(error).split(', ')[0]
    }
    if (disposed) return
    if (failure !== before) onChange()
    timer = undefined
    if (failure !== undefined || dirty) later(WRITE_MS)
  }
  function later(delayMs: number): void {
    if (!disposed) timer ??= clock.after(delayMs, () => void write())
  }

  return {
    read: () => readCopy(path, identity),
    // The first one is written at once: nobody knows how long this process lives.
    changed() {
      dirty = true
      later(written ? WRITE_MS : 0)
    },
    heard(atMs) {
      if (!written || clock.now() - touchedMs < TOUCH_MS) return
      touchedMs = clock.now()
      // Where it cannot be touched it cannot be written either, and that is said.
      touchCopy(path, atMs).catch(() => {})
    },
    problem: () =>
      failure === undefined
        ? undefined
        : clusterProblem('warning', 'cluster-copy', `the copy ${path} cannot be written: ${failure}`),
    [Symbol.dispose]() {
      disposed = true
      timer?.[Symbol.dispose]()
    },
  }
}
