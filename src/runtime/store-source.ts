import type { Clock } from '../lib/clock.ts'
import type { SourceObject } from '../model/source-object.ts'
import { createLatest } from '../source/latest.ts'
import type { Source, SourceState } from '../source/source.ts'
import type { Change, ObjectStore, StoredObject } from '../store/store.ts'

/** What the control plane understands; whatever else the store holds is not its concern. */
const KINDS = ['Service', 'EndpointSlice', 'Endpoints', 'Node'] as const

/** The objects of a store as a source, from what is persisted; each stands at `api:Service default/web`. The store stays its
 *  owner's. */
export function createStoreSource(store: ObjectStore, clock: Clock): Source {
  const states = createLatest<SourceState>()
  const objects = new Map<string, SourceObject>()

  function publish(): void {
    const version = String(store.resourceVersion)
    states.set({ version, synced: true, objects: [...objects.values()], problems: [], readAtMs: clock.wall() })
  }
  function take({ type, object }: Change): void {
    const { place, source } = sourceObjectOf(object)
    if (type === 'deleted') objects.delete(place)
    else objects.set(place, source)
  }

  for (const kind of KINDS) {
    for (const object of store.list(kind)) {
      const { place, source } = sourceObjectOf(object)
      objects.set(place, source)
    }
  }
  publish()
  const following = store.follow(store.resourceVersion, (changes) => {
    const ours = changes.filter(({ object }) => (KINDS as readonly string[]).includes(object.key.kind))
    for (const change of ours) take(change)
    if (ours.length > 0) publish()
  })

  return {
    name: 'api',
    watch: (signal) => states.watch(signal),
    refresh() {},
    heardAtMs: () => clock.wall(),
    async [Symbol.asyncDispose]() {
      if (typeof following === 'object') following[Symbol.dispose]()
      states.close()
    },
  }
}

function sourceObjectOf({ key, value }: StoredObject): { readonly place: string; readonly source: SourceObject } {
  const place = `api:${key.kind} ${key.namespace === '' ? '' : `${key.namespace}/`}${key.name}`
  return { place, source: { value, origin: { place, line: 0, lines: undefined } } }
}
