import type { Ledger } from '../balancer/ledger.ts'
import { continueRotation } from '../balancer/rotation.ts'
import { tier } from '../balancer/tiers.ts'
import type { PublishedRoute, RouteEndpoint, RouteLimits } from '../model/delta.ts'
import type { Endpoint } from '../model/endpoint.ts'
import { type EndpointKey, familyOf, type ServicePortKey } from '../model/keys.ts'
import type { SchedulerName, TrafficPolicy } from '../model/service.ts'
import { BACKUP_ROTATION, ROTATIONS } from '../model/shared-layout.ts'
import type { CompiledService, Route } from '../model/snapshot.ts'
import { hostKeyOf, hostKeysOf, hostsKeyOf } from './affinity-hosts.ts'
import { clientRulesOf } from './client-rules.ts'
import { preludeOf } from './prelude.ts'

const NO_HEADERS = { sendProxy: undefined, acceptProxy: undefined }

/** Which of a Service slot's rotation words belongs to the endpoints of this family and policy. */
function rotationOf(serviceSlot: number, family: 4 | 6, policy: TrafficPolicy): number {
  return serviceSlot * ROTATIONS + (policy === 'Local' ? 2 : 0) + (family === 6 ? 1 : 0)
}

/** A list of endpoints as compiled, and as published. */
interface PublishedList {
  readonly compiled: readonly Endpoint[]
  readonly hosts: ServicePortKey | undefined
  readonly published: readonly RouteEndpoint[]
}

/** Whose list it is. */
interface ListOwner {
  readonly service: ServicePortKey
  /** What the addresses of its endpoints are listed by; undefined: nobody needs them. */
  readonly hosts: ServicePortKey | undefined
  readonly scheduler: SchedulerName
  readonly rotation: number
}

function limitsOf({ holdMs, service }: Route): RouteLimits | undefined {
  const { maxConnections: maxSessions, maxPerEndpoint, queueLength, queueMs } = service.options
  if (maxSessions === undefined && maxPerEndpoint === undefined && holdMs === undefined) return undefined
  return { maxSessions, maxPerEndpoint, queueLength, queueMs, holdMs }
}

/** Slots of endpoints that nothing new may go to. */
export interface Released {
  readonly left: readonly number[]
  readonly orphaned: readonly number[]
}

/** Turns routes into what engines are given: endpoints become slots of the ledger. Keeps what was published last, so
 *  that a rotation goes on where it stood when its endpoints change. */
export class Publisher {
  readonly #ledger: Ledger
  readonly #transparentSource: boolean
  readonly #instance: string
  /** By rotation word: the list as compiled, and as published. */
  readonly #lists = new Map<number, PublishedList>()

  /** `transparentSource`: whether the engine can. `instance` tells the sessions of this process from those of others. */
  constructor(ledger: Ledger, transparentSource: boolean, instance: string) {
    this.#ledger = ledger
    this.#transparentSource = transparentSource
    this.#instance = instance
  }

