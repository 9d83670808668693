import type { Problem } from '../../model/problem.ts'
import type { ClusterScope } from './api-kinds.ts'
import type { ClusterAccess } from './credentials.ts'

/** What a cluster's thread is started with. */
export interface ClusterSettings {
  readonly access: ClusterAccess
  readonly scope: ClusterScope
  readonly userAgent: string
  /** Where to keep a copy of what is known, for a start while the server is away; undefined: nowhere. */
  readonly copy?: string | undefined
}

/** One object, new or changed. */
export interface ClusterObject {
  readonly key: string
  readonly digest: string
  /** JSON. */
  readonly text: string
}

/** One part of an update. Nothing of an update counts before its last part is there; every part is answered with one
 *  `taken` before the next one is sent, so that whoever takes them has other turns in between. */
export interface ClusterPart {
  readonly kind: 'part'
  readonly changed: readonly ClusterObject[]
  readonly removed: readonly string[]
  /** Only with the last part. */
  readonly end: ClusterStatus | undefined
}

/** What holds once an update is whole. */
export interface ClusterStatus {
  /** Whether everything was read once; nothing is to be served before. */
  readonly synced: boolean
  readonly problems: readonly Problem[]
}

export type ClusterMessage =
  | ClusterPart
  /** The server was heard of, at this time in milliseconds since 1970. */
  | { readonly kind: 'heard'; readonly atMs: number }

/** What the thread is told: a part was taken in, or everything is to be read again. */
export interface ClusterRequest {
  readonly kind: 'taken' | 'refresh'
}
