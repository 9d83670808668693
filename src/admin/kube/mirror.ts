import { hash } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import { isMapping } from '../../model/findings.ts'
import { type SourceObject, showOrigin } from '../../model/source-object.ts'
import type { Logger } from '../../observe/logger.ts'
import type { SourceReading } from '../../runtime/control-plane.ts'
import type { ObjectKey, ObjectStore, StoredObject, Write } from '../../store/store.ts'
import { type Foreign, ownerOf } from '../object-owner.ts'
import { toStored } from './convert.ts'
import { withDefaults } from './defaults.ts'
import { KINDS, type Kind, storedKind } from './kinds.ts'
import type { Mapping } from './outcome.ts'
import { isEqual, mappingAt, textAt, withMetadata } from './values.ts'

/** Keeps what files and clusters say in the store too, marked as theirs, so that it is listed and watched like everything
 *  else; it is not written down. Nobody else writes those objects. */
export interface Mirror extends Disposable {
  /** Resolves when what the sources said last is in the store, or cannot be put there. Never rejects. */
  settle(): Promise<void>
}

export interface MirrorOptions {
  readonly store: ObjectStore
  /** What the sources say now. */
  readonly read: () => readonly SourceReading[]
  /** The source of this API's own objects, which is left out. */
  readonly api: string
  /** For objects that do not say when they were made. */
  readonly startedAtMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/** How often sources are looked at while nobody asks. */
const LOOK_EVERY_MS = 250

/** Begins to follow. */
export function openMirror({ store, read, api, startedAtMs, clock, logger }: MirrorOptions): Mirror {
  const startedAt = `${new Date(startedAtMs).toISOString().slice(0, 19)}Z`
  /** The versions of the sources that the store has; undefined: none yet. */
  let seen: string | undefined
  let running: Promise<void> | undefined
  let timer = clock.after(LOOK_EVERY_MS, look)
  let disposed = false
  let failing = false

  async function follow(): Promise<void> {
    const sources = read().filter(({ name }) => name !== api)
    const versions = JSON.stringify(sources.map(({ name, state }) => [name, state?.version]))
    if (versions === seen) return
    // A source that has not spoken yet may still have what it had before this process began.
    const complete = sources.every(({ state }) => state?.synced)
    const wanted = new Map<string, { key: ObjectKey; value: Mapping; owner: string }>()
    for (const { name, state } of sources) {
      for (const object of state?.objects ?? []) {
        const found = mirrored(name, object, startedAt)
        const place = found && placeOf(found.key)
        if (place && !wanted.has(place)) wanted.set(place, found)
      }
    }
    await store.commit((view) => {
      const writes: Write[] = []
      for (const { key, value, owner } of wanted.values()) {
        const there = view.get(key)
        if (there && ownerOf(there) === undefined) continue
        if (there && ownerOf(there) === owner && isSame(there, value)) continue
        writes.push({ key, value, aside: { owner } satisfies Foreign, kept: false })
      }
      for (const kind of complete ? new Set(KINDS.map((one) => one.kind)) : []) {
        for (const object of view.list(kind)) {
          if (ownerOf(object) !== undefined && !wanted.has(placeOf(object.key)))
            writes.push({ key: object.key, value: undefined })
        }
      }
      return writes
    })
    seen = versions
  }

  async function followOrSay(): Promise<void> {
    try {
      await follow()
      failing = false
    } catch (error) {
      if (!failing) logger.warn('admin.failed', 'objects of files and clusters cannot be shown; trying again', { error })
      failing = true
    }
  }

  function settle(): Promise<void> {
    running ??= followOrSay().finally(() => {
      running = undefined
    })
    return running
  }

  function look(): void {
    settle().finally(() => {
      if (!disposed) timer = clock.after(LOOK_EVERY_MS, look)
    })
  }

  return {
    settle,
    [Symbol.dispose]() {
      disposed = true
      timer[Symbol.dispose]()
    },
  }
}

/** An object as the API shows it; undefined: it is of no kind that is served, or has no name. */
function mirrored(source: string, { value, origin }: SourceObject, startedAt: string) {
  if (!isMapping(value)) return undefined
  const kind = KINDS.find((one) => one.kind === value['kind'] && one.apiVersion === value['apiVersion'])
  const name = textAt(value, 'metadata', 'name')
  if (!kind || name === '') return undefined
  const namespace = kind.namespaced ? textAt(value, 'metadata', 'namespace') || 'default' : ''
  const key = { kind: storedKind(kind.resource).kind, namespace, name }
  const place = showOrigin(origin)
  // A file says itself where it is; objects of a cluster say which one they are of.
  const owner = place.startsWith(source) || place.includes('/') ? place : `${source} (${place})`
  return { key, value: completed(kind, value, namespace, owner, startedAt), owner }
}

function completed(kind: Kind, object: Mapping, namespace: string, owner: string, startedAt: string): Mapping {
  const metadata = mappingAt(object, 'metadata')
  const seed = hash('sha256', JSON.stringify([owner.replace(/:\d+$/, ''), kind.kind, namespace, metadata['name']]), 'hex')
  const uid = seed.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return withMetadata(withDefaults(storedKind(kind.resource), toStored(kind, object)), {
    namespace: namespace || undefined,
    uid: metadata['uid'] ?? uid,
    creationTimestamp: textAt(metadata, 'creationTimestamp') || startedAt,
  })
}

function isSame({ value }: StoredObject, other: Mapping): boolean {
  return isEqual(withMetadata(value, { resourceVersion: undefined }), withMetadata(other, { resourceVersion: undefined }))
}

function placeOf({ kind, namespace, name }: ObjectKey): string {
  return `${kind}/${namespace}/${name}`
}
