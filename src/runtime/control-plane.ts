import type { Clock, Timer } from '../lib/clock.ts'
import { Runner } from '../lib/runner.ts'
import { inSlices } from '../lib/steps.ts'
import { createObjectParser } from '../model/parse-objects.ts'
import type { ParseOptions } from '../model/parse-options.ts'
import type { Problem } from '../model/problem.ts'
import type { NodeContext, Snapshot } from '../model/snapshot.ts'
import type { Logger } from '../observe/logger.ts'
import { type CompileOptions, compileInSteps } from '../snapshot/compile.ts'
import { mergeStates } from '../source/merge.ts'
import type { Source, SourceState } from '../source/source.ts'
import { type NodeContextOptions, readNodeContext } from './node-context.ts'
import { ProblemLog } from './problem-log.ts'

/** Changes this close together become one. */
const MIN_GAP_MS = 10
const RETRY_GAP_MS = 1_000
/** How often the addresses of the machine are read again. */
const NODE_EVERY_MS = 10_000

export interface ControlPlaneOptions {
  readonly sources: readonly Source[]
  readonly parse: ParseOptions
  readonly compile: CompileOptions
  readonly node: NodeContextOptions
  readonly clock: Clock
  readonly logger: Logger
  /** Puts a snapshot in force; resolves when it is. Work on it began at `startedMs`, on the clock. */
  readonly apply: (snapshot: Snapshot, startedMs: number) => Promise<void>
  /** What else is wrong with a snapshot, as only the machine can tell. */
  readonly inspect?: (snapshot: Snapshot) => readonly Problem[]
  /** Told when the machine's addresses have changed. */
  readonly onNode?: () => void
  /** Told when a change was seen, before it is in force. */
  readonly onQueued: () => void
}

/** A source, and what it said last. */
export interface SourceReading {
  readonly name: string
  readonly state: SourceState | undefined
  /** When that was last known to hold, in milliseconds since 1970. */
  readonly readAtMs: number | undefined
}

/** From sources to snapshots: takes the newest state of each source, parses, compiles and publishes, at one pace. A
 *  source that fails keeps its last good state; nothing is ever removed because something could not be read. */
export class ControlPlane implements AsyncDisposable {
  /** Resolves when every source has loaded once and what they said was put in force. */
  readonly ready: Promise<void>
  readonly #options: ControlPlaneOptions
  readonly #states: (SourceState | undefined)[]
  readonly #stop = new AbortController()
  readonly #watching: Promise<void>[]
  readonly #runner: Runner
  readonly #parser: ReturnType<typeof createObjectParser>
  readonly #problemLog: ProblemLog
  readonly #becomeReady: () => void
  #node: NodeContext
  #nodeTimer: Timer | undefined
  #snapshot: Snapshot | undefined
  #synced = false

