import type { Clock } from '../lib/clock.ts'
import type { Problem } from '../model/problem.ts'
import { LARGEST_FILE_BYTES } from './file-identity.ts'
import { type Entry, type Look, leadsTo, lookAt } from './file-look.ts'
import { fileProblem } from './file-problem.ts'
import { tooLarge } from './parse-file.ts'
import type { FileParser, ParsedFile } from './parser.ts'

/** What is remembered of one file. */
export interface FileMemory {
  /** What it was when it was last read, as `identityOf` says it; empty: read it again. */
  readonly identity: string
  /** The last content that could be used. */
  readonly good: ParsedFile | undefined
  readonly problem: Problem | undefined
  /** Since when it is seen being written, on the clock; undefined: it is still. */
  readonly restlessSinceMs: number | undefined
}

/** What is remembered of a `--file` path. */
export interface PathMemory {
  /** Where the path led when it was last looked at. */
  readonly root: string
  /** Where it led when `files` was read. */
  readonly filesRoot: string
  readonly files: ReadonlyMap<string, FileMemory>
  /** Why there was nothing to read; `files` is then from before. */
  readonly problem: Problem | undefined
}

/** What is remembered before anything was seen. */
export const NOTHING_SEEN: PathMemory = { root: '', filesRoot: '', files: new Map(), problem: undefined }

const NEVER_READ: FileMemory = { identity: '', good: undefined, problem: undefined, restlessSinceMs: undefined }

/** What a round needs. */
export interface RoundOptions {
  readonly clock: Clock
  readonly parser: FileParser
  /** Read even what looks untouched. */
  readonly force: boolean
  /** Resolves after so many milliseconds, or at once when the source is disposed. */
  pause(delayMs: number): Promise<void>
}

/** `again`: something moved meanwhile, so there is more to see. */
export interface Round {
  readonly memory: PathMemory
  readonly again: boolean
}

/** A file counts as written when two looks this far apart see the same. */
const SETTLE_MS = 75

/** A file that was not changed for so long is not being written. Far above the grain of any file system's clock. */
const AT_REST_MS = 2_000

/** How long a file is waited for that does not settle. One that is replaced again and again is whole each time, and one that
 *  is rewritten again and again mostly is, so both are then read as they come. One that only grows is half a file, and half
 *  a YAML file can be valid: it gets longer. */
export const RESTLESS_MS = 1_000
const GROWING_MS = 10_000

/** Looks at a path and reads what changed. A file that cannot be used keeps its last good content, each for itself; the files
 *  of one folder are always from one version of that folder. */
export async function readRound(path: string, memory: PathMemory, options: RoundOptions): Promise<Round> {
  const first = await lookAt(path)
  if (!options.force && (first.look ? isKnown(first.look, memory) : isSame(first.problem, memory.problem))) {
    return { memory, again: false }
  }
  const settled = first.look !== undefined && (first.look.atomic || isAtRest(first.look, options.clock.wall()))
  if (!settled) await options.pause(SETTLE_MS)
  const second = settled ? first : await lookAt(path)
  if (!second.look) return first.look ? { memory, again: true } : { memory: { ...memory, problem: second.problem }, again: false }
  const { look } = second
  if (!first.look || (look.folder && first.look.root !== look.root)) return { memory, again: true }
  if (isUnfilled(look, memory)) return { memory: { ...memory, root: look.root, problem: noFiles(path) }, again: false }
  const files = new Map<string, FileMemory>()
  let again = false
  for (const entry of look.entries.values()) {
    const known = memory.files.get(entry.place) ?? NEVER_READ
    const file = await readEntry(entry, first.look.entries.get(entry.place), known, options)
    files.set(entry.place, file)
    if (file.restlessSinceMs !== undefined) again = true
  }
  if (!(await leadsTo(path, look)) || (look.atomic && again)) return { memory, again: true }
  for (const place of first.look.entries.keys()) {
    const known = memory.files.get(place)
    // Gone for a moment, as when an editor writes a new file in its place: gone only once two looks agree.
    if (!files.has(place) && known) {
      files.set(place, known)
      again = true
    }
  }
  return { memory: { root: look.root, filesRoot: look.root, files, problem: undefined }, again }
}

/** Nobody has touched its files for a while: one look is enough, and a start need not wait. */
function isAtRest(look: Look, wallMs: number): boolean {
  const entries = [...look.entries.values()]
  return entries.length > 0 && entries.every((entry) => wallMs - entry.changedMs > AT_REST_MS)
}

/** A folder without files where another one had some: recreated and not filled yet, or what is left of a mount. A ConfigMap,
 *  which is swapped whole, means it. */
function isUnfilled(look: Look, memory: PathMemory): boolean {
  return look.folder && !look.atomic && look.entries.size === 0 && memory.files.size > 0 && look.root !== memory.filesRoot
}

async function readEntry(entry: Entry, before: Entry | undefined, known: FileMemory, options: RoundOptions): Promise<FileMemory> {
  const { clock, force, parser } = options
  const settled = before?.identity === entry.identity
  const restlessSinceMs = known.restlessSinceMs ?? clock.now()
  const restless = { ...known, identity: '', restlessSinceMs }
  if (!settled) {
    const grows = before?.inode === entry.inode && before.sizeBytes < entry.sizeBytes
    if (clock.now() - restlessSinceMs < (grows ? GROWING_MS : RESTLESS_MS)) return restless
  }
  const { identity, place, path } = entry
  const seen = { identity, good: known.good, restlessSinceMs: undefined }
  const problem = entry.problem ?? sizeProblem(entry)
  if (problem) return { ...seen, problem }
  if (!force && known.identity === identity) return { ...known, restlessSinceMs: undefined }

  const outcome = await parser.parse({ path, place, expect: settled ? identity : undefined, previous: known.good })
  switch (outcome.kind) {
    case 'parsed':
      return { ...seen, good: outcome.file, problem: undefined }
    case 'problem':
      return { ...seen, identity: outcome.retry ? '' : identity, problem: outcome.problem }
    case 'moved':
      return restless
    case 'stopped':
      return known
  }
}

function sizeProblem({ place, sizeBytes }: Entry): Problem | undefined {
  if (sizeBytes > LARGEST_FILE_BYTES) return tooLarge(place, sizeBytes)
  return sizeBytes > 0 ? undefined : fileProblem('warning', 'file-empty', place, 'empty, as if someone were about to write it')
}

/** What to say of a folder without files. */
export function noFiles(path: string): Problem {
  return fileProblem('warning', 'folder-empty', path, 'no .yaml, .yml or .json file in it')
}

/** Whether everything in sight is what was last read. */
function isKnown(look: Look, memory: PathMemory): boolean {
  if (memory.problem || look.root !== memory.root || look.entries.size !== memory.files.size) return false
  for (const entry of look.entries.values()) {
    const known = memory.files.get(entry.place)
    if (!known || known.restlessSinceMs !== undefined || known.identity !== entry.identity) return false
    if (entry.identity === '' && !isSame(entry.problem, known.problem)) return false
  }
  return true
}

function isSame(a: Problem | undefined, b: Problem | undefined): boolean {
  return a?.code === b?.code && a?.message === b?.message
}
