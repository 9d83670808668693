import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../lib/clock.ts'
import { isMapping } from '../model/findings.ts'
import type { SourceObject } from '../model/source-object.ts'
import { createLatest } from '../source/latest.ts'
import type { Source, SourceState } from '../source/source.ts'
import type { ObjectStore, ObjectValue, StoredObject } from '../store/store.ts'

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
    const before = objects.get(place)
    // Also the status that this process wrote itself: what was made of the object need not be made again.
    if (before && isDeepStrictEqual(served(before.value as ObjectValue), served(object.value))) return false
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

/** An object without what nothing is made of: which write it is of, who wrote what, and the status but for the addresses of
 *  a load balancer. */
function served({ metadata, status, ...rest }: ObjectValue): object {
  const { resourceVersion: _version, managedFields: _managers, ...named } = metadata ?? {}
  const balancer = isMapping(status) ? status['loadBalancer'] : undefined
  const ingress = isMapping(balancer) ? balancer['ingress'] : undefined
  return { ...rest, metadata: named, ingress: Array.isArray(ingress) ? ingress.map(withoutPorts) : ingress }
}

function withoutPorts(one: unknown): unknown {
  if (!isMapping(one)) return one
  const { ports: _, ...rest } = one
  return rest
}
