import { openObserver } from '../../src/admin/observer.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { parseConfiguration } from '../../src/model/config.ts'
import type { OptionKey } from '../../src/model/config-table.ts'
import { type Problem, showProblem } from '../../src/model/problem.ts'
import type { SessionRecord } from '../../src/model/session.ts'
import type { Logger } from '../../src/observe/logger.ts'
import { openProxy, type Proxy as RunningProxy } from '../../src/runtime/proxy.ts'
import { openFileSource } from '../../src/source/file-source.ts'
import { createObjectSource } from '../../src/source/object-source.ts'
import { openFileParser } from '../../src/source/parser.ts'

/** Namespace of Services that tell changes apart. */
const MARKERS = 'whole-proxy'

/** Options as a configuration file would give them. */
export type ProxyInputs = { readonly [Key in OptionKey]?: string | number | boolean | readonly string[] }

export interface WholeProxyOptions {
  readonly inputs: ProxyInputs
  /** In force from the beginning. */
  readonly objects: readonly unknown[]
  /** Files and folders to watch. */
  readonly files?: readonly string[]
  readonly logger: Logger
  readonly onSession?: (record: SessionRecord) => void
}

/** A proxy put together as the program does it, which tells when a change is in force. */
export interface WholeProxy extends AsyncDisposable {
  readonly proxy: RunningProxy
  /** Takes these objects instead of the ones before; resolves when they are in force. One call at a time. */
  apply(objects: readonly unknown[]): Promise<void>
  /** Takes these objects instead of the ones before and does not wait. */
  set(objects: readonly unknown[]): void
}

/** Opens one; it has loaded what it was given, and every listener was tried, unless a file is missing. */
export async function openWholeProxy(options: WholeProxyOptions): Promise<WholeProxy> {
  const { files = [], inputs, logger, objects } = options
  const config = readInputs(inputs)
  const clock = systemClock
  await using opening = new AsyncDisposableStack()
  const observer = opening.use(
    await openObserver({ config, version: 'test', clock, random: systemRandom, logger, processMetrics: false }),
  )
  const parser = opening.use(await openFileParser({ clock }))
  const source = createObjectSource('objects', clock)
  source.set(objects)
  const fileSources = await Promise.all(files.map((path) => openFileSource(path, { clock, parser })))
  let waiting: (() => void)[] = []
  const { onApplied, onQueued, onSession, onStarted } = observer.hooks
  const proxy = opening.use(
    await openProxy({
      config,
      sources: [source, ...fileSources],
      logger,
      nodeName: 'node-1',
      onSession(record) {
        options.onSession?.(record)
        onSession?.(record)
      },
      onQueued: () => onQueued?.(),
      onStarted: () => onStarted?.(),
      onApplied(...applied) {
        onApplied?.(...applied)
        const resolved = waiting
        waiting = []
        for (const resolve of resolved) resolve()
      },
    }),
  )
  await observer.attach(proxy)
  if (files.length === 0) await proxy.ready
  const held = opening.move()
  let changes = 0
  let marked = true
  return {
    proxy,
    set(next) {
      marked = false
      source.set(next)
    },
    async apply(next) {
      // Where an earlier change may still be on its way, what is put in force next need not be this one.
      const marker = marked ? undefined : `change-${++changes}`
      marked = true
      for (
        let first = true;
        first || (marker && !proxy.read().snapshot?.services.has(`${MARKERS}/${marker}` as never));
        first = false
      ) {
        const applied = new Promise<void>((resolve) => waiting.push(resolve))
        if (first) source.set(marker ? [...next, markerService(marker)] : next)
        await applied
      }
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

/** A Service that nothing is opened for. */
function markerService(name: string): object {
  const spec = { type: 'ExternalName', externalName: 'nowhere.example' }
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: MARKERS }, spec }
}

function readInputs(inputs: ProxyInputs) {
  const problems: Problem[] = []
  const value = { kind: 'Configuration', apiVersion: 'portald.io/v1alpha1', ...inputs }
  const config = parseConfiguration({ file: { place: 'test', value, lines: new Map() }, command: 'forward' }, problems)
  if (!config) throw new Error(problems.map(showProblem).join('; '))
  return config
}
