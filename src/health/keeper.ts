import type { Clock, Timer } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { EndpointHealth, EndpointState, HealthOptions, HealthTotals } from '../model/health.ts'
import type { EndpointKey, ServiceKey, ServicePortKey } from '../model/keys.ts'
import type { EndpointWord } from '../model/shared-layout.ts'
import type { CompiledService, ServicePortEndpoints } from '../model/snapshot.ts'
import { usableEndpoints } from '../model/usable-endpoints.ts'
import type { AskEndpoint } from './ask.ts'
import { Checker } from './checker.ts'
import { mayEject } from './outlier.ts'
import { Watch, type WatchWorld } from './watch.ts'

/** How often what sessions saw is looked at. */
const LOOK_EVERY_MS = 100

/** The words of endpoints in shared memory. */
export interface HealthWords {
  /** Undefined: the endpoint has none. */
  slotOf(service: ServicePortKey, endpoint: EndpointKey): number | undefined
  /** What threads count, in a row, since the last success. */
  count(slot: number, word: 'failures' | 'resets'): number
  forgetCount(slot: number): void
  lay(service: ServicePortKey, endpoint: EndpointKey, word: EndpointWord, value: number): void
}

/** An endpoint went up, down or out. */
export interface HealthChange extends EndpointHealth {
  readonly owner: ServiceKey
  readonly slot: number
  readonly before: EndpointState
  /** Of the Service port's endpoints that new sessions may have, how many there are and how many are up. */
  readonly endpoints: number
  readonly up: number
  /** Whether so few are up that all of them are used. */
  readonly allUsed: boolean
  /** Where that began or ceased by it, the slots of the other endpoints that are down. */
  readonly others: readonly number[]
}

export interface HealthKeeperOptions {
  readonly clock: Clock
  readonly random: Random
  readonly atOnce: number
  readonly ask: AskEndpoint
  readonly words: HealthWords
  readonly onChange: (change: HealthChange) => void
}

/** A Service port whose endpoints are watched. */
interface WatchedPort {
  readonly owner: ServiceKey
  readonly service: ServicePortKey
  options: HealthOptions
  readonly watches: Map<EndpointKey, Watched>
  allUsed: boolean
  readonly changes: Record<EndpointState, number>
  readonly checks: { good: number; bad: number }
}

/** An endpoint that is watched. */
interface Watched {
  readonly watch: Watch
  readonly slot: number
  /** Whether new sessions may have it, as far as the objects say. */
  used: boolean
  told: EndpointState
  /** Failures at the last look. */
  failures: number
}

/** Knows the health of endpoints, and tells the threads that run sessions which of them are out. Lives on the main thread, so
 *  that each is asked once however many threads there are. What it knows is kept by name, whatever else changes. */
export class HealthKeeper implements Disposable {
  readonly #options: HealthKeeperOptions
  readonly #world: WatchWorld & { readonly checker: Checker }
  readonly #ports = new Map<ServicePortKey, WatchedPort>()
  #looking: Timer | undefined

  constructor(options: HealthKeeperOptions) {
    this.#options = options
    const { clock, random, atOnce, ask } = options
    this.#world = { clock, random, ask, checker: new Checker({ clock, random, atOnce }) }
  }

  /** A Service as it will be in force; call it when its endpoints have slots. `before`: as it is in force. */
  update(compiled: CompiledService, before: CompiledService | undefined): void {
    for (const service of before?.ports.keys() ?? []) if (!compiled.ports.has(service)) this.#forget(service)
    const { key, options } = compiled.input.value
    const { check, agent, ejection } = options.health
    for (const [service, port] of compiled.ports) {
      if (check || agent || ejection) this.#follow(key, port, options.health, options.sendProxy?.version)
      else this.#forget(service)
    }
    if (this.#ports.size > 0) this.#looking ??= this.#options.clock.after(LOOK_EVERY_MS, () => this.#look())
  }

  /** A Service that is no more. */
  remove(compiled: CompiledService): void {
    for (const service of compiled.ports.keys()) this.#forget(service)
  }

  /** The health of every endpoint that is watched. */
  read(): readonly EndpointHealth[] {
    return [...this.#ports.values()].flatMap(({ watches }) => [...watches.values()].map(({ watch }) => watch.read()))
  }

  totals(): readonly HealthTotals[] {
    return [...this.#ports.values()].map(({ service, watches, changes, checks }) => {
      const states = { up: 0, down: 0, ejected: 0 }
      for (const { watch, used } of watches.values()) if (used) states[watch.state]++
      return { service, states, changes, checks }
    })
  }

  [Symbol.dispose](): void {
    this.#looking?.[Symbol.dispose]()
    for (const { watches } of this.#ports.values()) for (const { watch } of watches.values()) watch[Symbol.dispose]()
    this.#world.checker[Symbol.dispose]()
    this.#ports.clear()
  }

  #follow(owner: ServiceKey, port: ServicePortEndpoints, options: HealthOptions, proxyHeader: 1 | 2 | undefined): void {
    const service = port.port.key
    const watched = this.#portOf(owner, service, options)
    const used = usableEndpoints(port)
    const listed = new Set(port.all.map(({ key }) => key))
    for (const [key, one] of watched.watches) if (!listed.has(key)) this.#unwatch(watched, one)
    for (const endpoint of port.all) {
      const slot = this.#options.words.slotOf(service, endpoint.key)
      if (slot === undefined) continue
      const one = watched.watches.get(endpoint.key) ?? this.#watch(watched, endpoint, slot)
      one.used = used.has(endpoint.key)
      const header = port.port.protocol === 'TCP' ? proxyHeader : undefined
      one.watch.follow(endpoint, options, header, one.used)
      this.#changed(watched, one)
    }
  }

  #portOf(owner: ServiceKey, service: ServicePortKey, options: HealthOptions): WatchedPort {
    const known = this.#ports.get(service)
    if (known) {
      known.options = options
      return known
    }
    const changes = { up: 0, down: 0, ejected: 0 }
    const checks = { good: 0, bad: 0 }
    const made: WatchedPort = { owner, service, options, watches: new Map(), allUsed: false, changes, checks }
    this.#ports.set(service, made)
    return made
  }