  constructor(options: ControlPlaneOptions) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ready = promise
    this.#becomeReady = resolve
    this.#options = options
    this.#states = options.sources.map(() => undefined)
    this.#parser = createObjectParser(options.parse)
    this.#problemLog = new ProblemLog(options.logger)
    this.#node = readNodeContext(options.node)
    this.#runner = new Runner({
      clock: options.clock,
      minGapMs: MIN_GAP_MS,
      retryGapMs: RETRY_GAP_MS,
      run: () => this.#run(),
      onFailure: (error) =>
        options.logger.error('snapshot.failed', 'the change could not be put in force; trying again', { error }),
    })
    this.#watching = options.sources.map((source, n) => this.#watch(source, n).catch((error) => this.#lost(source, error)))
    this.#armNodeTimer()
    if (options.sources.length === 0) this.#runner.request()
  }

  get synced(): boolean {
    return this.#synced
  }

  /** The newest state of each source, in their order. */
  states(): readonly SourceReading[] {
    return this.#options.sources.map((source, n) => {
      const state = this.#states[n]
      return { name: source.name, state, readAtMs: source.heardAtMs ? source.heardAtMs() : state?.readAtMs }
    })
  }

  /** Reads every source and the machine's addresses again now. */
  refresh(): void {
    for (const source of this.#options.sources) source.refresh()
    this.#readNode()
  }

  /** Compiles again what is there, because the machine is another one now. */
  recompile(): void {
    this.#runner.request()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#nodeTimer?.[Symbol.dispose]()
    await this.#runner[Symbol.asyncDispose]()
    await Promise.all(this.#options.sources.map((source) => source[Symbol.asyncDispose]()))
    await Promise.all(this.#watching)
  }

  async #watch(source: Source, n: number): Promise<void> {
    const { logger, onQueued } = this.#options
    for await (const state of source.watch(this.#stop.signal)) {
      const before = this.#states[n]
      if (state.synced && !before?.synced) {
        logger.info('source.synced', 'read for the first time', { key: source.name, objects: state.objects.length })
      }
      this.#states[n] = state
      onQueued()
      this.#runner.request()
    }
  }

  /** A source promises not to fail; one that does keeps its last state for good. */
  #lost(source: Source, error: unknown): void {
    this.#options.logger.error('source.failed', 'cannot be followed any more', { key: source.name, error })
  }

  async #run(): Promise<void> {
    const { apply, clock, compile: compileOptions, inspect, logger } = this.#options
    const startedMs = clock.now()
    const merged = mergeStates(this.#states)
    const objects = await inSlices(this.#parser.parseInSteps(merged.objects), clock)
    const next = await inSlices(compileInSteps(objects, this.#node, compileOptions, this.#snapshot), clock)
    const problems = [...merged.problems, ...next.problems, ...(inspect?.(next) ?? [])]
    this.#problemLog.update(problems, objects.notes)
    this.#sayAssigned(next, logger)
    const { nodePortAddresses: addresses } = next.node
    if (addresses.join() !== this.#snapshot?.node.nodePortAddresses.join())
      logger.info('node.addresses', 'addresses that answer on nodePorts', { addresses })
    this.#sayNodeState(next, logger)
    await apply({ ...next, problems }, startedMs)
    this.#snapshot = next
    if (!merged.synced || this.#synced) return
    this.#synced = true
    this.#becomeReady()
  }

  #sayNodeState({ nodeState: state, node }: Snapshot, logger: Logger): void {
    if (state === (this.#snapshot?.nodeState ?? 'unknown')) return
    const fields = { key: node.name, state }
    if (state === 'leaving') logger.warn('node.state', 'its Node object is about to go, or is gone: /healthz says no', fields)
    else logger.info('node.state', 'its Node object says that it stays', fields)
  }

  #sayAssigned(next: Snapshot, logger: Logger): void {
    for (const [key, compiled] of next.services) {
      const before = this.#snapshot?.services.get(key)
      if (before === compiled) continue
      const { value: service } = compiled.input
      const [ip] = compiled.clusterIps
      if (next.assigned.addresses.has(key) && ip !== before?.clusterIps[0]) {
        logger.info('address.assigned', `clusterIP ${ip}`, { key, ip })
      }
      for (const port of service.ports) {
        const nodePort = compiled.nodePorts.get(port.key)
        if (next.assigned.ports.has(port.key) && nodePort !== before?.nodePorts.get(port.key)) {
          logger.info('address.assigned', `nodePort ${nodePort}`, { key: port.key, nodePort })
        }
      }
    }
  }

  #armNodeTimer(): void {
    this.#nodeTimer = this.#options.clock.after(NODE_EVERY_MS, () => {
      this.#readNode()
      this.#armNodeTimer()
    })
  }

  #readNode(): void {
    const node = readNodeContext(this.#options.node, this.#node)
    if (node === this.#node) return
    this.#node = node
    this.#options.onNode?.()
    this.#runner.request()
  }
}
