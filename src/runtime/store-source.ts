import { hash } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import type { SourceObject } from '../model/source-object.ts'
import { createLatest } from '../source/latest.ts'
import type { Source, SourceState } from '../source/source.ts'
import type { ObjectStore, StoredObject } from '../store/store.ts'

/** What is read of a store. */
const KINDS = ['Service', 'Endpoints', 'EndpointSlice']

export interface StoreSourceOptions {
  readonly name: string
  /** Not disposed with the source. */
  readonly store: ObjectStore
  /** Whether an object is to be served; others are there to be shown. */
  readonly isOwn: (object: StoredObject) => boolean
  readonly clock: Clock
}

/** The objects of a store as a source: each change is there as soon as it is persisted. */
export function createStoreSource({ name, store, isOwn, clock }: StoreSourceOptions): Source {
  const states = createLatest<SourceState>()
  const origin = { place: name, line: 0, lines: undefined }
  const known = new WeakMap<StoredObject, SourceObject>()
  let objects: readonly SourceObject[] | undefined

  function read(): void {
    const next = KINDS.flatMap((kind) => store.list(kind).filter(isOwn)).map((stored) => {
      const object = known.get(stored) ?? { value: stored.value, origin }
      known.set(stored, object)
      return object
    })
    if (objects?.length === next.length && next.every((object, n) => object === objects?.[n])) return
    objects = next
    const version = hash('sha256', `${store.resourceVersion}`, 'hex').slice(0, 16)
    states.set({ version, synced: true, objects, problems: [], readAtMs: clock.wall() })
  }

  const following = store.follow(store.resourceVersion, read)
  read()
  return {
    name,
    watch: (signal) => states.watch(signal),
    refresh() {},
    async [Symbol.asyncDispose]() {
      if (typeof following === 'object') following[Symbol.dispose]()
      states.close()
    },
  }
}
