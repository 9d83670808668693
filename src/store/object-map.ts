import type { ObjectKey, StoredObject } from './store.ts'

/** Objects of one kind. */
interface KindOf {
  readonly byName: Map<string, StoredObject>
  /** In order. */
  sorted: StoredObject[]
  /** Somebody may still read `sorted`. */
  shared: boolean
}

/** Objects by kind, and of each kind in order. A change costs no more than finding its place. */
export class ObjectMap {
  readonly #kinds = new Map<string, KindOf>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(key: ObjectKey): StoredObject | undefined {
    return this.#kinds.get(key.kind)?.byName.get(nameOf(key))
  }

  set(object: StoredObject): void {
    const { kind } = object.key
    const found = this.#kinds.get(kind) ?? { byName: new Map(), sorted: [], shared: false }
    this.#kinds.set(kind, found)
    const before = found.byName.size
    found.byName.set(nameOf(object.key), object)
    const added = found.byName.size - before
    this.#size += added
    own(found).splice(placeIn(found.sorted, object.key), 1 - added, object)
  }

  delete(key: ObjectKey): void {
    const found = this.#kinds.get(key.kind)
    const object = found?.byName.get(nameOf(key))
    if (!found || !object) return
    found.byName.delete(nameOf(key))
    this.#size--
    own(found).splice(placeIn(found.sorted, key), 1)
  }

  kinds(): Iterable<string> {
    return this.#kinds.keys()
  }

  /** By namespace and name. */
  list(kind: string): readonly StoredObject[] {
    const found = this.#kinds.get(kind)
    if (!found) return []
    found.shared = true
    return found.sorted
  }
}

/** What was handed out stays as it was. */
function own(found: KindOf): StoredObject[] {
  if (found.shared) found.sorted = found.sorted.slice()
  found.shared = false
  return found.sorted
}

/** Where an object stands among those of its kind in order, or would. */
export function placeIn(sorted: readonly StoredObject[], key: ObjectKey): number {
  let from = 0
  let to = sorted.length
  while (from < to) {
    const middle = (from + to) >> 1
    if (compareNames((sorted[middle] as StoredObject).key, key) < 0) from = middle + 1
    else to = middle
  }
  return from
}

/** No namespace and no name has a slash. */
export function nameOf({ namespace, name }: ObjectKey): string {
  return `${namespace}/${name}`
}

/** Below 0: the first comes first. */
export function compareNames(a: ObjectKey, b: ObjectKey): number {
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1
  if (a.name === b.name) return 0
  return a.name < b.name ? -1 : 1
}
