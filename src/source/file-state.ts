import { hash } from 'node:crypto'
import type { Problem } from '../model/problem.ts'
import type { SourceObject } from '../model/source-object.ts'
import { fileProblem } from './file-problem.ts'
import { type FileMemory, noFiles, type PathMemory, RESTLESS_MS } from './file-round.ts'
import type { SourceState } from './source.ts'

/** What to know beside the files themselves. */
export interface StateContext {
  readonly path: string
  /** Whether an earlier state was synced; it stays so. */
  readonly synced: boolean
  /** What is wrong with watching. */
  readonly watching: Problem | undefined
  /** On the clock. */
  readonly nowMs: number
  /** In milliseconds since 1970. */
  readonly wallMs: number
}

/** The state that the outside sees. Pure. */
export function showState(memory: PathMemory, context: StateContext): SourceState {
  const { path, watching } = context
  const files = [...memory.files].sort(([a], [b]) => (a < b ? -1 : 1))
  const complete =
    memory.root !== '' && !memory.problem && files.every(([, it]) => !it.problem && it.restlessSinceMs === undefined)
  const objects: SourceObject[] = files.flatMap(([, file]) => file.good?.objects ?? [])
  const kept = objects.length > 0

  const problems: Problem[] = []
  if (memory.problem) problems.push(withConsequence(memory.problem, kept))
  if (watching) problems.push(watching)
  for (const [place, file] of files) {
    if (file.problem) problems.push(withConsequence(file.problem, file.good !== undefined))
    const restlessMs = file.restlessSinceMs === undefined ? 0 : context.nowMs - file.restlessSinceMs
    if (restlessMs >= RESTLESS_MS) problems.push(withConsequence(beingWritten(place), file.good !== undefined))
  }
  if (complete && files.length === 0) problems.push(noFiles(path))
  else if (complete && !kept) problems.push(fileProblem('warning', 'no-objects', path, 'no Kubernetes object in it'))

  const synced = context.synced || complete
  return { version: versionOf(synced, problems, files), synced, objects, problems, readAtMs: context.wallMs }
}

function beingWritten(place: string): Problem {
  return fileProblem(
    'warning',
    'file-being-written',
    place,
    'written to all the time; write another file and rename it over this one',
  )
}

/** Says what a problem with reading means for what is served. */
function withConsequence(problem: Problem, kept: boolean): Problem {
  const consequence = kept ? 'what it held before stays in force' : 'nothing of it is in force yet'
  return { ...problem, message: `${problem.message}; ${consequence}` }
}

function versionOf(synced: boolean, problems: readonly Problem[], files: readonly (readonly [string, FileMemory])[]): string {
  const contents = files.map(([place, file]) => [place, file.good?.contentHash])
  return hash('sha256', JSON.stringify([synced, problems, contents]), 'hex').slice(0, 16)
}
