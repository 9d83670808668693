import type { ObjectKey, StoredObject } from './store.ts'

/** Objects by kind, and of each kind in order. */
export class ObjectMap {
  readonly #kinds = new Map<string, Map<string, StoredObject>>()
  readonly #sorted = new Map<string, readonly StoredObject[]>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(key: ObjectKey): StoredObject | undefined {
    return this.#kinds.get(key.kind)?.get(nameOf(key))
  }

  set(object: StoredObject): void {
    const { kind } = object.key
    const names = this.#kinds.get(kind) ?? new Map<string, StoredObject>()
    this.#size -= names.size
    names.set(nameOf(object.key), object)
    this.#size += names.size
    this.#kinds.set(kind, names)
    this.#sorted.delete(kind)
  }

  delete(key: ObjectKey): void {
    if (!this.#kinds.get(key.kind)?.delete(nameOf(key))) return
    this.#size--
    this.#sorted.delete(key.kind)
  }

  kinds(): Iterable<string> {
    return this.#kinds.keys()
  }

  /** By namespace and name. */
  list(kind: string): readonly StoredObject[] {
    const known = this.#sorted.get(kind)
    if (known) return known
    const sorted = [...(this.#kinds.get(kind)?.values() ?? [])].sort(byName)
    this.#sorted.set(kind, sorted)
    return sorted
  }
}

/** No namespace and no name has a slash. */
export function nameOf({ namespace, name }: ObjectKey): string {
  return `${namespace}/${name}`
}

export function byName({ key: a }: StoredObject, { key: b }: StoredObject): number {
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1
  if (a.name === b.name) return 0
  return a.name < b.name ? -1 : 1
}