  #watch(port: WatchedPort, endpoint: ServicePortEndpoints['all'][number], slot: number): Watched {
    const watch = new Watch(port.service, endpoint, this.#world, {
      changed: () => this.#changed(port, one),
      checked: (good) => void port.checks[good ? 'good' : 'bad']++,
    })
    const one: Watched = { watch, slot, used: false, told: 'up', failures: 0 }
    port.watches.set(endpoint.key, one)
    return one
  }

  #unwatch(port: WatchedPort, { watch }: Watched): void {
    watch[Symbol.dispose]()
    port.watches.delete(watch.endpoint.key)
    // Its slot may be its own again when it comes back.
    for (const word of ['health', 'share'] as const) this.#options.words.lay(port.service, watch.endpoint.key, word, 0)
  }

  #forget(service: ServicePortKey): void {
    const port = this.#ports.get(service)
    if (!port) return
    for (const one of port.watches.values()) this.#unwatch(port, one)
    this.#ports.delete(service)
  }

  #write(watch: Watch): void {
    const { words } = this.#options
    const { agentPercent } = watch
    words.lay(watch.service, watch.endpoint.key, 'health', watch.word)
    words.lay(watch.service, watch.endpoint.key, 'share', agentPercent === undefined ? 0 : agentPercent + 1)
  }

  #changed(port: WatchedPort, one: Watched): void {
    const { watch, slot, told: before } = one
    // What counts against it from now on is what happens from now on.
    if (watch.state === 'up' && before !== 'up') this.#options.words.forgetCount(slot)
    this.#write(watch)
    if (watch.state === before) return
    one.told = watch.state
    port.changes[watch.state]++
    const { endpoints, up } = standing(port)
    const allUsed = up === 0 || up * 100 < endpoints * port.options.panicPercent
    const others = allUsed === port.allUsed ? [] : othersDown(port, one)
    port.allUsed = allUsed
    this.#options.onChange({ ...watch.read(), owner: port.owner, slot, before, endpoints, up, allUsed, others })
  }

  /** Looks at what sessions saw since the last time. */
  #look(): void {
    for (const port of this.#ports.values()) {
      for (const one of port.watches.values()) if (one.used) this.#lookAt(port, one)
    }
    this.#looking = this.#ports.size === 0 ? undefined : this.#options.clock.after(LOOK_EVERY_MS, () => this.#look())
  }

  #lookAt(port: WatchedPort, one: Watched): void {
    const { words } = this.#options
    const failures = words.count(one.slot, 'failures')
    if (failures > one.failures) one.watch.suspect()
    one.failures = failures
    const { ejection } = port.options
    if (!ejection || one.watch.state !== 'up') return
    const row = Math.max(failures, words.count(one.slot, 'resets'))
    if (row < ejection.after) return
    const { endpoints, up } = standing(port)
    if (mayEject(endpoints - up, endpoints, ejection)) one.watch.eject(ejection, row)
  }
}

/** Of the endpoints that new sessions may have, how many there are, and how many are up. */
function standing({ watches }: WatchedPort): { readonly endpoints: number; readonly up: number } {
  let endpoints = 0
  let up = 0
  for (const { used, watch } of watches.values()) {
    if (!used) continue
    endpoints++
    if (watch.state === 'up') up++
  }
  return { endpoints, up }
}

function othersDown({ watches }: WatchedPort, one: Watched): number[] {
  const others = [...watches.values()].filter((other) => other !== one && other.watch.state === 'down')
  return others.map(({ slot }) => slot)
}
