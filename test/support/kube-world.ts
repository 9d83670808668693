import type { KubeContext } from '../../src/admin/kube/context.ts'
import type { Insight, ServiceFacts } from '../../src/admin/kube/insight.ts'
import { answerKube } from '../../src/admin/kube/kube-api.ts'
import { ensureNamespace } from '../../src/admin/kube/prepare.ts'
import { manualClock } from '../../src/lib/clock.ts'
import { seededRandom } from '../../src/lib/random.ts'
import type { Cidr } from '../../src/model/keys.ts'
import { DEFAULT_PARSE_OPTIONS } from '../../src/model/parse-options.ts'
import { NO_JOURNAL } from '../../src/store/journal.ts'
import { JournaledStore } from '../../src/store/object-store.ts'
import type { Json } from './objects.ts'

export interface KubeReply {
  readonly code: number
  readonly body: Json
  readonly contentType: string
  readonly warnings: readonly string[]
}

export interface KubeAsking {
  readonly type?: string
  readonly accept?: string
  readonly userAgent?: string
}

/** The API without a server, a proxy or a disk. */
export class KubeWorld {
  readonly store = new JournaledStore({ journal: NO_JOURNAL })
  readonly clock = manualClock(Date.parse('2026-01-01T00:00:00Z'))
  /** What the proxy makes of Services, by key. */
  readonly facts = new Map<string, Partial<ServiceFacts>>()
  /** What Services have that a file or a cluster gave no address. */
  holdings: ReturnType<Insight['holdings']> = []
  readonly context: KubeContext

  private constructor(ranges: readonly string[]) {
    const nothing: ServiceFacts = {
      state: 'Pending',
      message: '',
      ready: 0,
      endpoints: 0,
      sessions: 0,
      clusterIps: [],
      addresses: [],
    }
    this.context = {
      store: this.store,
      clock: this.clock,
      random: seededRandom(1),
      parse: DEFAULT_PARSE_OPTIONS,
      clusterIpRanges: ranges as readonly Cidr[],
      nodePortRange: [30_000, 32_767],
      insight: { survey: () => (key) => ({ ...nothing, ...this.facts.get(key) }), holdings: () => this.holdings },
    }
  }

  static async open(ranges: readonly string[] = ['127.10.0.0/16']): Promise<KubeWorld> {
    const world = new KubeWorld(ranges)
    await ensureNamespace(world.context, 'default')
    return world
  }

  async ask(method: string, path: string, body?: unknown, asking: KubeAsking = {}): Promise<KubeReply> {
    const answer = await this.raw(method, path, body, asking)
    if ('watch' in answer) throw new Error('a watch was not expected')
    return { ...answer, body: answer.body as Json }
  }

  raw(method: string, url: string, body?: unknown, { type, accept, userAgent = 'test/1' }: KubeAsking = {}) {
    const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
    const contentType = type ?? (body === undefined ? undefined : 'application/json')
    return answerKube(this.context, '1.2.3', { method, url, accept, contentType, userAgent, bytes: Buffer.from(text) })
  }

  /** Begins a watch; its events are added to the list as they come. */
  async watch(url: string, asking: KubeAsking = {}): Promise<KubeWatch> {
    const answer = await this.raw('GET', url, undefined, asking)
    if (!('watch' in answer)) throw new Error(`no watch: ${JSON.stringify(answer.body)}`)
    const watch = new KubeWatch()
    answer.watch(watch)
    return watch
  }
}

/** One watch, as a client sees it. */
export class KubeWatch {
  readonly events: { readonly type: string; readonly object: Json }[] = []
  /** How many events there were each time somebody waited for room. */
  readonly heldBack: number[] = []
  ended = false
  readonly #abort = new AbortController()

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  write(text: string): boolean {
    if (this.ended) return false
    this.events.push(
      ...text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as KubeWatch['events'][number]),
    )
    return true
  }

  /** Another turn of a client that takes everything. */
  async room(): Promise<void> {
    this.heldBack.push(this.events.length)
    await new Promise((resolve) => setImmediate(resolve))
  }

  end(): void {
    this.ended = true
    this.#abort.abort()
  }

  /** `ADDED web`. */
  seen(): readonly string[] {
    return this.events.map(({ type, object }) => `${type} ${(object['metadata'] as Json | undefined)?.['name'] ?? ''}`.trim())
  }
}
