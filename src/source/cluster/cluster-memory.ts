import type { SourceObject } from '../../model/source-object.ts'
import type { ClusterPart, ClusterStatus } from './cluster-messages.ts'
import { CLUSTER } from './cluster-problem.ts'

/** What is known of the cluster, put together from what its thread says. */
export interface ClusterMemory {
  /** The objects in force; an unchanged one is the same reference. */
  objects(): readonly SourceObject[]
  /** Takes one part; what holds from now on, if it was the last one of its update. */
  take(part: ClusterPart): ClusterStatus | undefined
  /** Another thread begins, which has said nothing yet: what the last one said is kept until it has. */
  restarted(): void
}

interface Held {
  readonly digest: string
  readonly object: SourceObject
}

/** Makes one that knows nothing. */
export function createClusterMemory(): ClusterMemory {
  /** In force. */
  let held: ReadonlyMap<string, Held> = new Map()
  /** What this thread has said. */
  let said: ReadonlyMap<string, Held> = held
  /** The same with the parts of an update that is not whole. */
  let draft: Map<string, Held> | undefined

  return {
    objects: () => [...held.values()].map(({ object }) => object),
    take({ changed, removed, end }) {
      draft ??= new Map(said)
      for (const { key, digest, text } of changed) {
        const known = held.get(key)
        draft.set(key, known?.digest === digest ? known : { digest, object: objectOf(text) })
      }
      for (const key of removed) draft.delete(key)
      if (!end) return undefined
      said = draft
      draft = undefined
      if (end.synced) held = said
      return end
    },
    restarted() {
      said = new Map()
      draft = undefined
    },
  }
}

function objectOf(text: string): SourceObject {
  return { value: JSON.parse(text) as unknown, origin: { place: CLUSTER, line: 0, lines: undefined } }
}
