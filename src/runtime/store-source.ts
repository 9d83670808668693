import type { Clock } from '../lib/clock.ts'
import type { SourceObject } from '../model/source-object.ts'
import { createLatest } from '../source/latest.ts'
import type { Source, SourceState } from '../source/source.ts'
import type { ObjectStore, StoredObject } from '../store/store.ts'

/** What the control plane understands; whatever else the store holds is not its concern. */
const KINDS = ['Service', 'EndpointSlice', 'Endpoints', 'Node'] as const

export interface StoreSourceOptions {
  readonly name: string
  /** Not disposed with the source. */
  readonly store: ObjectStore
  /** Whether an object is to be served; others are there to be shown. */
  readonly isOwn: (object: StoredObject) => boolean
  readonly clock: Clock
}

/** The objects of a store as a source: each change is there as soon as it is persisted. Each object stands at a place of its
 *  own, `api:Service default/web` where the name is `api`. */
export function createStoreSource({ name, store, isOwn, clock }: StoreSourceOptions): Source {
  const states = createLatest<SourceState>()
  const objects = new Map<string, SourceObject>()

  function publish(): void {
    const version = String(store.resourceVersion)
    states.set({ version, synced: true, objects: [...objects.values()], problems: [], readAtMs: clock.wall() })
  }
  /** Says whether anything is another now. */
  function take(object: StoredObject, isThere: boolean): boolean {
    const { kind, namespace, name: own } = object.key
    if (!(KINDS as readonly string[]).includes(kind)) return false
    const place = `${name}:${kind} ${namespace === '' ? '' : `${namespace}/`}${own}`
    if (!isThere || !isOwn(object)) return objects.delete(place)
    objects.set(place, { value: object.value, origin: { place, line: 0, lines: undefined } })
    return true
  }

  for (const kind of KINDS) for (const object of store.list(kind)) take(object, true)
  publish()
  const following = store.follow(store.resourceVersion, (changes) => {
    const taken = changes.filter(({ type, object }) => take(object, type !== 'deleted'))
    if (taken.length > 0) publish()
  })

  return {
    name,
    watch: (signal) => states.watch(signal),
    refresh() {},
    heardAtMs: () => clock.wall(),
    async [Symbol.asyncDispose]() {
      if (typeof following === 'object') following[Symbol.dispose]()
      states.close()
    },
  }
}
