import { hash } from 'node:crypto'
import type { SourceState } from './source.ts'

/** The last states of all sources as one, objects in the order of the sources. A source that has not said anything yet is
 *  undefined, and keeps the whole from being synced. */
export function mergeStates(states: readonly (SourceState | undefined)[]): SourceState {
  const versions = states.map((state) => state?.version ?? '')
  return {
    version: states.length === 1 ? (versions[0] ?? '') : hash('sha256', JSON.stringify(versions), 'hex').slice(0, 16),
    synced: states.every((state) => state?.synced === true),
    objects: states.flatMap((state) => state?.objects ?? []),
    problems: states.flatMap((state) => state?.problems ?? []),
    readAtMs: Math.max(0, ...states.map((state) => state?.readAtMs ?? 0)),
  }
}
