import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import type { Random } from '../../src/lib/random.ts'
import type { ClusterScope } from '../../src/source/cluster/api-kinds.ts'
import { openClusterFeed } from '../../src/source/cluster/cluster-feed.ts'
import { createClusterMemory } from '../../src/source/cluster/cluster-memory.ts'
import type { ClusterStatus } from '../../src/source/cluster/cluster-messages.ts'
import { eventually } from './eventually.ts'
import type { Json } from './objects.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

/** Waits as short as the rules allow. */
export const hasty: Random = { below: () => 0 }

/** A cluster that is followed in this thread, with everything it ever said. */
export interface FollowedCluster extends AsyncDisposable {
  readonly kubeconfig: string
  readonly statuses: readonly ClusterStatus[]
  /** Every object that was taken out of force. */
  readonly losses: readonly string[]
  /** How many updates changed objects. */
  readonly updates: number
  /** Short names of the objects in force, sorted: `Service default/web`. */
  names(): readonly string[]
  /** The object in force of such a name. */
  object(name: string): Json
  /** Reads everything again. */
  refresh(): void
  /** Waits until exactly these objects are in force. */
  holds(...names: string[]): Promise<void>
  /** Waits until problems of exactly these codes are said, and returns their messages. */
  troubled(...codes: string[]): Promise<readonly string[]>
}

export interface FollowOptions extends Partial<ClusterScope> {
  readonly clock?: Clock
  readonly random?: Random
  readonly copy?: string
  /** Where to write the kubeconfig; a folder of its own when left out. */
  readonly kubeconfigPath?: string
}

/** Follows the cluster of a kubeconfig. With a clock that stands still, `holds` and `troubled` move it. */
export function followCluster(
  text: string,
  {
    clock = systemClock,
    random = hasty,
    namespace,
    labelSelector = '',
    nodeName = 'node-1',
    copy,
    kubeconfigPath,
  }: FollowOptions = {},
): FollowedCluster {
  const folder = makeTemporaryFolder()
  const kubeconfig = kubeconfigPath ?? join(folder.path, 'kubeconfig')
  writeFileSync(kubeconfig, text)
  const memory = createClusterMemory()
  const statuses: ClusterStatus[] = []
  const losses: string[] = []
  let updates = 0
  const feed = openClusterFeed({
    settings: {
      access: { kind: 'kubeconfig', path: kubeconfig },
      scope: { namespace, labelSelector, nodeName },
      userAgent: 'portald/test',
      copy,
    },
    clock,
    random,
    send(message) {
      if (message.kind === 'heard') return
      losses.push(...message.removed)
      if (message.changed.length + message.removed.length > 0) updates++
      const status = memory.take(message)
      if (status) statuses.push(status)
      queueMicrotask(() => feed.taken())
    },
  })
  const names = () =>
    memory
      .objects()
      .map(({ value }) => nameOf(value as Json))
      .sort()
  const move = () => {
    if ('advance' in clock) (clock as { advance(byMs: number): void }).advance(5)
  }
  return {
    kubeconfig,
    statuses,
    losses,
    get updates() {
      return updates
    },
    names,
    object(name) {
      const found = memory.objects().find(({ value }) => nameOf(value as Json) === name)
      if (!found) throw new Error(`no ${name}`)
      return found.value as Json
    },
    refresh: () => feed.refresh(),
    holds: (...wanted) =>
      eventually(() => {
        move()
        expect(names()).toEqual(wanted.sort())
        expect(statuses.at(-1)?.synced).toBe(true)
      }),
    troubled: (...codes) =>
      eventually(() => {
        move()
        const problems = statuses.at(-1)?.problems ?? []
        expect(problems.map(({ code }) => code)).toEqual(codes)
        return problems.map(({ message }) => message)
      }),
    async [Symbol.asyncDispose]() {
      await feed[Symbol.asyncDispose]()
      folder[Symbol.dispose]()
    },
  }
}

function nameOf({ kind, metadata }: Json): string {
  const { namespace, name } = metadata as { namespace?: string; name: string }
  return namespace === undefined ? `${kind} ${name}` : `${kind} ${namespace}/${name}`
}
