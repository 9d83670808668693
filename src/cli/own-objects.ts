import { API_SOURCE, ownerOf } from '../admin/object-owner.ts'
import { systemClock } from '../lib/clock.ts'
import { createStoreSource } from '../runtime/store-source.ts'
import type { Source } from '../source/source.ts'
import type { ObjectStore } from '../store/store.ts'

/** What was written through the admin API as a source, to be put last: what stands in a file counts first. */
export function ownObjects(store: ObjectStore): Source {
  return createStoreSource({ name: API_SOURCE, store, isOwn: (object) => ownerOf(object) === undefined, clock: systemClock })
}
