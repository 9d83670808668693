import type { Clock } from '../lib/clock.ts'
import { createLatest, type Latest } from './latest.ts'
import type { Source, SourceState } from './source.ts'

/** A source that can be shut off: while the gate says false it holds nothing, and that at once. The source behind it is
 *  followed all the while, so that an opened gate shows what it holds by then. Owns that source. */
export function createGatedSource(source: Source, gate: Latest<boolean>, clock: Clock): Source {
  const shown = createLatest<SourceState>()
  const ended = new AbortController()
  let behind: SourceState | undefined

  const show = (): void => {
    if (gate.value === false) shown.set({ version: 'shut', synced: true, objects: [], problems: [], readAtMs: clock.wall() })
    else if (behind) shown.set(behind)
  }
  async function followSource(signal: AbortSignal): Promise<void> {
    for await (const state of source.watch(signal)) {
      behind = state
      show()
    }
  }
  async function followGate(signal: AbortSignal): Promise<void> {
    for await (const _ of gate.watch(signal)) show()
  }

  return {
    name: source.name,
    async *watch(signal) {
      const following = Promise.all([followSource(signal), followGate(AbortSignal.any([signal, ended.signal]))])
      // Nobody could tell otherwise that nothing comes any more; thrown below.
      following.catch(() => shown.close())
      yield* shown.watch(signal)
      await following
    },
    refresh: () => source.refresh(),
    ...(source.heardAtMs ? { heardAtMs: () => source.heardAtMs?.() } : {}),
    async [Symbol.asyncDispose]() {
      shown.close()
      ended.abort()
      await source[Symbol.asyncDispose]()
    },
  }
}