  /** Gives slots to everything a compiled Service lists. False: the ledger is full, and what found no slot is left out. */
  reserve(compiled: CompiledService): boolean {
    let room = true
    for (const { port, all } of compiled.ports.values()) {
      const slot = this.#ledger.serviceSlot(port.key)
      if (slot === undefined) {
        room = false
        continue
      }
      for (const endpoint of all) if (this.#ledger.endpointSlot(port.key, endpoint.key) === undefined) room = false
    }
    return this.#reserveHosts(compiled) && room
  }

  /** Gives up the slots of what left between two versions of a Service; returns the slots of endpoints that left, and of
   *  those whose Service port did. */
  release(before: CompiledService, after: CompiledService | undefined, revision: number): Released {
    const left: number[] = []
    const orphaned: number[] = []
    for (const key of before.ports.keys()) {
      const now = after?.ports.get(key)
      const staying = now && new Set<EndpointKey>(now.all.map((endpoint) => endpoint.key))
      if (!staying) this.#forget(key)
      const slots = staying ? left : orphaned
      slots.push(...this.#ledger.retain(key, staying, revision))
    }
    const hosts = hostsKeyOf(before.input.value)
    const stay = after && hostsKeyOf(after.input.value) !== undefined ? hostKeysOf(after) : undefined
    // No session runs on them: nobody need hear that they left.
    if (hosts !== undefined) this.#ledger.retain(hosts, stay, revision)
    return { left, orphaned }
  }

  /** The route as data for an engine; undefined when the ledger has no room for its Service. */
  publish(listener: number, route: Route): PublishedRoute | undefined {
    const { service, port, localClients: clients } = route
    const family = familyOf(route.address.ip)
    const { sendProxy, acceptProxy } = port.protocol === 'TCP' ? service.options : NO_HEADERS
    const serviceSlot = this.#ledger.serviceSlot(port.key)
    if (serviceSlot === undefined) return undefined
    const { scheduler, clientPrefix: affinityPrefix } = service.options
    const hosts = hostsKeyOf(service)
    const list = (policy: TrafficPolicy, compiled: readonly Endpoint[]) => {
      const rotation = rotationOf(serviceSlot, family, policy)
      return { rotation, endpoints: this.#endpoints({ service: port.key, hosts, scheduler, rotation }, compiled) }
    }
    return {
      listener,
      service: port.key,
      serviceSlot,
      ...list(route.policy, route.endpoints),
      forLocalClients: clients.length === 0 ? undefined : { clients, ...list('Cluster', route.localClientEndpoints) },
      protocol: port.protocol,
      ip: route.address.ip,
      scheduler,
      panicPercent: service.options.health.panicPercent,
      affinityTimeoutMs: service.affinityTimeoutMs,
      affinitySlot: (hosts && this.#ledger.serviceSlot(hosts)) ?? serviceSlot,
      affinityPrefix,
      sourceRanges: route.sourceRanges,
      connectMs: service.options.connectMs,
      transparent: this.#transparentSource && service.options.sourceAddress === 'transparent',
      sourceAddresses: service.options.sourceAddresses ?? [],
      idleMs: service.options.idleMs,
      halfCloseMs: service.options.halfCloseMs,
      udpIdleMs: service.options.udpIdleMs,
      udpResponses: service.options.udpResponses,
      maxSessionMs: service.options.maxSessionMs,
      prelude: sendProxy && preludeOf(sendProxy, route, this.#instance),
      acceptProxy,
      userTimeoutMs: service.options.userTimeoutMs,
      clientRules: clientRulesOf(port, service.options),
      limits: limitsOf(route),
    }
  }

  #forget(key: ServicePortKey): void {
    const slot = this.#ledger.knownServiceSlot(key)
    if (slot === undefined) return
    for (let n = 0; n < ROTATIONS; n++) this.#lists.delete(slot * ROTATIONS + n)
  }

  /** False: the ledger is full; affinity is then each port's own as far as that. */
  #reserveHosts(compiled: CompiledService): boolean {
    const hosts = hostsKeyOf(compiled.input.value)
    if (hosts === undefined) return true
    if (this.#ledger.serviceSlot(hosts) === undefined) return false
    let room = true
    for (const host of hostKeysOf(compiled)) if (this.#ledger.endpointSlot(hosts, host) === undefined) room = false
    return room
  }

  #endpoints({ service, hosts, scheduler, rotation }: ListOwner, compiled: readonly Endpoint[]): readonly RouteEndpoint[] {
    const last = this.#lists.get(rotation)
    if (last?.compiled === compiled && last.hosts === hosts) return last.published
    const published: RouteEndpoint[] = []
    for (const { key, address, weight, backup } of compiled) {
      const slot = this.#ledger.endpointSlot(service, key)
      const hostSlot = hosts && this.#ledger.endpointSlot(hosts, hostKeyOf(address.ip))
      if (slot !== undefined) published.push({ slot, key, address, weight, backup, ...(hosts && { hostSlot }) })
    }
    if (last) {
      this.#move(scheduler, rotation, tier(last.published, false), tier(published, false))
      this.#move(scheduler, rotation + BACKUP_ROTATION, tier(last.published, true), tier(published, true))
    }
    this.#lists.set(rotation, { compiled, hosts, published })
    return published
  }

  #move(scheduler: SchedulerName, rotation: number, before: readonly RouteEndpoint[], after: readonly RouteEndpoint[]): void {
    if (before.length === 0 || after.length === 0) return
    const { rotations } = this.#ledger.views
    Atomics.store(rotations, rotation, continueRotation(scheduler, Atomics.load(rotations, rotation), before, after))
  }
}
