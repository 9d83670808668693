import type { Problem } from '../model/problem.ts'
import type { SourceObject } from '../model/source-object.ts'

/** All a source knows at one moment. */
export interface SourceState {
  /** Changes whenever anything in it does. */
  readonly version: string
  /** False until the first complete read. */
  readonly synced: boolean
  readonly objects: readonly SourceObject[]
  /** What is wrong with the source itself: unreadable, unparsable, too large. */
  readonly problems: readonly Problem[]
  /** When the state was read, in milliseconds since 1970. */
  readonly readAtMs: number
}

/** Where objects come from. */
export interface Source extends AsyncDisposable {
  readonly name: string
  /** Yields whole states, newest only; the first as soon as there is one, synced or not. Returns when `signal` aborts. */
  watch(signal: AbortSignal): AsyncIterable<SourceState>
  /** Reads again now, whatever changed or not. */
  refresh(): void
  /** When what the newest state says was last known to hold, in milliseconds since 1970, for a source that can tell
   *  without a new state; undefined: not yet. */
  heardAtMs?(): number | undefined
}
