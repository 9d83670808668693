import { hash } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import type { SourceObject } from '../model/source-object.ts'
import { createLatest } from './latest.ts'
import type { Source, SourceState } from './source.ts'

/** A source that is told what it holds by whoever embeds it. */
export interface ObjectSource extends Source {
  /** Takes the place of everything it held. Objects are copied; one that says the same as before counts as unchanged,
   *  whether or not it is the same in memory. */
  set(objects: readonly unknown[]): void
}

/** Makes one. It is not synced until the first `set`. */
export function createObjectSource(name: string, clock: Clock): ObjectSource {
  const states = createLatest<SourceState>()
  let known: ReadonlyMap<string, SourceObject> = new Map()

  return {
    name,
    set(objects) {
      const next = new Map<string, SourceObject>()
      const list = objects.map((object, index) => {
        // What JSON cannot say is no Kubernetes object; as text it fails to parse as one, and that is reported.
        const text = JSON.stringify(object) ?? 'null'
        const found = next.get(text) ?? known.get(text) ?? { value: JSON.parse(text) as unknown, origin: originOf(name, index) }
        next.set(text, found)
        return found
      })
      known = next
      const version = hash('sha256', JSON.stringify([...next.keys()]), 'hex').slice(0, 16)
      states.set({ version, synced: true, objects: list, problems: [], readAtMs: clock.wall() })
    },
    watch: (signal) => states.watch(signal),
    refresh() {},
    async [Symbol.asyncDispose]() {
      states.close()
    },
  }
}

function originOf(name: string, index: number): SourceObject['origin'] {
  return { place: `${name}[${index}]`, line: 0, lines: undefined }
}
