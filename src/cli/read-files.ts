import { systemClock } from '../lib/clock.ts'
import { openFileSource } from '../source/file-source.ts'
import { mergeStates } from '../source/merge.ts'
import { openFileParser } from '../source/parser.ts'
import type { Source, SourceState } from '../source/source.ts'

/** Reads files and folders of objects once, as `run` would. */
export async function readFiles(paths: readonly string[]): Promise<SourceState> {
  await using parser = await openFileParser({ clock: systemClock })
  const states = await Promise.all(
    [...new Set(paths)].map(async (path) => {
      await using source = await openFileSource(path, { clock: systemClock, parser })
      return await firstState(source)
    }),
  )
  return mergeStates(states)
}

async function firstState(source: Source): Promise<SourceState | undefined> {
  for await (const state of source.watch(new AbortController().signal)) return state
  return undefined
}
