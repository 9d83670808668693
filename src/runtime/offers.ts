import type { Clock } from '../lib/clock.ts'
import { Runner } from '../lib/runner.ts'
import type { PublishedRoute } from '../model/delta.ts'
import type { ListenerKey } from '../model/keys.ts'

/** Endpoints that come up together, or one behind the other, are one offer within this time. */
const LEAST_GAP_MS = 100
const RETRY_GAP_MS = 1_000

export interface OffersOptions {
  readonly clock: Clock
  /** Routes as the engine has them. */
  readonly published: ReadonlyMap<ListenerKey, PublishedRoute>
  readonly publish: (set: readonly PublishedRoute[]) => Promise<void>
  readonly onFailure: (error: unknown) => void
}

/** Has sessions that wait asked for again, because an endpoint of theirs may be had again. The first offer is made at once. However
 *  many endpoints a Service has, its routes go to the engine once for all that came up meanwhile. */
export class Offers implements AsyncDisposable {
  readonly #options: OffersOptions
  readonly #wanted = new Set<ListenerKey>()
  readonly #runner: Runner

  constructor(options: OffersOptions) {
    this.#options = options
    const { clock, onFailure } = options
    this.#runner = new Runner({ clock, minGapMs: LEAST_GAP_MS, retryGapMs: RETRY_GAP_MS, run: () => this.#run(), onFailure })
  }

  /** At these routes. */
  add(isMeant: (route: PublishedRoute) => boolean): void {
    for (const [key, route] of this.#options.published) {
      if (route.limits !== undefined && isMeant(route)) this.#wanted.add(key)
    }
    if (this.#wanted.size > 0) this.#runner.request()
  }

  /** No offer is made afterwards. Waits for one under way, which the engine must answer or reject. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#runner[Symbol.asyncDispose]()
  }

  async #run(): Promise<void> {
    const keys = [...this.#wanted]
    this.#wanted.clear()
    const set = keys.flatMap((key) => this.#options.published.get(key) ?? [])
    try {
      if (set.length > 0) await this.#options.publish(set)
    } catch (error) {
      for (const key of keys) this.#wanted.add(key)
      throw error
    }
  }
}
