import type { Clock, Timer } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import type { Problem } from '../../model/problem.ts'
import { createApiClient } from './api-client.ts'
import type { ApiItem } from './api-item.ts'
import { watchedKinds } from './api-kinds.ts'
import type { ClusterMessage, ClusterObject, ClusterSettings, ClusterStatus } from './cluster-messages.ts'
import { clusterProblem, troublesOf } from './cluster-problem.ts'
import { createCopyKeeper } from './copy-keeper.ts'
import { createCredentialSource } from './credentials.ts'
import { reflect } from './reflect.ts'
import { Reflector } from './reflector.ts'

/** What a feed needs. */
export interface ClusterFeedOptions {
  readonly settings: ClusterSettings
  readonly clock: Clock
  readonly random: Random
  readonly send: (message: ClusterMessage) => void
}

/** Follows a cluster and says what changes. Everything here runs in the cluster's own thread. */
export interface ClusterFeed extends AsyncDisposable {
  /** The last part was taken in. */
  taken(): void
  /** Reads everything again now, and asks a server that is away again. */
  refresh(): void
}

/** Changes so close together become one update. */
const COALESCE_MS = 10
/** How much one part holds at most; a single object may be larger. */
const PART_CHARS = 64 * 1024
const PART_OBJECTS = 100
/** How long the server may take to be read before a copy is served. */
const RESTORE_MS = 3_000
/** How often the other side is told that the server is there. */
const HEARD_MS = 1_000

/** Begins to follow. */
export function openClusterFeed({ settings, clock, random, send }: ClusterFeedOptions): ClusterFeed {
  const { scope, access, userAgent } = settings
  const client = createApiClient(createCredentialSource(access), clock, userAgent)
  const reflectors = watchedKinds(scope).map((kind) => new Reflector(kind, random))
  const keeper =
    settings.copy === undefined
      ? undefined
      : createCopyKeeper({
          path: settings.copy,
          identity: JSON.stringify([access, scope]),
          clock,
          items: () => reflectors.flatMap(({ items }) => [...items.values()].filter(({ key }) => sent.has(key))),
          onChange: () => changed(),
        })
  const stop = new AbortController()
  /** What the other side has, by key. */
  const sent = new Map<string, string>()
  const waiting = new Set<string>()
  let status: ClusterStatus = { synced: false, problems: [] }
  let toSend: Update | undefined
  let timer: Timer | undefined
  let heardMs = Number.NEGATIVE_INFINITY

  /** Whether what is said is what the server says, and not a copy. */
  let live = false
  let restoring: Timer | undefined
  let stale: Problem | undefined

  const onHeard = (): void => {
    if (clock.now() - heardMs < HEARD_MS) return
    heardMs = clock.now()
    // What is known holds as long as the server is heard; a copy only once all was read.
    if (!live) return
    send({ kind: 'heard', atMs: clock.wall() })
    keeper?.heard(clock.wall())
  }

  const changed = (): void => {
    timer ??= clock.after(COALESCE_MS, () => {
      timer = undefined
      if (!toSend) begin()
    })
  }

  /** Begins an update of everything that the other side does not have, if there is anything. */
  function begin(): void {
    for (const reflector of reflectors) for (const key of reflector.takeDirty()) waiting.add(key)
    if (!live && reflectors.every(isSettled)) goLive()
    const said = reflectors.flatMap((reflector) => troublesOf(reflector, status.synced))
    const problems = [stale, ...said, keeper?.problem()].filter((problem) => problem !== undefined)
    const next = { synced: status.synced || live, problems }
    const same = JSON.stringify(next) === JSON.stringify(status)
    if (same && (waiting.size === 0 || !live)) return
    status = next
    toSend = live ? collect() : { changed: [], removed: [], at: 0 }
    if (toSend.changed.length + toSend.removed.length > 0) keeper?.changed()
    sendPart()
  }

  /** Everything was read: from now on that counts, and of a copy nothing that is not there any more. */
  function goLive(): void {
    live = true
    stale = undefined
    restoring?.[Symbol.dispose]()
    for (const key of sent.keys()) waiting.add(key)
    heardMs = Number.NEGATIVE_INFINITY
    onHeard()
  }

  /** Says what the copy says, if nothing better is known yet. */
  async function restore(): Promise<void> {
    const copy = await keeper?.read()
    if (!copy || live || stop.signal.aborted) return
    if (toSend) {
      restoring = clock.after(COALESCE_MS, () => void restore())
      return
    }
    const known = new Date(copy.knownAtMs).toISOString()
    stale = clusterProblem('warning', 'cluster-copy', `what was known at ${known} is served until the server can be read`)
    status = { synced: true, problems: [stale, ...status.problems] }
    send({ kind: 'heard', atMs: copy.knownAtMs })
    for (const { key, digest } of copy.items) sent.set(key, digest)
    toSend = { changed: [...copy.items], removed: [], at: 0 }
    sendPart()
  }

  function collect(): Update {
    const update: Update = { changed: [], removed: [], at: 0 }
    const selected = scope.labelSelector === '' ? undefined : servicesOf(reflectors[0] as Reflector)
    // With a selector a Service that comes or goes takes its endpoints with it.
    if (selected) for (const reflector of reflectors) for (const key of reflector.items.keys()) waiting.add(key)
    for (const key of waiting) {
      const item = find(key)
      const wanted = item && (!selected || item.service === '' || selected.has(item.service))
      if (!wanted && sent.delete(key)) update.removed.push(key)
      if (!wanted || sent.get(key) === item.digest) continue
      sent.set(key, item.digest)
      update.changed.push(item)
    }
    waiting.clear()
    return update
  }

  function find(key: string): ApiItem | undefined {
    for (const { items } of reflectors) if (items.has(key)) return items.get(key)
    return undefined
  }

  function sendPart(): void {
    if (!toSend) return
    const part: ClusterObject[] = []
    let chars = 0
    while (toSend.at < toSend.changed.length && chars < PART_CHARS && part.length < PART_OBJECTS) {
      const { key, digest, text } = toSend.changed[toSend.at++] as ApiItem
      part.push({ key, digest, text })
      chars += text.length
    }
    const last = toSend.at === toSend.changed.length
    send({ kind: 'part', changed: part, removed: last ? toSend.removed : [], end: last ? status : undefined })
  }

  if (keeper) restoring = clock.after(RESTORE_MS, () => void restore())
  const followers = reflectors.map((reflector) =>
    reflect({ reflector, client, namespace: scope.namespace, clock, onChange: changed, onHeard }, stop.signal),
  )
  return {
    taken() {
      if (!toSend) return
      if (toSend.at < toSend.changed.length) return sendPart()
      toSend = undefined
      changed()
    },
    refresh() {
      for (const follower of followers) follower.refresh()
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      timer?.[Symbol.dispose]()
      restoring?.[Symbol.dispose]()
      keeper?.[Symbol.dispose]()
      await Promise.all(followers.map(({ done }) => done))
    },
  }
}

interface Update {
  readonly changed: ApiItem[]
  readonly removed: string[]
  /** How many of `changed` were sent. */
  at: number
}

/** Whether nothing has to wait for this kind any more. A server that does not let it be read, or has no such kind, is done
 *  with it. */
function isSettled({ kind, synced, trouble }: Reflector): boolean {
  const status = trouble?.failure.status
  return synced || (!kind.required && (status === 403 || status === 404))
}

function servicesOf({ items }: Reflector): ReadonlySet<string> {
  return new Set([...items.values()].map(({ service }) => service))
}
