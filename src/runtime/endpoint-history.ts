import type { Endpoint } from '../model/endpoint.ts'
import type { EndpointKey, ServicePortKey } from '../model/keys.ts'
import type { CompiledService } from '../model/snapshot.ts'

/** Since when the objects say of endpoints what they say now; kept for those that changed or came while their Service port
 *  was known. */
export class EndpointHistory {
  readonly #sinceMs = new Map<ServicePortKey, Map<EndpointKey, number>>()

  /** A Service changes at `nowMs`, in milliseconds since 1970. */
  update(compiled: CompiledService, before: CompiledService | undefined, nowMs: number): void {
    for (const key of before?.ports.keys() ?? []) if (!compiled.ports.has(key)) this.#sinceMs.delete(key)
    for (const [key, { all }] of compiled.ports) {
      const known = before?.ports.get(key)
      if (!known || known.all === all) continue
      const earlier = new Map(known.all.map((endpoint) => [endpoint.key, endpoint]))
      const kept = this.#sinceMs.get(key)
      const now = new Map<EndpointKey, number>()
      for (const endpoint of all) {
        const sinceMs = isSaidOf(endpoint, earlier.get(endpoint.key)) ? kept?.get(endpoint.key) : nowMs
        if (sinceMs !== undefined) now.set(endpoint.key, sinceMs)
      }
      if (now.size > 0) this.#sinceMs.set(key, now)
      else this.#sinceMs.delete(key)
    }
  }

  /** A Service is no more. */
  remove(compiled: CompiledService): void {
    for (const key of compiled.ports.keys()) this.#sinceMs.delete(key)
  }

  /** In milliseconds since 1970; undefined: ever since it was first seen with its Service port. */
  sinceMs(service: ServicePortKey, endpoint: EndpointKey): number | undefined {
    return this.#sinceMs.get(service)?.get(endpoint)
  }
}

function isSaidOf(now: Endpoint, before: Endpoint | undefined): boolean {
  return before?.ready === now.ready && before.serving === now.serving && before.terminating === now.terminating
}
