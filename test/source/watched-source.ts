import { expect } from 'vitest'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { type FileSourceOptions, openFileSource } from '../../src/source/file-source.ts'
import type { FileWatch } from '../../src/source/file-watch.ts'
import { type FileParser, openFileParser } from '../../src/source/parser.ts'
import type { Source, SourceState } from '../../src/source/source.ts'
import { eventually } from '../support/eventually.ts'

/** A watch that gives no hint, as on a network file system. */
export function openBlindWatch(): FileWatch {
  return { reopen() {}, async [Symbol.asyncDispose]() {} }
}

/** A file source with everything it ever said. */
export interface WatchedSource extends AsyncDisposable {
  readonly source: Source
  readonly states: readonly SourceState[]
  readonly last: SourceState
  /** How many files were read. */
  readonly reads: number
  /** Waits for a state that holds the Services of these names, in this order, and returns it. */
  services(...names: string[]): Promise<SourceState>
  /** Waits for a state with problems of exactly these codes, and returns it. */
  problems(...codes: string[]): Promise<SourceState>
}

/** Opens the source of a path. A clock that stands still must be moved for it to read anything. */
export async function watchSource(
  path: string,
  clock: Clock = systemClock,
  more: Pick<FileSourceOptions, 'openWatch'> = {},
): Promise<WatchedSource> {
  const inner = await openFileParser({ clock })
  let reads = 0
  const parser: FileParser = { ...inner, parse: (file) => inner.parse(file).finally(() => reads++) }
  const source = await openFileSource(path, { clock, parser, ...more })
  const states: SourceState[] = []
  const stop = new AbortController()
  const watching = (async () => {
    for await (const state of source.watch(stop.signal)) states.push(state)
  })()
  const last = (): SourceState => {
    const state = states.at(-1)
    if (!state) throw new Error('no state yet')
    return state
  }
  const when = (assertion: (state: SourceState) => void): Promise<SourceState> =>
    eventually(() => {
      assertion(last())
      return last()
    })
  return {
    source,
    states,
    get last() {
      return last()
    },
    get reads() {
      return reads
    },
    services: (...names) => when((state) => expect(namesOf(state)).toEqual(names)),
    problems: (...codes) => when((state) => expect(state.problems.map((problem) => problem.code)).toEqual(codes)),
    async [Symbol.asyncDispose]() {
      stop.abort()
      await watching
      await source[Symbol.asyncDispose]()
      await inner[Symbol.asyncDispose]()
    },
  }
}

/** Makes the source read its path and waits until it has read a file. */
export async function readAgain(watched: WatchedSource): Promise<void> {
  const before = watched.reads
  watched.source.refresh()
  await eventually(() => expect(watched.reads).toBeGreaterThan(before))
}

/** The names of a state's objects. */
export function namesOf(state: SourceState): string[] {
  return state.objects.map((object) => (object.value as { metadata: { name: string } }).metadata.name)
}

/** A Service as YAML. */
export function service(name: string): string {
  return `apiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\n`
}
