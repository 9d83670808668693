import type { Clock, Timer } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Problem } from '../model/problem.ts'
import { createDebounce } from './debounce.ts'
import { fileProblem } from './file-problem.ts'
import { NOTHING_SEEN, type PathMemory, readRound } from './file-round.ts'
import { showState } from './file-state.ts'
import { openFileWatch } from './file-watch.ts'
import { createLatest } from './latest.ts'
import type { FileParser } from './parser.ts'
import type { Source, SourceState } from './source.ts'

/** What a file source needs. */
export interface FileSourceOptions {
  readonly clock: Clock
  /** Borrowed; may serve several sources. */
  readonly parser: FileParser
  /** Left out: the real one. */
  readonly openWatch?: typeof openFileWatch
}

/** How often the path is looked at without a hint that it changed. Some changes give none: a symlink above it that is
 *  switched, a network file system. */
const POLL_MS = 5_000

/** How long after a change the path is read, and how long at most while changes go on. */
const QUIET_MS = 50
const BURST_MS = 500

/** How soon to look again at what moved under our eyes. */
const AGAIN_MS = 10

/** Opens the source for one `--file` path, a file or a folder. Resolves before anything is read: what becomes of the path,
 *  there or not, is told by the states. */
export async function openFileSource(path: string, options: FileSourceOptions): Promise<Source> {
  const { clock, parser, openWatch = openFileWatch } = options
  const states = createLatest<SourceState>()
  const pauses = new Set<() => void>()
  let memory = NOTHING_SEEN
  let watching: Problem | undefined
  let heardAtMs: number | undefined
  let wanted: 'look' | 'read' | undefined
  let running = false
  let disposed = false

  const pause = (delayMs: number): Promise<void> => {
    if (disposed) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = clock.after(delayMs, resolve)
    const stop = () => {
      timer[Symbol.dispose]()
      resolve()
    }
    pauses.add(stop)
    return promise.finally(() => pauses.delete(stop))
  }

  const publish = (): void => {
    if (disposed) return
    const context = { path, watching, synced: states.value?.synced ?? false, nowMs: clock.now(), wallMs: clock.wall() }
    const state = showState(memory, context)
    // A file was caught while it was written; soon it is there, or a problem.
    if (!state.synced && state.problems.length === 0) return
    if (state.version !== states.value?.version) states.set(state)
  }

  const round = async (force: boolean): Promise<boolean> => {
    try {
      const result = await readRound(path, memory, { clock, parser, force, pause })
      memory = result.memory
      return result.again
    } catch (error) {
      memory = { ...memory, problem: fileProblem('error', 'source-failed', path, `could not be read: ${messageOf(error)}`) }
      return false
    }
  }

  const run = async (): Promise<void> => {
    running = true
    using _alive = parser.hold()
    while (wanted && !disposed) {
      const force = wanted === 'read'
      wanted = undefined
      const before = memory
      const startedMs = clock.wall()
      const again = await round(force)
      if (disposed) break
      if (!again && !memory.problem) heardAtMs = startedMs
      if (leadsElsewhere(before, memory)) {
        watching = undefined
        watcher.reopen()
      }
      publish()
      if (again) {
        wanted = force && memory === before ? 'read' : (wanted ?? 'look')
        await pause(AGAIN_MS)
      }
    }
    running = false
  }

  const want = (what: 'look' | 'read'): void => {
    if (disposed) return
    if (wanted !== 'read') wanted = what
    if (!running) void run()
  }

  let hinted: 'look' | 'read' = 'look'
  const hints = createDebounce({
    clock,
    quietMs: QUIET_MS,
    longestMs: BURST_MS,
    run() {
      want(hinted)
      hinted = 'look'
    },
  })
  let poll: Timer
  const pollLater = (): void => {
    poll = clock.after(POLL_MS, () => {
      want('look')
      pollLater()
    })
  }

  const watcher = openWatch(path, {
    onChange() {
      hinted = 'read'
      hints.request()
    },
    onStir: () => hints.request(),
    onReady: () => want('look'),
    onError(error) {
      const message = `changes are noticed only every ${POLL_MS / 1000} s: ${messageOf(error)}`
      watching = fileProblem('warning', 'watch-failed', path, message)
      want('look')
    },
  })
  pollLater()
  want('read')

  return {
    name: path,
    watch: (signal) => states.watch(signal),
    refresh: () => want('read'),
    heardAtMs: () => heardAtMs,
    async [Symbol.asyncDispose]() {
      disposed = true
      hints[Symbol.dispose]()
      poll[Symbol.dispose]()
      for (const stop of pauses) stop()
      states.close()
      await watcher[Symbol.asyncDispose]()
    },
  }
}

/** Whether the watch may be standing at a folder or file that the path no longer leads to. */
function leadsElsewhere(before: PathMemory, after: PathMemory): boolean {
  if (before === NOTHING_SEEN) return false
  return before.root !== after.root || (before.problem !== undefined && !after.problem)
}
