import type { Clock, Timer } from '../lib/clock.ts'
import type { EndpointKey, ServicePortKey } from '../model/keys.ts'
import { RAMP_STEPS } from '../model/shared-layout.ts'
import type { CompiledService } from '../model/snapshot.ts'
import { usableEndpoints } from '../model/usable-endpoints.ts'

/** However short the start is, weights change no faster than this. */
const LEAST_STEP_MS = 10

interface Start {
  readonly service: ServicePortKey
  readonly endpoint: EndpointKey
  readonly startedMs: number
  readonly durationMs: number
}

/** Gives endpoints that join others their weight little by little: from one part in {@link RAMP_STEPS} to all of it,
 *  evenly over the time that their Service says. Nobody starts slowly where nobody is there to carry the rest: when the
 *  process begins, and when all endpoints are new. */
export class SlowStart implements Disposable {
  readonly #clock: Clock
  readonly #tell: (service: ServicePortKey, endpoint: EndpointKey, steps: number) => void
  readonly #starts = new Map<string, Start>()
  #timer: Timer | undefined

  /** `tell` is given how many parts of its weight an endpoint has; 0: all of it, or it is gone. */
  constructor(clock: Clock, tell: (service: ServicePortKey, endpoint: EndpointKey, steps: number) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  /** A Service changes: who became usable starts, who no longer is stops. */
  update(compiled: CompiledService, before: CompiledService | undefined): void {
    const { slowStartMs } = compiled.input.value.options
    if (slowStartMs === undefined) {
      this.remove(compiled)
      return
    }
    for (const [service, port] of compiled.ports) {
      const now = usableEndpoints(port)
      for (const start of this.#startsOf(service)) if (!now.has(start.endpoint)) this.#stop(start)
      const known = before?.ports.get(service)
      const earlier = known ? usableEndpoints(known) : new Set<EndpointKey>()
      if (![...earlier].some((endpoint) => now.has(endpoint))) continue
      for (const endpoint of now) {
        if (!earlier.has(endpoint)) this.#begin({ service, endpoint, startedMs: this.#clock.now(), durationMs: slowStartMs })
      }
    }
    this.#arm()
  }

  /** An endpoint comes back from somewhere else than a change of its Service: it starts anew. */
  restart(service: ServicePortKey, endpoint: EndpointKey, durationMs: number): void {
    this.#starts.delete(nameOf({ service, endpoint }))
    this.#begin({ service, endpoint, startedMs: this.#clock.now(), durationMs })
    this.#arm()
  }

  /** Nobody of this Service starts any more. */
  remove(compiled: CompiledService): void {
    if (this.#starts.size === 0) return
    for (const service of compiled.ports.keys()) for (const start of this.#startsOf(service)) this.#stop(start)
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]()
    this.#starts.clear()
  }

  #startsOf(service: ServicePortKey): Start[] {
    return [...this.#starts.values()].filter((start) => start.service === service)
  }

  /** One that is under way goes on: a change may be put in force twice. */
  #begin(start: Start): void {
    const name = nameOf(start)
    if (this.#starts.has(name)) return
    this.#starts.set(name, start)
    this.#tell(start.service, start.endpoint, 1)
  }

  #stop(start: Start): void {
    this.#starts.delete(nameOf(start))
    this.#tell(start.service, start.endpoint, 0)
  }

  #arm(): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = undefined
    if (this.#starts.size === 0) return
    const durations = [...this.#starts.values()].map(({ durationMs }) => durationMs)
    const shortestMs = durations.reduce((least, durationMs) => Math.min(least, durationMs))
    this.#timer = this.#clock.after(Math.max(shortestMs / RAMP_STEPS, LEAST_STEP_MS), () => this.#advance())
  }

  #advance(): void {
    const nowMs = this.#clock.now()
    for (const start of this.#starts.values()) {
      const steps = Math.floor((RAMP_STEPS * (nowMs - start.startedMs)) / start.durationMs)
      if (steps >= RAMP_STEPS) this.#stop(start)
      else this.#tell(start.service, start.endpoint, Math.max(steps, 1))
    }
    this.#arm()
  }
}

function nameOf({ service, endpoint }: Pick<Start, 'service' | 'endpoint'>): string {
  return `${service} ${endpoint}`
}
